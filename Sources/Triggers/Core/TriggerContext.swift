package import Chronology

/// What surrounds a trigger that is being made: where its zone, policy and name come from when it does not say.
package struct TriggerContext: Sendable {
  /// Where named zones are looked up.
  package var zones: TimeZoneDatabase
  /// The zone of a trigger that names none: the job's, the script's or the host's.
  package var zone: TimeZoneRules
  /// The policy of a trigger that gives none.
  package var dst: DSTPolicy
  /// The job's name, for `H`.
  package var jobName: String?
  /// The present, for notes about times that are over and for proving that combinations fire; `nil` leaves both out.
  package var now: Instant?
  /// Where calendar files are read; `nil` where there are none, and naming one is an error.
  package var calendars: (any CalendarSource)?
  /// When building must end; `nil` where nobody waits for it.
  package var deadline: WorkDeadline?

  package init(
    zones: TimeZoneDatabase, zone: TimeZoneRules = .utc, dst: DSTPolicy = DSTPolicy(), jobName: String? = nil,
    now: Instant? = nil, calendars: (any CalendarSource)? = nil, deadline: WorkDeadline? = nil
  ) {
    self.zones = zones
    self.zone = zone
    self.dst = dst
    self.jobName = jobName
    self.now = now
    self.calendars = calendars
    self.deadline = deadline
  }
}

/// A trigger, and what is worth saying about it.
package struct BuiltTrigger: Sendable {
  package let trigger: AnyTrigger
  package let notes: [TriggerNote]

  /// The most notes of one trigger: a list of a thousand times that are over is a mistake, and one sentence tells it.
  package static let mostNotes = 20

  /// The first notes of those that differ are kept, at most ``mostNotes``.
  package init(_ trigger: AnyTrigger, notes: [TriggerNote] = []) {
    self.trigger = trigger
    var kept: [TriggerNote] = []
    for note in notes where kept.count < BuiltTrigger.mostNotes && !kept.contains(note) { kept.append(note) }
    self.notes = kept
  }
}
