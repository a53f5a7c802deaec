internal import CLuaShim

/// A thread's licence to step runs: its signal timer and its place with the monitor. Made on the thread and used by no
/// other.
@safe package final class LuaWorker {
  /// Of the thread that made this; nil when the kernel has no timer left.
  private let handle: OpaquePointer?

  /// Attaches the calling thread. It needs a stack of 1 MiB or more.
  init() { unsafe handle = moon_worker_attach() ? moon_worker_here() : nil }

  /// Ends the slice of the step that is going on on this worker. False: there is none. From any thread that knows the
  /// worker to be attached.
  @discardableResult
  package func preempt() -> Bool {
    guard let handle = unsafe handle else { return false }
    return unsafe moon_worker_preempt(handle)
  }

  /// The calling thread begins to work on a run: it is in real time for a slice of processor time at most. False:
  /// nothing would end that, since no step was on this thread before.
  package static func beginWork() -> Bool { moon_worker_begin() }

  /// Runs until the run is done, suspended, sliced or stopped.
  ///
  /// - Parameter deadline: CLOCK_MONOTONIC nanoseconds at which the run is stopped, whatever it does; nil for none.
  package func step(_ state: LuaState, deadline: Int64? = nil) -> LuaStep {
    state.step(deadline: deadline ?? .max)
  }

  /// Detaches the thread. Not calling it costs nothing but the timer until the thread ends.
  package func close() { moon_worker_detach() }

  /// Whether the step on the calling thread is to end: for host functions whose work grows with their arguments, to
  /// look at now and then. What they answer then is not used. False on a thread that is no worker. A few nanoseconds.
  package static var isStopping: Bool { moon_is_stopping_here() }

  /// The monotonic clock in nanoseconds, in which deadlines are given.
  package static var now: Int64 { moon_now() }
}
