package import Chronology
package import JobModel
package import Triggers

/// Active runs by where they stand.
package struct RunTotals: Sendable {
  package var waiting = 0
  /// Claimed, and not started.
  package var claimed = 0
  package var running = 0
  package var retrying = 0
  /// Begun, and without a claim until a time or an event comes.
  package var parked = 0
  package var stuck = 0
  /// What each executor has.
  package var byExecutor: [Int]

  init(executors: Int) { byExecutor = Array(repeating: 0, count: executors) }
}

/// Jobs by what they are.
package struct JobTotals: Sendable, Equatable {
  package var total = 0
  package var paused = 0
  package var disabled = 0
  package var orphaned = 0

  package init() {}

  package static func += (a: inout JobTotals, b: JobTotals) {
    a.total += b.total
    a.paused += b.paused
    a.disabled += b.disabled
    a.orphaned += b.orphaned
  }
}

/// Where a job was when somebody looked.
package struct JobSlot: Sendable {
  package var name: String
  package var offset: Int

  package init(name: String, offset: Int) {
    self.name = name
    self.offset = offset
  }
}

/// A job as it stands.
package struct JobState: Sendable {
  package var definition: JobDefinition
  package var nextFire: Instant?
  package var lastFire: Instant?
  /// Runs that count against `max_instances`, of its own schedule.
  package var active: Int
  var hasQueue: Bool
  /// Claimed runs, and accepted ones that are not claimed, of all its schedules.
  package var claimed = 0
  package var waiting = 0
  /// Begun, and without a claim until a time or an event comes.
  package var parked = 0
  /// Of the claimed ones, those between two attempts, and those that are beyond their deadline and not to be stopped.
  package var retrying = 0
  package var stuck = 0
  /// A claimed run: its only one, if `claimed` is 1.
  package var latestRun: RunID?
  /// How its latest run ended since the host started; nil: none has.
  package var lastOutcome: Outcome?
  package var isPaused: Bool
  package var pause: PauseNote?
  package var isOrphaned: Bool
  package var store: String
  package var executor: String

  init(_ job: ScheduledJob, stores: [String], executors: [String]) {
    definition = job.entry.definition
    nextFire = job.nextFire
    lastFire = job.lastFire
    active = Int(job.active)
    hasQueue = !job.queue.isEmpty || job.debouncing != nil
    lastOutcome = job.lastOutcome
    isPaused = job.isPaused
    pause = job.pause
    isOrphaned = job.isOrphaned
    store = stores[Int(job.store)]
    executor = executors[Int(job.executor)]
  }
}

/// A schedule that will fire.
package struct ArmedSchedule: Sendable {
  package var job: String
  package var schedule: String?
  /// With its phase.
  package var trigger: AnyTrigger
  package var nextFire: Instant
  /// Fires that its limit leaves; nil: any number.
  package var left: Int?
  /// What falls due is skipped: it, or everything, is paused, or it is disabled.
  package var isSkipped: Bool
  package var tags: [String]
}

/// A dynamic schedule as it stands.
package struct DynamicScheduleState: Sendable {
  package var record: ScheduleRecord
  /// nil while its job is not there.
  package var trigger: AnyTrigger?
  package var active: Int
}
