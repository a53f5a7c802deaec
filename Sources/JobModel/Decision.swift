package import Chronology

/// What became of a due instant that did not get a run of its own. (A run's decision is its `RunRecord`.)
public enum DecisionKind: String, Sendable, Hashable, CaseIterable, Codable {
  /// Taken together with another instant into one run.
  case coalesced
  /// Later than `misfire_grace_time`.
  case misfired
  case skipped
  /// The wall clock was set back so far that the schedule was armed anew.
  case clock
}

/// Why an instant was skipped, or what it waited for when it was misfired.
public enum SkipReason: String, Sendable, Hashable, CaseIterable, Codable {
  /// `max_instances` runs of the job were active.
  case overlap
  case paused
  case disabled
  /// A queue was full, or `catch_up_max` was exceeded.
  case limit
  /// The job's script, or the job, was gone.
  case orphaned
  /// Another node runs it.
  case node
  /// Its schedule was taken away (`jobs.unschedule`), or another put in its place, before it was claimed.
  case unscheduled
  /// It waited for a slot in its group until it was too late.
  case group
  /// It waited for its job's rate, or its group's, until it was too late.
  case rate
}

/// A stretch of due instants of one schedule that share one decision.
package struct DecisionRange: Sendable, Equatable {
  package var job: String
  /// The id of the dynamic schedule that the instants are of; nil: they are the job's own.
  package var schedule: String?
  package var kind: DecisionKind
  package var reason: SkipReason?
  package var first: Instant
  package var last: Instant
  package var count: Int
  /// Counting stopped at 10,000: there may be more than `count`.
  package var isAtLeast: Bool
  package var clockEpoch: ClockEpoch
  package var decidedAt: Instant
  /// The run that stands for coalesced instants.
  package var run: RunID?
  /// The last instant of the range that this one continues: of the same schedule and decision, with nothing between
  /// them that was decided otherwise. nil: it stays a row of its own.
  ///
  /// Said by who decided, to the store; not kept.
  package var continues: Instant?
  /// Rises from decision to decision of one host, so that a store that is handed a batch again, because its answer was
  /// lost, tells what it has from what is new. 0: nobody asks. Said by who decided; not kept.
  package var number: Int64 = 0

  package init(
    job: String, schedule: String? = nil, kind: DecisionKind, reason: SkipReason? = nil, first: Instant, last: Instant,
    count: Int,
    isAtLeast: Bool = false, clockEpoch: ClockEpoch, decidedAt: Instant, run: RunID? = nil
  ) {
    self.job = job
    self.schedule = schedule
    self.kind = kind
    self.reason = reason
    self.first = first
    self.last = last
    self.count = count
    self.isAtLeast = isAtLeast
    self.clockEpoch = clockEpoch
    self.decidedAt = decidedAt
    self.run = run
  }

  /// Whether `next` continues this range, so that one row can hold both.
  package func isContinued(by next: DecisionRange) -> Bool {
    job == next.job && schedule == next.schedule && kind == next.kind && reason == next.reason
      && clockEpoch == next.clockEpoch && run == next.run
      && next.first > last && next.continues == last
  }
}
