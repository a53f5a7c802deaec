package import Chronology
package import JobModel

/// What a pool's threads call to get a run done, step by step. The pool knows when and where; the runner knows how.
///
/// A *step* runs a run until it has ended, waits for something (suspended), or has used up its time slice while others
/// wait (sliced). Most runs end in their first step, and cost no object. A run that goes on is a `PoolRun` that the
/// runner makes in `begin`; its steps may be on different workers, never on two at once, and each sees what the former
/// one wrote.
package protocol StepRunner: AnyObject, Sendable {
  /// Called once on each worker's own thread, before its first step: what the runner needs per thread. It is
  /// `worker.context` from then on.
  func makeContext(for worker: StepWorker) -> AnyObject

  /// The first step of an order.
  func begin(_ order: RunOrder, at time: StepTime, on worker: StepWorker) -> StepVerdict

  /// A further step of a run that was resumed or sliced. It may come without a reason (two causes of a wake-up met): a
  /// runner that finds nothing to do returns `.suspended` again.
  func step(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict

  /// Ends a run that is between two steps: closes what it holds, and says how it ended. On a worker's thread; nothing
  /// else of the run is called afterwards.
  func stop(_ run: PoolRun, because reason: StopReason, on worker: StepWorker) -> AttemptResult

  /// Begins to end a run that is between two steps. A runner whose run needs time for that answers `.suspended`, and
  /// ends the run in a later step; the run has been given a deadline for it (`PoolRun.goOn`). The default stops it.
  func beginStop(_ run: PoolRun, because reason: StopReason, at time: StepTime, on worker: StepWorker) -> StepVerdict

  /// Ends a run whose deadline has passed between two steps. Unlike after `stop`, it may go on (`PoolRun.goOn`) with
  /// what is to be done after a timeout. The default stops it.
  func timeOut(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict

  /// Asks the step that is on `worker` to end soon.
  ///
  /// Called from any thread, under a lock that keeps the worker inside that step: it must be quick and must not call
  /// the pool. It may come just before `begin` or `step` has really begun. So a runner first registers what can be
  /// interrupted, and then looks at `worker.interruption`, which is set before this call and stays set until the step
  /// has ended.
  func interrupt(_ worker: StepWorker, because reason: StopReason)

  /// Asks the run on `worker` to give way now, as at the end of its slice: it has been on the worker for a while, and
  /// others wait.
  ///
  /// Called under the same lock as `interrupt`, by whoever brings work. The default leaves it to the slices of the
  /// runner.
  func preempt(_ worker: StepWorker)

  /// The last call on a worker's thread.
  func workerEnds(_ worker: StepWorker)

  /// The pool is about to be stopped: runs that ask are told so from now on. Any thread.
  func windDown()

  /// Work began, or ceased, to wait in the pool. Called under a lock of the pool: it only stores a flag.
  func othersWaiting(_ waiting: Bool)
}

extension StepRunner {
  package func beginStop(
    _ run: PoolRun, because reason: StopReason, at time: StepTime, on worker: StepWorker
  ) -> StepVerdict {
    .ended(stop(run, because: reason, on: worker))
  }
  package func timeOut(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    .ended(stop(run, because: .timedOut, on: worker))
  }
  package func preempt(_ worker: StepWorker) {}
  package func workerEnds(_ worker: StepWorker) {}
  package func othersWaiting(_ waiting: Bool) {}
  package func windDown() {}
}

/// What a step came to.
package enum StepVerdict {
  case ended(AttemptResult)
  /// Waits for `resume`, or until the monotonic clock shows the given nanoseconds (`.max`: only for `resume`).
  case suspended(PoolRun, until: Int64)
  /// Could go on at once, but others wait: it goes to the end of the queue.
  case sliced(PoolRun)
}

/// How a run ended, as its runner knows it; when it started and how long it took is the pool's knowledge.
package struct AttemptResult: Sendable {
  package var outcome: Outcome
  package var memoryPeakBytes: Int
  /// nil for a success without a result.
  package var details: AttemptDetails?

  package init(_ outcome: Outcome = .succeeded, memoryPeakBytes: Int = 0, details: AttemptDetails? = nil) {
    self.outcome = outcome
    self.memoryPeakBytes = memoryPeakBytes
    self.details = details
  }

  /// The outcome to report. A runner stops a run in one way; whether that was a cancel or the pool's end is the pool's
  /// knowledge.
  func outcome(for reason: StopReason?) -> Outcome {
    reason == .interrupted && outcome == .cancelled ? .interrupted : outcome
  }
}

/// Why a run is made to end before it is done.
package enum StopReason: UInt8, Sendable, CaseIterable {
  /// Somebody asked for it.
  case cancelled = 1
  /// Its deadline passed while it was suspended or waited for a worker.
  case timedOut = 2
  /// The pool is being stopped.
  case interrupted = 3

  /// The outcome that it leads to.
  package var outcome: Outcome {
    switch self {
    case .cancelled: .cancelled
    case .timedOut: .timedOut
    case .interrupted: .interrupted
    }
  }
}

/// What the clocks showed when a step began, and when its run must be over.
package struct StepTime: Sendable {
  /// Civil time; in a first step this is when the attempt started.
  package var wall: Instant
  /// Nanoseconds of CLOCK_MONOTONIC.
  package var monotonic: Int64
  /// End of the attempt's timeout, on the same clock; `.max` when it has none.
  package var deadline: Int64

  package init(wall: Instant, monotonic: Int64, deadline: Int64) {
    self.wall = wall
    self.monotonic = monotonic
    self.deadline = deadline
  }

  /// The time of an order's first step: its timeout counts from here.
  package init(beginning order: RunOrder, wall: Instant, monotonic: Int64) {
    self.wall = wall
    self.monotonic = monotonic
    guard let timeout = order.job.definition.timeout else {
      deadline = .max
      return
    }
    let (sum, overflow) = monotonic.addingReportingOverflow(timeout)
    deadline = overflow ? .max : sum
  }
}
