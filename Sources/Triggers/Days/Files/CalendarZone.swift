internal import Chronology

/// A time zone as a calendar file describes it (RFC 5545, 3.6.5): what its clocks do, whatever the zone is called
/// elsewhere.
struct CalendarZone {
  /// One STANDARD or DAYLIGHT: an offset, and when clocks are set to it.
  struct Observance {
    var lines: [ContentLine]
  }

  /// The IANA name that some programs give beside their own.
  var location: String?
  var observances: [Observance] = []

  /// More changes than any zone has, up to 2262.
  private static let mostChanges = 4000
  /// Changes before the range of instants decide nothing, except which of them is the last one before it.
  private static let earliest = (CalendarDays.first - 800) * 86_400

  /// The rules for a zone of that name; throws why its description is unusable.
  ///
  /// - Complexity: O(n) for n changes, some microseconds each.
  func rules(name: String) throws(ContentLineError) -> TimeZoneRules {
    var changes: [(at: Int, offset: Int, before: Int)] = []
    for observance in observances {
      try CalendarZone.add(observance, to: &changes)
      guard changes.count <= CalendarZone.mostChanges else {
        throw ContentLineError(
          message: "the time zone \"\(name)\" changes too often; end its rules with UNTIL",
          line: observance.lines.first?.line ?? 1)
      }
    }
    changes.sort { $0.at < $1.at }
    guard let first = changes.first else {
      throw ContentLineError(message: "the time zone \"\(name)\" has no STANDARD and no DAYLIGHT part", line: 1)
    }
    return TimeZoneRules(
      name: name, firstOffset: first.before, changes: changes.map { (at: $0.at, offset: $0.offset) })
  }

  private static func add(
    _ observance: Observance, to changes: inout [(at: Int, offset: Int, before: Int)]
  ) throws(ContentLineError) {
    var start: CalendarTime?
    var (before, after): (Int?, Int?) = (nil, nil)
    var rules: [(rule: RecurrenceRule, line: Int)] = []
    var dates: [CalendarTime] = []
    let first = observance.lines.first?.line ?? 1
    for line in observance.lines {
      func fail(_ message: String) -> ContentLineError { ContentLineError(message: message, line: line.line) }
      do throws(TriggerError) {
        switch line.name {
        case "DTSTART": start = try CalendarTime.parse(line.value, years: CalendarTime.allYears)
        case "TZOFFSETFROM": before = try offset(line.value)
        case "TZOFFSETTO": after = try offset(line.value)
        case "RRULE": rules.append((try RecurrenceRuleParser.parse(line.value), line.line))
        case "RDATE":
          for item in line.value.split(separator: ",") {
            let time = item.split(separator: "/").first ?? item
            dates.append(try CalendarTime.parse(time, years: CalendarTime.allYears))
          }
        default: break
        }
      } catch {
        throw fail("\(line.name) \(line.value): \(error.message)")
      }
    }
    guard let start, let before, let after else {
      throw ContentLineError(
        message: "a part of a time zone needs DTSTART, TZOFFSETFROM and TZOFFSETTO", line: first)
    }
    // Onsets are given on the clock that ends with them.
    func insert(_ local: Int, isUTC: Bool) { changes.append((isUTC ? local : local - before, after, before)) }
    insert(start.local, isUTC: start.isUTC)
    for date in dates { insert(date.local, isUTC: date.isUTC) }
    for (rule, _) in rules {
      let clock = TimeZoneRules(name: "", fixedOffset: before)
      let last = rule.until.map { RecurrenceTrigger.last($0, clock) } ?? neverLocal - 1
      guard let pattern = RecurrencePattern(rule, start: start.local, last: last) else { continue }
      var local = pattern.nextLocal(from: max(start.local, earliest))
      while local < CalendarDays.last * 86_400, changes.count <= mostChanges {
        insert(local, isUTC: start.isUTC)
        local = pattern.nextLocal(from: local + 1)
      }
    }
  }

  /// `+0100`, `-0330`, `+001540` in seconds.
  private static func offset(_ text: String) throws(TriggerError) -> Int {
    let bytes = Array(text.utf8)
    guard bytes.count == 5 || bytes.count == 7, bytes[0] == UInt8(ascii: "+") || bytes[0] == UInt8(ascii: "-"),
      bytes.dropFirst().allSatisfy({ (48...57).contains($0) })
    else { throw TriggerError("an offset is written +0100 or -0330") }
    let digits = bytes.dropFirst().map { Int($0) - 48 }
    let (hours, minutes) = (digits[0] * 10 + digits[1], digits[2] * 10 + digits[3])
    let seconds = hours * 3600 + minutes * 60 + (digits.count == 6 ? digits[4] * 10 + digits[5] : 0)
    guard hours < 26, minutes < 60 else { throw TriggerError("the offset is more than a day") }
    return bytes[0] == UInt8(ascii: "-") ? -seconds : seconds
  }
}
