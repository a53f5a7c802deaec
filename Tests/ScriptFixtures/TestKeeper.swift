internal import Basics
package import JobModel

/// What runs keep, in memory.
package final class TestKeeper: RunKeeper {
  private let kept = Monitor<[RunID: [RunStep]]>([:])

  package init() {}

  /// The steps of a run, as they were kept.
  package func steps(of run: RunID) -> [RunStep] { kept.withLock { $0[run] ?? [] } }

  package func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void) {
    completion(.success(steps(of: run)))
  }

  package func keep(_ step: RunStep, of job: String, completion: @escaping @Sendable (StoreError?) -> Void) {
    kept.change { $0[step.run, default: []].append(step) }
    completion(nil)
  }

  private let taken = Monitor<[(values: [KeyValueChange], operations: [RunOperation])]>([])
  private let answers = Monitor<[CommitAnswer]>([])

  /// What was committed, in order.
  package var commits: [(values: [KeyValueChange], operations: [RunOperation])] { taken.withLock { $0 } }

  /// The next commits are answered so, and not done unless they are `.committed`.
  package func answer(_ next: [CommitAnswer]) { answers.withLock { $0 = next } }

  package func commit(
    _ transaction: RunTransaction, asking operations: [RunOperation],
    completion: @escaping @Sendable (CommitAnswer) -> Void
  ) {
    let answer = answers.withLock { $0.isEmpty ? .committed : $0.removeFirst() }
    if case .committed = answer {
      taken.withLock { $0.append((transaction.keyValues, operations)) }
      if let step = transaction.step { kept.change { $0[step.run, default: []].append(step) } }
    }
    completion(answer)
  }
}
