package import Chronology

/// Where calendar files come from: the snapshot of the scripts directory, while scripts are loaded.
package protocol CalendarSource: Sendable {
  /// The days that the events of a calendar file touch, on the clocks of `zone`.
  ///
  /// - Parameter path: the file as a script calls it.
  /// - Throws: a sentence that names the file, and the line in it where there is one.
  func days(
    at path: String, in zone: TimeZoneRules, zones: TimeZoneDatabase, deadline: WorkDeadline?
  ) throws(TriggerError) -> CalendarReading
}

/// What was read from a calendar file: its days, and what is worth saying about it.
package struct CalendarReading: Sendable {
  package let days: CalendarDays
  package let notes: [TriggerNote]

  package init(days: CalendarDays, notes: [TriggerNote]) {
    self.days = days
    self.notes = notes
  }
}
