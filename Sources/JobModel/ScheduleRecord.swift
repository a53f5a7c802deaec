package import Chronology

/// What must survive a restart about one schedule: a job's own, or a dynamic one.
package struct ScheduleRecord: Sendable, Equatable {
  package var job: String
  /// nil: the schedule that the job declares.
  package var dynamic: DynamicSchedule?
  /// The trigger's canonical text; a different one in the script means an edited schedule.
  package var trigger: String?
  @Packed package var nextFire: Instant? = nil
  /// Phase of an `every` without start date: the instant that its fires are whole intervals away from.
  @Packed package var anchor: Instant? = nil
  /// Latest instant that has a decision.
  @Packed package var lastFire: Instant? = nil
  /// Fires so far, for `limit`.
  package var fireCount: Int
  package var registeredAt: Instant
  package var clockEpoch: ClockEpoch
  package var isPaused: Bool
  /// Why it is paused, if somebody said; nil while it is not. Only of a job's own schedule.
  package var pause: PauseNote?
  /// Since when its script, or the job in it, has been missing.
  @Packed package var orphanedAt: Instant? = nil
  /// Of a join: which of its upstream jobs have succeeded since its last run.
  package var arrivals: [UpstreamArrival] = []
  /// The job's index in its scheduler's table, the same as long as the scheduler lives. It spares a store a search by
  /// name.
  package var index = JobHint()

  /// The id of a dynamic schedule.
  package var id: String? { dynamic?.id }

  package init(job: String, dynamic: DynamicSchedule? = nil, trigger: String?, registeredAt: Instant) {
    self.job = job
    self.dynamic = dynamic
    self.trigger = trigger
    self.registeredAt = registeredAt
    fireCount = 0
    clockEpoch = ClockEpoch(0)
    isPaused = false
  }
}
