internal import JobModel
internal import Synchronization

/// Remembers over all hosts which attempts of runs an executor was given, and finds out that one is given twice.
final class StartWitness: Sendable {
  private struct Attempt: Hashable, Sendable {
    var run: RunID
    var attempt: Int32
  }
  private let attempts = Mutex<Set<Attempt>>([])

  /// What is wrong with an order; nil: nothing. One that parks comes by several times.
  func submitted(_ order: RunOrder, hasSteps: Bool) -> String? {
    guard !hasSteps else { return nil }
    let isNew = attempts.withLock { $0.insert(Attempt(run: order.id, attempt: order.attempt)).inserted }
    return isNew ? nil : "attempt \(order.attempt) of run \(order.id) of \(order.job.definition.name) is given twice"
  }
}
