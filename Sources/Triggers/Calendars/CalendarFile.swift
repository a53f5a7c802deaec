package import Chronology
internal import Synchronization

/// The events of an iCalendar file (RFC 5545): all of its calendars together.
///
/// Read strictly as far as it decides on days: what cannot be understood there is an error with its line, since a
/// holiday that is silently left out is worse than a script that says what is wrong. What has no part in that
/// (descriptions, alarms, to-dos, unknown properties) is passed over.
package final class CalendarFile: Sendable {
  let events: [CalendarEvent]
  /// The days that were asked for, by the zone on whose clocks they are.
  let known = Mutex<[TimeZoneRules: CalendarDays]>([:])

  /// The most events of one file.
  package static let mostEvents = 50_000
  /// The most dates in their RDATE and EXDATE.
  static let mostDates = 200_000

  /// Reads `bytes`. Throws a sentence that begins with the line: `7: …`.
  ///
  /// - Complexity: O(n).
  package init(_ bytes: [UInt8], zones: TimeZoneDatabase, deadline: WorkDeadline? = nil) throws(TriggerError) {
    var reader = CalendarReader(bytes, zones: zones, deadline: deadline)
    do throws(ContentLineError) {
      events = try reader.read()
    } catch {
      try deadline?.check()
      throw TriggerError("\(error.line): \(error.message)")
    }
  }

  /// Whether the last line with anything in it ends a calendar: a file that is being written does not have it yet.
  ///
  /// - Complexity: O(1) but for white space at the end.
  package static func isComplete(_ bytes: [UInt8]) -> Bool {
    let end = Array("END:VCALENDAR".utf8)
    guard let last = bytes.lastIndex(where: { $0 > 32 }), last + 1 >= end.count else { return false }
    // Letters of either case.
    return zip(bytes[(last + 1 - end.count)...last], end).allSatisfy { $0 == $1 || $0 == $1 | 0x20 }
  }
}

/// Reads the lines of a calendar file into events.
private struct CalendarReader {
  private var lines: ContentLine.Reader
  private let zones: TimeZoneDatabase
  private var events: [CalendarEvent] = []
  /// The components that are open, outermost first.
  private var open: [(name: String, line: Int)] = []
  /// The lines of the event at hand.
  private var properties: [ContentLine] = []
  /// The TZID of the time zone component at hand, and the IANA names that those components give for theirs.
  private var zoneID: String?
  private var zoneLocations: [String: String] = [:]
  private var known: [String: TimeZoneRules] = [:]
  private var hasCalendar = false
  private var dates = 0
  private let deadline: WorkDeadline?

  init(_ bytes: [UInt8], zones: TimeZoneDatabase, deadline: WorkDeadline?) {
    lines = ContentLine.Reader(bytes)
    self.zones = zones
    self.deadline = deadline
  }

  mutating func read() throws(ContentLineError) -> [CalendarEvent] {
    while let line = try lines.next() { try take(line) }
    if let unfinished = open.last {
      throw ContentLineError(
        message: "the \(unfinished.name) that begins here has no end; add END:\(unfinished.name)", line: unfinished.line
      )
    }
    guard hasCalendar else {
      throw ContentLineError(
        message: "there is no calendar in the file; a calendar begins with BEGIN:VCALENDAR", line: 1)
    }
    return events
  }

  private mutating func take(_ line: ContentLine) throws(ContentLineError) {
    func fail(_ message: String) -> ContentLineError { ContentLineError(message: message, line: line.line) }
    switch line.name {
    case "BEGIN":
      let name = line.value.uppercased()
      if open.isEmpty {
        guard name == "VCALENDAR" else {
          throw fail("BEGIN:\(line.value) stands outside a calendar; begin with BEGIN:VCALENDAR")
        }
        hasCalendar = true
      }
      guard open.count < 20 else { throw fail("components are nested too deeply") }
      open.append((name, line.line))
      if name == "VEVENT" { properties = [] }
      if name == "VTIMEZONE" { zoneID = nil }
    case "END":
      let name = line.value.uppercased()
      guard let last = open.popLast(), last.name == name else {
        throw fail("END:\(line.value) ends nothing that begins before it; check the BEGIN and END lines above")
      }
      if name == "VEVENT", open.count == 1 {
        guard events.count < CalendarFile.mostEvents else {
          throw fail("the file has more than \(CalendarFile.mostEvents) events; split it, or leave out what is over")
        }
        if events.count & 0xFF == 0, deadline?.isOver == true { throw fail("the file was still being read") }
        events.append(try event(properties, line: last.line))
      }
    default:
      guard let component = open.last else {
        throw fail("\(line.name) stands outside a calendar; begin with BEGIN:VCALENDAR")
      }
      if component.name == "VEVENT", open.count == 2 { properties.append(line) }
      if component.name == "VTIMEZONE" {
        if line.name == "TZID" { zoneID = line.value }
        if line.name == "X-LIC-LOCATION", let zoneID { zoneLocations[zoneID] = line.value }
      }
    }
  }

