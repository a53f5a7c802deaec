internal import JobModel
internal import Synchronization

/// Remembers over all lives of a host which steps of runs are durable, and finds out who does one again.
final class StepWitness: Sendable {
  private struct State: Sendable {
    /// Positions of durable steps, by the run that began the work.
    var stored: [RunID: Set<Int32>] = [:]
    /// The run that began the work which another one goes on with.
    var roots: [RunID: RunID] = [:]
    var done = 0
  }
  private let state = Mutex(State())

  /// Steps that were done, over all lives.
  var done: Int { state.withLock { $0.done } }

  /// A run goes on for another one.
  func inherits(_ run: RunID, from former: RunID) {
    state.withLock { $0.roots[run] = $0.roots[former] ?? former }
  }

  /// The run that began the work which `run` goes on with; itself, when it is no recovery.
  func root(of run: RunID) -> RunID { state.withLock { $0.roots[run] ?? run } }

  /// A step is durable.
  func isDurable(_ position: Int32, of run: RunID) {
    state.withLock { state in
      state.done += 1
      _ = state.stored[state.roots[run] ?? run, default: []].insert(position)
    }
  }

  /// What is wrong with the steps that a run finds when it comes by; nil: nothing.
  func violation(_ run: RunID, finds steps: [RunStep]) -> String? {
    let missing = state.withLock { state in
      (state.stored[state.roots[run] ?? run] ?? []).subtracting(steps.map(\.position)).sorted()
    }
    return missing.isEmpty ? nil : "run \(run) comes by again, and steps \(missing) that it had stored are not there"
  }
}
