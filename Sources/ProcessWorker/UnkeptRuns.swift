internal import JobModel

/// Steps, parked runs and transactions in a process: they have no way to the host's stores, so a run that asks for one
/// is told so before it does anything.
struct UnkeptRuns: RunKeeper {
  private static let refusal =
    "steps, durable sleeps and transactions are not there on a process executor in this version: give the job an "
    + "executor of threads"

  func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void) {
    completion(.failure(StoreError(.unsupported, Self.refusal)))
  }

  func keep(_ step: RunStep, of job: String, completion: @escaping @Sendable (StoreError?) -> Void) {
    completion(StoreError(.unsupported, Self.refusal))
  }

  func commit(
    _ transaction: RunTransaction, asking operations: [RunOperation],
    completion: @escaping @Sendable (CommitAnswer) -> Void
  ) {
    completion(.refused(HostRefusal(Self.refusal)))
  }
}