  private mutating func event(_ lines: [ContentLine], line: Int) throws(ContentLineError) -> CalendarEvent {
    guard let startLine = lines.first(where: { $0.name == "DTSTART" }) else {
      throw ContentLineError(message: "the event has no start; add DTSTART", line: line)
    }
    var event = CalendarEvent(start: try moment(startLine, startLine.value), line: line)
    for line in lines {
      func fail(_ message: String) -> ContentLineError { ContentLineError(message: message, line: line.line) }
      switch line.name {
      case "UID": event.uid = line.value
      case "STATUS": event.isCancelled = line.value.uppercased() == "CANCELLED"
      case "DTEND":
        event.end = .at(try moment(line, line.value))
        if (try moment(line, line.value)).time.secondOfDay == nil, event.start.time.secondOfDay != nil {
          throw fail("DTEND is a date, but DTSTART a time; write both alike")
        }
      case "DURATION":
        guard let length = CalendarEvent.Length(line.value) else {
          throw fail("\"\(line.value)\" is no duration; write one like P1D or PT1H30M")
        }
        event.end = .after(length)
      case "RRULE":
        do {
          event.rules.append(try RecurrenceRuleParser.parse(line.value))
        } catch {
          throw fail("RRULE \(line.value): \(error)")
        }
      case "EXRULE":
        throw fail("EXRULE is no longer part of iCalendar; list the dates in EXDATE")
      case "RDATE":
        for item in line.value.split(separator: ",", omittingEmptySubsequences: false) {
          try countDate(line)
          event.added.append(try addition(line, item, event))
        }
      case "EXDATE":
        for item in line.value.split(separator: ",", omittingEmptySubsequences: false) {
          try countDate(line)
          event.removed.append(try moment(line, item))
        }
      case "RECURRENCE-ID":
        guard line.parameter("RANGE") == nil else {
          throw fail("RECURRENCE-ID with a RANGE is not supported; end the event with UNTIL and begin another one")
        }
        event.replaces = try moment(line, line.value)
      default: break
      }
    }
    return event
  }

  private mutating func countDate(_ line: ContentLine) throws(ContentLineError) {
    dates += 1
    guard dates <= CalendarFile.mostDates else {
      throw ContentLineError(
        message: "the file has more than \(CalendarFile.mostDates) dates in RDATE and EXDATE; write rules instead",
        line: line.line)
    }
  }

  /// A value of RDATE: a date, a time, or a period `start/end` or `start/duration`.
  private mutating func addition(
    _ line: ContentLine, _ text: Substring, _ event: CalendarEvent
  ) throws(ContentLineError) -> CalendarEvent.Addition {
    guard let slash = text.firstIndex(of: "/") else {
      return CalendarEvent.Addition(start: try moment(line, text), end: .none)
    }
    let start = try moment(line, text[..<slash])
    let end = text[text.index(after: slash)...]
    if let length = CalendarEvent.Length(end) { return CalendarEvent.Addition(start: start, end: .after(length)) }
    return CalendarEvent.Addition(start: start, end: .at(try moment(line, end)))
  }

  private mutating func moment(
    _ line: ContentLine, _ text: some StringProtocol
  ) throws(ContentLineError) -> CalendarEvent.Moment {
    do {
      let time = try CalendarTime.parse(text)
      guard let name = line.parameter("TZID"), time.secondOfDay != nil, !time.isUTC else {
        return CalendarEvent.Moment(time: time, zone: nil)
      }
      return CalendarEvent.Moment(time: time, zone: try zone(name, line: line.line))
    } catch let error as TriggerError {
      throw ContentLineError(message: "\(line.name) \(text): \(error.message)", line: line.line)
    } catch let error as ContentLineError {
      throw error
    } catch {
      throw ContentLineError(message: "\(error)", line: line.line)
    }
  }

  /// A zone by its IANA name, by the IANA name that its component gives for it, or by the end of a path of programs
  /// (`/freeassociation.sourceforge.net/Europe/Berlin`).
  private mutating func zone(_ id: String, line: Int) throws(ContentLineError) -> TimeZoneRules {
    if let zone = known[id] { return zone }
    var names = [id]
    if let location = zoneLocations[id] { names.append(location) }
    let parts = id.split(separator: "/")
    for count in [3, 2] where parts.count > count { names.append(parts.suffix(count).joined(separator: "/")) }
    for name in names {
      guard let zone = try? zones.zone(named: name) else { continue }
      known[id] = zone
      return zone
    }
    var reason = "no time zone \"\(id)\""
    do { _ = try zones.zone(named: id) } catch { reason = error.message }
    throw ContentLineError(
      message: "\(reason); zones are looked up by their IANA names, as in TZID=Europe/Berlin", line: line)
  }
}
