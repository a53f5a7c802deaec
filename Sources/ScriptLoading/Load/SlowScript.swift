package import FileWatching
internal import Synchronization
internal import Triggers

/// A script whose top level takes longer than the others may wait: it is evaluated aside, on a thread of its own, and
/// joins them when it has loaded.
///
///     let loader = try ScriptLoader(…, putAside: { slow in queue.add(slow) })
///     slow.evaluate()                                       // on the queue's thread
///     generation = loader.load(generation.snapshot, after: generation, …, finished: slow)
///
/// Threading: `evaluate` once, on one thread at a time for all scripts of a loader; everything else from any thread.
package final class SlowScript: @unchecked Sendable {
  // `@unchecked`: the evaluator and the conditions are used by `evaluate` only, which is called on one thread.
  package let path: ScriptPath
  /// Nanoseconds that it had before it was put aside.
  package let taken: Int64
  /// Nanoseconds that it may take in all.
  package let allowed: Int64
  let file: ScriptFile
  private let evaluator: ScriptEvaluator
  private let conditions: ScriptEvaluator.Conditions
  private let state = Mutex(State())

  private struct State {
    var deadline: WorkDeadline?
    var isCancelled = false
    var outcome: ScriptEvaluator.Outcome?
  }

  init(
    _ file: ScriptFile, taken: Int64, allowed: Int64, evaluator: ScriptEvaluator, conditions: ScriptEvaluator.Conditions
  ) {
    self.file = file
    path = file.path
    self.taken = taken
    self.allowed = allowed
    self.evaluator = evaluator
    self.conditions = conditions
  }

  /// Evaluates it, from the beginning and to the end of its time. False: it was cancelled, and there is no outcome.
  package func evaluate() -> Bool {
    let deadline = state.withLock { state -> WorkDeadline? in
      guard !state.isCancelled else { return nil }
      state.deadline = WorkDeadline(loading: allowed)
      return state.deadline
    }
    guard let deadline else { return false }
    let outcome = evaluator.evaluate(file, conditions, within: deadline)
    return state.withLock { state in
      state.deadline = nil
      guard !state.isCancelled else { return false }
      state.outcome = outcome
      return true
    }
  }

  /// What came of it; nil before it has loaded, and when it was cancelled.
  var outcome: ScriptEvaluator.Outcome? { state.withLock { $0.outcome } }

  /// Its outcome is not wanted any more; ends it soon when it is being evaluated.
  package func cancel() {
    let deadline = state.withLock { state in
      state.isCancelled = true
      return state.deadline
    }
    if let deadline { evaluator.cancel(deadline) }
  }
}

/// How long scripts may take to load.
package struct LoadTiming: Sendable, Hashable {
  /// Nanoseconds that a script may take while others wait for it; then it is put aside. Default 2 s.
  package var quick: Int64 = 2_000_000_000
  /// The same when scripts of one load have taken ``patience`` in vain. Default 250 ms.
  package var hurried: Int64 = 250_000_000
  /// Default 4 s.
  package var patience: Int64 = 4_000_000_000

  package init() {}
}
