/// The store that has a run, as the run itself reaches it: for what must outlive its attempts.
///
/// Completions come on any thread, exactly once, also inside the call.
package protocol RunKeeper: Sendable {
  /// The steps of a run, in order.
  func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void)
  /// Keeps a step; completes when it is as durable as the store makes it, or with why it is not.
  func keep(_ step: RunStep, of job: String, completion: @escaping @Sendable (StoreError?) -> Void)
  /// Commits a transaction, and has what it asks of the scheduler done; completes when both is durable.
  ///
  /// - Parameter operations: what its intent says.
  func commit(
    _ transaction: RunTransaction, asking operations: [RunOperation],
    completion: @escaping @Sendable (CommitAnswer) -> Void)
}

/// What became of a run's transaction. But for the first, nothing was changed.
package enum CommitAnswer: Sendable {
  case committed
  /// A value has another version than was expected.
  case conflict
  /// The scheduler would not do what it asks for.
  case refused(HostRefusal)
  case failed(StoreError)
}
