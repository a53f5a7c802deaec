package import Chronology
package import JobModel
package import Scheduling
internal import Triggers

/// Where things are handed in that are to be done on a scheduler's state. Any thread.
package protocol SchedulerInbox: AnyObject, Sendable {
  /// Does something with the scheduler's state at its next tick; `whenDurable` is called when what it decided is on
  /// disk.
  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void)
}

/// What drives a scheduler's core: the service, with a thread and the machine's clocks, or a clock moved by hand.
///
/// Whatever people and programs ask of a scheduler goes through `ask` and `post`, so that it works the same with
/// either.
///
/// Threading: every method from any thread, but `ask` and `drain` not from inside a tick.
package protocol SchedulerEngine: SchedulerInbox {
  /// Reads the stores, takes in `definitions` and begins to fire, no run beyond what `groups` allow. Once.
  ///
  /// - Parameter isWhole: whether these are all jobs, or others follow that were declared before and may have missed
  ///   something; then `completeStart` is called after the last of them.
  func start(_ definitions: [JobDefinition], groups: [String: GroupLimit], isWhole: Bool) throws
  /// Claims nothing more, waits up to `grace` nanoseconds for what runs, cancels what is left, and hands everything to
  /// the stores.
  func drain(grace: Int64)
  /// Ends a drain's waiting: what still runs is interrupted.
  func endNow()
  /// Does something with the scheduler's state at its next tick, and waits for the answer.
  func ask<R: Sendable>(_ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> R) -> R
}

/// What people and programs ask for. Each blocks for one tick.
extension SchedulerEngine {
  /// Starts without groups.
  package func start(_ definitions: [JobDefinition]) throws { try start(definitions, groups: [:]) }

  /// Starts with all jobs.
  package func start(_ definitions: [JobDefinition], groups: [String: GroupLimit]) throws {
    try start(definitions, groups: groups, isWhole: true)
  }

  /// `ask` for what may be refused.
  package func request<R: Sendable>(
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) throws(SchedulerCore.Refusal) -> R
  ) throws(SchedulerCore.Refusal) -> R {
    try ask { core, now, actions -> Result<R, SchedulerCore.Refusal> in
      Result { () throws(SchedulerCore.Refusal) in try body(&core, now, &actions) }
    }.get()
  }

  /// Swaps in a new generation's definitions. Blocks until it has taken effect.
  @discardableResult
  package func reload(_ definitions: [JobDefinition]) -> SchedulerCore.Reconciliation {
    ask { core, now, actions in core.reconcile(definitions, at: now, into: &actions) }
  }

  /// Runs a job now. Blocks for one tick.
  @discardableResult
  package func runNow(_ job: String, params: JSONText? = nil) throws(SchedulerCore.Refusal) -> RunID {
    try request { core, now, actions throws(SchedulerCore.Refusal) in
      try core.runNow(job, params: params, at: now, into: &actions)
    }
  }

  /// What falls due from now on is recorded as skipped (paused).
  @discardableResult
  package func pause(_ job: String, _ note: PauseNote? = nil) throws(SchedulerCore.Refusal) -> Bool {
    try request { core, _, actions throws(SchedulerCore.Refusal) in try core.pause(job, note, into: &actions) }
  }

  /// What fell due meanwhile stays skipped.
  @discardableResult
  package func resume(_ job: String) throws(SchedulerCore.Refusal) -> Bool {
    try request { core, now, actions throws(SchedulerCore.Refusal) in try core.resume(job, at: now, into: &actions) }
  }

  /// Ends a run as cancelled.
  package func cancel(_ run: RunID) throws(SchedulerCore.Refusal) {
    try request { core, now, actions throws(SchedulerCore.Refusal) in try core.cancel(run, at: now, into: &actions) }
  }

  /// The declared jobs as they stand, in the order of registration. O(jobs).
  package func jobs() -> [JobStatus] {
    ask { core, _, _ in core.jobs.filter { $0.dynamic == nil }.map(JobStatus.init) }
  }

  /// The next fire times of a job, at most `count`. Blocks for one tick, which takes O(count).
  package func nextFires(of job: String, count: Int) throws(SchedulerCore.Refusal) -> [Instant] {
    try request { core, _, _ throws(SchedulerCore.Refusal) in
      guard let index = core.index(of: job) else { throw .unknownJob(job) }
      let job = core.jobs[index.offset]
      var fires: [Instant] = []
      var next = job.nextFire
      while fires.count < count, let fire = next {
        fires.append(fire)
        next = job.trigger?.next(after: fire)
      }
      return fires
    }
  }
}

/// One job as `list` and `status` show it.
package struct JobStatus: Sendable {
  package var definition: JobDefinition
  package var nextFire: Instant?
  package var lastFire: Instant?
  package var active: Int
  /// How its latest run ended since the host started; nil: none has.
  package var lastOutcome: Outcome?
  package var isPaused: Bool
  package var pause: PauseNote?
  package var isOrphaned: Bool

  init(_ job: ScheduledJob) {
    definition = job.entry.definition
    nextFire = job.nextFire
    lastFire = job.lastFire
    active = Int(job.active)
    lastOutcome = job.lastOutcome
    isPaused = job.isPaused
    pause = job.pause
    isOrphaned = job.isOrphaned
  }
}
