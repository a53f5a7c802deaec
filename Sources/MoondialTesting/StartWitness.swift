internal import JobModel
internal import Synchronization

/// Remembers over all hosts which attempts of runs an executor was given, and finds out that one is given twice.
final class StartWitness: Sendable {
  private struct Attempt: Hashable, Sendable {
    var run: RunID
    var attempt: Int32
  }
  private struct State: Sendable {
    /// Each with the number of takeovers before it was given.
    var attempts: [Attempt: Int] = [:]
    var takeovers = 0
  }
  private let state = Mutex(State())

  /// Another host leads. What its predecessor could not write of a retry it does not know (docs/clustering.md): an
  /// attempt after the first may be made again.
  func takenOver() { state.withLock { $0.takeovers += 1 } }

  /// What is wrong with an order; nil: nothing. One that parks comes by several times.
  func submitted(_ order: RunOrder, hasSteps: Bool) -> String? {
    guard !hasSteps else { return nil }
    let isTwice = state.withLock { state in
      let former = state.attempts.updateValue(state.takeovers, forKey: Attempt(run: order.id, attempt: order.attempt))
      return former.map { order.attempt == 1 || $0 == state.takeovers } ?? false
    }
    return isTwice ? "attempt \(order.attempt) of run \(order.id) of \(order.job.definition.name) is given twice" : nil
  }
}
