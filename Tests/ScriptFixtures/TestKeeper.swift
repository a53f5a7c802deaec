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
}
