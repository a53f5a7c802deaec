/// The store that has a run, as the run itself reaches it: for what must outlive its attempts.
///
/// Completions come on any thread, exactly once, also inside the call.
package protocol RunKeeper: Sendable {
  /// The steps of a run, in order.
  func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void)
  /// Keeps a step; completes when it is as durable as the store makes it, or with why it is not.
  func keep(_ step: RunStep, of job: String, completion: @escaping @Sendable (StoreError?) -> Void)
}
