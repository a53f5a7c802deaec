package import Chronology
internal import Synchronization

/// The events of an iCalendar file (RFC 5545): all of its calendars together.
///
/// Read strictly as far as it decides on days: an event that cannot be understood there is left out, with a note that
/// has its line; the others count. (A file of which nothing is left, or that is no calendar, is an error.) What has no
/// part in that (descriptions, alarms, to-dos, unknown properties) is passed over.
package final class CalendarFile: Sendable {
  /// An event that is left out.
  struct Skipped: Sendable {
    /// Counted from 1.
    let line: Int
    let error: TriggerError
    /// Whether it is an event; else it is a line between them.
    let isEvent: Bool
  }

  let events: [CalendarEvent]
  /// The days that were asked for, by the zone on whose clocks they are.
  let known = Mutex<[TimeZoneRules: Days]>([:])

  /// The most events of one file.
  package static let mostEvents = 50_000
  /// The most dates in their RDATE and EXDATE.
  static let mostDates = 200_000
  /// What could not be read.
  let skipped: [Skipped]

  /// Reads `bytes`. Throws a sentence that begins with the line: `7: …`.
  ///
  /// - Complexity: O(n).
  package init(_ bytes: [UInt8], zones: TimeZoneDatabase, deadline: WorkDeadline? = nil) throws(TriggerError) {
    var reader = CalendarReader(bytes, zones: zones, deadline: deadline)
    do throws(ContentLineError) {
      events = try reader.read()
      skipped = reader.skipped
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
  private(set) var skipped: [CalendarFile.Skipped] = []
  /// The components that are open, outermost first.
  private var open: [(name: String, line: Int)] = []
  /// The lines of the event, or part of a time zone, at hand; and why it cannot be read.
  private var properties: [ContentLine] = []
  private var defect: ContentLineError?
  /// The TZID of the time zone component at hand, and the zones that the calendar has described so far.
  private var zoneID: String?
  private var zone = CalendarZone()
  private var described: [String: CalendarZone] = [:]
  /// Zones in use, by their TZID.
  private var known: [String: Result<TimeZoneRules, ContentLineError>] = [:]
  /// Events of zones that the calendar may describe further on.
  private var waiting: [(properties: [ContentLine], line: Int)] = []
  private var hasCalendar = false
  private var dates = 0
  /// A bound of the whole file that it has passed.
  private var excess: ContentLineError?
  private let deadline: WorkDeadline?

  init(_ bytes: [UInt8], zones: TimeZoneDatabase, deadline: WorkDeadline?) {
    lines = ContentLine.Reader(bytes)
    self.zones = zones
    self.deadline = deadline
  }

  mutating func read() throws(ContentLineError) -> [CalendarEvent] {
    while let raw = lines.nextRaw() {
      let line: ContentLine
      do throws(ContentLineError) {
        line = try ContentLine(raw.bytes, line: raw.line, offset: raw.offset)
      } catch {
        // Of an event, it spoils that; elsewhere in a calendar it has nothing to say about days.
        if open.isEmpty { throw error }
        if open.count < 2 { skip(error, isEvent: false) }
        if open.count == 2 { defect = defect ?? error }
        continue
      }
      try take(line)
      if let excess { throw excess }
    }
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
        (described, known) = ([:], [:])
      }
      guard open.count < 20 else { throw fail("components are nested too deeply") }
      begin(name)
      open.append((name, line.line))
    case "END":
      let name = line.value.uppercased()
      guard let last = open.popLast(), last.name == name else {
        throw fail("END:\(line.value) ends nothing that begins before it; check the BEGIN and END lines above")
      }
      end(name, line: last.line)
    default:
      guard let component = open.last else {
        throw fail("\(line.name) stands outside a calendar; begin with BEGIN:VCALENDAR")
      }
      switch component.name {
      case "VEVENT" where open.count == 2, "STANDARD" where isInZone, "DAYLIGHT" where isInZone:
        properties.append(line)
      case "VTIMEZONE" where line.name == "TZID": zoneID = line.value
      case "VTIMEZONE" where line.name == "X-LIC-LOCATION": zone.location = line.value
      default: break
      }
    }
  }

  /// Whether the part at hand is one of a time zone's.
  private var isInZone: Bool { open.count == 3 && open[1].name == "VTIMEZONE" }

  private mutating func begin(_ name: String) {
    switch name {
    case "VEVENT" where open.count == 1: (properties, defect) = ([], nil)
    case "VTIMEZONE" where open.count == 1: (zoneID, zone) = (nil, CalendarZone())
    case "STANDARD", "DAYLIGHT": if open.count == 2, open[1].name == "VTIMEZONE" { properties = [] }
    default: break
    }
  }

  private mutating func end(_ name: String, line: Int) {
    switch (name, open.count) {
    case ("VEVENT", 1):
      if let defect { return skip(defect) }
      let isKnown = properties.allSatisfy { $0.parameter("TZID").map { described[$0] != nil } ?? true }
      if isKnown { add(properties, line) } else { waiting.append((properties, line)) }
    case ("STANDARD", 2) where open[1].name == "VTIMEZONE", ("DAYLIGHT", 2) where open[1].name == "VTIMEZONE":
      zone.observances.append(CalendarZone.Observance(lines: properties))
    case ("VTIMEZONE", 1):
      if let zoneID { described[zoneID] = zone }
    case ("VCALENDAR", 0):
      for event in waiting { add(event.properties, event.line) }
      waiting = []
    default: break
    }
  }

  private mutating func add(_ properties: [ContentLine], _ line: Int) {
    if events.count >= CalendarFile.mostEvents {
      excess = ContentLineError(
        message: "the file has more than \(CalendarFile.mostEvents) events; split it, or leave out what is over",
        line: line)
    } else if events.count & 0xFF == 0, deadline?.isOver == true {
      excess = ContentLineError(message: "the file was still being read", line: line)
    }
    if excess != nil { return }
    do throws(ContentLineError) {
      events.append(try event(properties, line: line))
    } catch {
      skip(error)
    }
  }

  private mutating func skip(_ error: ContentLineError, isEvent: Bool = true) {
    skipped.append(CalendarFile.Skipped(line: error.line, error: TriggerError(error.message), isEvent: isEvent))
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
      let error = ContentLineError(
        message: "the file has more than \(CalendarFile.mostDates) dates in RDATE and EXDATE; write rules instead",
        line: line.line)
      excess = error
      throw error
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
  ) throws(ContentLineError) -> CalendarEvent.ClockReading {
    do {
      let time = try CalendarTime.parse(text, years: CalendarTime.allYears)
      guard let name = line.parameter("TZID"), time.secondOfDay != nil, !time.isUTC else {
        return CalendarEvent.ClockReading(time: time, zone: nil)
      }
      return CalendarEvent.ClockReading(time: time, zone: try zone(name, line: line.line))
    } catch let error as TriggerError {
      throw ContentLineError(message: "\(line.name) \(text): \(error.message)", line: line.line)
    } catch let error as ContentLineError {
      throw error
    } catch {
      throw ContentLineError(message: "\(error)", line: line.line)
    }
  }

  /// The zone that a TZID means: what the calendar itself says of it; else the zone of the system that has the name, or
  /// the name beside it, or stands for a name of Windows, or whose name ends a longer one
  /// (`/freeassociation.sourceforge.net/Europe/Berlin`).
  private mutating func zone(_ id: String, line: Int) throws(ContentLineError) -> TimeZoneRules {
    if let known = known[id] { return try known.get() }
    let result: Result<TimeZoneRules, ContentLineError>
    do throws(ContentLineError) {
      result = .success(try find(id, line: line))
    } catch {
      result = .failure(error)
    }
    known[id] = result
    return try result.get()
  }

  private func find(_ id: String, line: Int) throws(ContentLineError) -> TimeZoneRules {
    let own = described[id]
    var reason: ContentLineError?
    if let own, !own.observances.isEmpty {
      do throws(ContentLineError) { return try own.rules(name: id) } catch { reason = error }
    }
    var names = [id]
    if let location = own?.location { names.append(location) }
    if let windows = WindowsZones.name(for: id) { names.append(windows) }
    let parts = id.split(separator: "/")
    for count in [3, 2] where parts.count >= count { names.append(parts.suffix(count).joined(separator: "/")) }
    if let last = parts.last, ["utc", "gmt"].contains(last.lowercased()) { names.append("UTC") }
    for name in names {
      if let zone = try? zones.zone(named: name) { return zone }
    }
    if let reason { throw reason }
    var message = "no time zone \"\(id)\""
    do { _ = try zones.zone(named: id) } catch { message = error.message }
    throw ContentLineError(
      message: "\(message); the calendar has no VTIMEZONE for it, and it is neither an IANA name, as in "
        + "TZID=Europe/Berlin, nor one of Windows", line: line)
  }
}
