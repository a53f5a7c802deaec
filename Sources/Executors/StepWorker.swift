internal import Synchronization

/// A worker as its runner sees it.
package final class StepWorker: Sendable {
  /// Unique in its pool for ever: the replacement of a stuck worker gets a number of its own.
  package let index: Int
  /// Where runs that continue on this worker are resumed.
  let host: any RunHost
  /// Raw value of the `StopReason` that the step on this worker was asked to end for; 0 is none. Written under the
  /// worker's lock, so that it concerns the run that is there; read by the step without it.
  private let request = Atomic<UInt8>(0)
  /// Monotonic nanoseconds at which the step is called stuck if it has not ended; `.max` is never. Written by the step,
  /// read by the watchdog.
  private let stuckAt = Atomic<Int64>(.max)
  // Written once, on the worker's thread before its first step; read there, and by interrupters, who come after a step
  // began.
  private nonisolated(unsafe) var storage: AnyObject?

  /// Whether a thread is its own: nothing else than its steps is done there.
  package var hasThread: Bool { host is StepPool }

  init(index: Int, host: any RunHost) {
    self.index = index
    self.host = host
  }

  /// What the runner's `makeContext` made for this worker.
  package var context: AnyObject {
    // Safe: see `storage`. A step begins under the worker's lock, after `adopt`; whoever interrupts takes that lock.
    guard let context = unsafe storage else {
      preconditionFailure("worker \(index) has no context before its first step")
    }
    return context
  }

  /// Set when the step that is on this worker should end, and why.
  package var interruption: StopReason? { StopReason(rawValue: request.load(ordering: .acquiring)) }

  /// Whether somebody waits for a worker, so that a long step should let go.
  package var othersWaiting: Bool { host.othersWaiting }

  /// The present step is stuck unless it has ended by then. For a runner that has no watchdog of its own.
  func expectEnd(by time: Int64) { stuckAt.store(time, ordering: .relaxed) }
  var expectedEnd: Int64 { stuckAt.load(ordering: .relaxed) }

  func adopt(_ context: AnyObject) {
    // Safe: on the worker's thread, before any other thread can ask for it.
    unsafe storage = context
  }

  /// The first reason stays: a run that is being cancelled is not cancelled again by the pool's end.
  func requestInterruption(_ reason: StopReason) {
    _ = request.compareExchange(expected: 0, desired: reason.rawValue, ordering: .acquiringAndReleasing)
  }

  func clearInterruption() { request.store(0, ordering: .relaxed) }
}

/// What a `PoolRun` goes back to when it can go on: the pool, or the inline executor.
protocol RunHost: AnyObject, Sendable {
  /// `run` is ready and in no queue: put it into one.
  func enqueueResumed(_ run: PoolRun)
  /// Work waits for a worker.
  var othersWaiting: Bool { get }
}
