internal import Basics

/// Reads cron tables: APScheduler's fields, where what is less significant than the least significant field given takes
/// its lowest value, and everything else is `*`.
struct CronTable {
  /// Most significant first; a field that has no lowest value of its own stays `*`.
  private static let layout: [(key: String, field: CronField, lowest: String?)] = [
    ("year", .year, nil), ("month", .month, "1"), ("day", .day, "1"), ("week", .week, nil),
    ("day_of_week", .weekday, nil), ("hour", .hour, "0"), ("minute", .minute, "0"), ("second", .second, "0"),
  ]

  /// Takes the fields of a table from `options`.
  static func parse(_ options: inout TriggerOptions, jobName: String?) throws(TriggerError) -> CronParser.Result {
    let nameHash = jobName.map(StableHash.of)
    var given: [CronField: String] = [:]
    var source: [CronTrigger.TableField] = []
    for entry in layout {
      guard let value = options.take(entry.key) else { continue }
      let text = try fieldText(value, key: entry.key)
      given[entry.field] = text
      source.append(CronTrigger.TableField(key: entry.key, text: canonical(text, entry.field)))
    }
    guard let least = layout.lastIndex(where: { given[$0.field] != nil }) else {
      if !options.remaining.isEmpty { try options.finish() }
      throw TriggerError("it has no field", suggestion: "write { hour = 3 } or { minute = \"*/5\" }")
    }
    var result = CronParser.Result(source: .table(source))
    var values: [CronField: CronFieldValue] = [:]
    for (index, entry) in layout.enumerated() {
      if let text = given[entry.field] {
        values[entry.field] = try parse(text, as: entry.field, key: entry.key, nameHash: nameHash)
      } else if index > least, let lowest = entry.lowest {
        values[entry.field] = try parse(lowest, as: entry.field, key: entry.key, nameHash: nil)
      } else {
        values[entry.field] = .everything(entry.field)
      }
    }
    CronParser.assemble(values, seconds: true, into: &result)
    result.fields.finish()
    guard result.fields.nextLocal(from: CronParser.firstLocal) != neverLocal else {
      throw TriggerError(CronParser.impossibleReason(given))
    }
    if let value = values[.weekday], value.usesWeekdayNumbers {
      result.notes.append(weekdayNote(given[.weekday] ?? "", value))
    }
    return result
  }

  /// The text of a field: a string, a whole number, or a list of those.
  private static func fieldText(_ value: SpecValue, key: String) throws(TriggerError) -> String {
    switch value {
    case .string(let text) where !text.utf8.allSatisfy({ $0 == 32 }):
      guard text.utf8.count <= 300 else { throw TriggerError("\(key) is longer than 300 bytes") }
      return text
    case .integer(let number):
      return "\(number)"
    case .number(let number):
      if let whole = Int64(exactly: number) { return "\(whole)" }
    case .list(let items) where !items.isEmpty:
      var texts: [String] = []
      for item in items {
        if case .list = item { break }
        texts.append(try fieldText(item, key: key))
      }
      if texts.count == items.count { return texts.joined(separator: ",") }
    default:
      break
    }
    throw TriggerError("\(key) is a string like \"*/5\" or a whole number, not \(value)")
  }

  private static func canonical(_ text: String, _ field: CronField) -> String {
    CronParser.canonical(text, field: field).split(separator: ",")
      .map { $0.split(separator: " ").joined(separator: " ") }.joined(separator: ",")
  }

  /// Reads a field, item by item; a day field may say `2nd fri` and `last sun`, and spaces around commas do not count.
  private static func parse(
    _ text: String, as field: CronField, key: String, nameHash: UInt64?
  ) throws(TriggerError) -> CronFieldValue {
    do throws(TriggerError) {
      var plain: [String] = []
      var positions = DaySet()
      for item in text.split(separator: ",", omittingEmptySubsequences: false) {
        let words = item.split(separator: " ").map(String.init)
        if field == .day, words.count == 2, try addPosition(words, to: &positions) { continue }
        guard words.count <= 1 else {
          throw TriggerError(
            "\(key) \"\(item)\" has a space in it",
            suggestion: field == .day ? "write \"2nd fri\", \"last sun\" or \"last\"" : "separate values by commas")
        }
        plain.append(words.first ?? "")
      }
      var value = CronFieldValue()
      if !plain.isEmpty {
        let joined = plain.joined(separator: ",")
        guard joined.utf8.allSatisfy({ $0 > 32 && $0 < 127 }) else {
          throw TriggerError("\(key) \"\(text)\" has a character that no cron field has")
        }
        value = try CronFieldParser.parse(Array(joined.utf8), as: field, at: 0, nameHash: nameHash)
      }
      value.days.nthWeekdays |= positions.nthWeekdays
      value.days.lastWeekdays |= positions.lastWeekdays
      return value
    } catch {
      // Positions are of no use when the text is one of several in a table.
      throw TriggerError(error.message, suggestion: error.suggestion)
    }
  }

  private static func addPosition(_ words: [String], to days: inout DaySet) throws(TriggerError) -> Bool {
    let ordinals = ["1st", "2nd", "3rd", "4th", "5th", "last"]
    let names = CronField.weekday.names
    guard let nth = ordinals.firstIndex(of: words[0].lowercased()) else { return false }
    guard let weekday = names.firstIndex(of: words[1].lowercased()) else {
      let near = names.first { words[1].lowercased().hasPrefix($0) }
      throw TriggerError(
        "\"\(words[1])\" is no weekday", suggestion: "write \(words[0]) \(near ?? "mon")")
    }
    if nth == 5 {
      days.lastWeekdays |= 1 << UInt64(weekday)
    } else {
      days.nthWeekdays |= 1 << UInt64(7 * nth + weekday)
    }
    return true
  }

  /// APScheduler counts weekdays from Monday; crontab, and we, from Sunday.
  private static func weekdayNote(_ text: String, _ value: CronFieldValue) -> TriggerNote {
    let names = CronField.weekday.names
    let meant = names.indices.filter { value.days.weekdays >> UInt64($0) & 1 != 0 }.map { names[$0] }
    let list = meant.isEmpty ? "" : " means \(meant.joined(separator: ", ")) here"
    return TriggerNote(
      "day_of_week \"\(text)\"\(list): numbers count from Sunday, as in a crontab; write names to be clear")
  }
}
