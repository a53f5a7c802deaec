package import Chronology

/// A source of calendars that reads iCalendar files.
package protocol CalendarFileSource: CalendarSource {
  /// The calendar in the file that a script calls `path`. Throws a sentence that names the file, and the line in it
  /// where there is one.
  func calendar(at path: String, zones: TimeZoneDatabase, deadline: WorkDeadline?) throws(TriggerError) -> CalendarFile
}

extension CalendarFileSource {
  package func days(
    at path: String, in zone: TimeZoneRules, zones: TimeZoneDatabase, deadline: WorkDeadline?
  ) throws(TriggerError) -> CalendarReading {
    let file = try calendar(at: path, zones: zones, deadline: deadline)
    do throws(TriggerError) {
      let found = try file.days(in: zone, deadline: deadline)
      return CalendarReading(days: found.days, notes: found.notes(path: path))
    } catch {
      try deadline?.check()
      throw TriggerError("\(path):\(error.message)", suggestion: error.suggestion)
    }
  }
}
