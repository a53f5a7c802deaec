internal import Basics
internal import DequeModule
package import ScriptLoading

/// The thread on which scripts load that take long, one after the other, while those that load quickly are live.
///
///     let slow = SlowLoads()
///     let session = try ScriptSession(place, …, putAside: { slow.add($0) })
///     try slow.start { script in … }       // its outcome, on that thread
///     slow.stop()
///
/// Threading: any thread; started once. It must be stopped: its thread holds it.
package final class SlowLoads: Sendable {
  private struct State: Sendable {
    var queue = Deque<SlowScript>()
    var current: SlowScript?
    var isStopped = false
    var thread: NamedThread?
  }
  private let state = Monitor(State())

  package init() {}

  /// - Parameter finished: called with each script that has been evaluated, unless it was cancelled.
  /// - Throws: when the system has no thread to give.
  func start(_ finished: @escaping @Sendable (SlowScript) -> Void) throws(ThreadError) {
    // As the watcher's thread, where scripts load otherwise.
    let thread = try NamedThread("md-load", stackSize: 8 << 20, signals: .realTime) { [self] in
      while let script = next() {
        if script.evaluate() { finished(script) }
        state.withLock { $0.current = nil }
      }
    }
    state.withLock { $0.thread = thread }
  }

  /// Queues a script. Does not block.
  package func add(_ script: SlowScript) {
    let isTaken = state.withLock { state in
      if !state.isStopped { state.queue.append(script) }
      return !state.isStopped
    }
    if isTaken { state.broadcast() } else { script.cancel() }
  }

  /// Whether nothing is to be loaded any more.
  var isCancelled: Bool { state.withLock { $0.isStopped } }

  /// Cancels what is there and what comes. Does not block.
  func cancel() {
    let scripts = state.withLock { state in
      state.isStopped = true
      defer { state.queue = [] }
      return Array(state.queue) + [state.current].compactMap { $0 }
    }
    for script in scripts { script.cancel() }
    state.broadcast()
  }

  /// `cancel`, and waits for the thread. Twice is fine; not from its own thread.
  func stop() {
    cancel()
    let thread = state.withLock { state in
      defer { state.thread = nil }
      return state.thread
    }
    thread?.join()
  }

  private func next() -> SlowScript? {
    state.wait { state -> SlowScript?? in
      if state.isStopped { return .some(nil) }
      guard let script = state.queue.popFirst() else { return nil }
      state.current = script
      return .some(script)
    } ?? nil
  }
}
