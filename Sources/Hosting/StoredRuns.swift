internal import Basics
internal import JobModel

/// What runs keep, in a store of this host.
struct StoredRuns: RunKeeper {
  let store: any JobStore
  /// Looking into a store waits for the disk.
  let pool: BlockingPool
  /// Told of each step that is durable.
  let stepped: (@Sendable (RunStep, String) -> Void)?

  func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void) {
    let isTaken = pool.run {
      do throws(StoreError) {
        completion(.success(try store.steps(of: run)))
      } catch { completion(.failure(error)) }
    }
    if !isTaken { completion(.failure(StoreError(.io, pool.refusal))) }
  }

  func keep(_ step: RunStep, of job: String, completion: @escaping @Sendable (StoreError?) -> Void) {
    var batch = StoreBatch()
    batch.steps = [.put(step)]
    store.apply(batch) { error in
      if error == nil { stepped?(step, job) }
      completion(error)
    }
  }
}
