package import Basics
package import Chronology
package import JobModel
package import SchedulerService
internal import Scheduling

/// What runs keep, in a store of this host.
package struct StoreRunKeeper: RunKeeper {
  let store: any JobStore
  /// Its name in the configuration.
  let name: String
  /// nil: there is no scheduler here.
  let engine: (any SchedulerEngine)?
  let clock: any WallClock
  /// Looking into a store waits for the disk.
  let pool: BlockingPool
  /// Told of each step that is durable.
  let stepped: (@Sendable (RunStep, String) -> Void)?

  package init(
    store: any JobStore, name: String, engine: (any SchedulerEngine)?, clock: any WallClock, pool: BlockingPool,
    stepped: (@Sendable (RunStep, String) -> Void)?
  ) {
    self.store = store
    self.name = name
    self.engine = engine
    self.clock = clock
    self.pool = pool
    self.stepped = stepped
  }

  package func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void) {
    let isTaken = pool.run {
      do throws(StoreError) {
        completion(.success(try store.steps(of: run)))
      } catch { completion(.failure(error)) }
    }
    if !isTaken { completion(.failure(StoreError(.io, pool.refusal))) }
  }

  package func keep(_ step: RunStep, of job: String, completion: @escaping @Sendable (StoreError?) -> Void) {
    var batch = StoreBatch()
    batch.steps = [.put(step)]
    store.apply(batch) { error in
      if error == nil { stepped?(step, job) }
      completion(error)
    }
  }

  /// Judged by the scheduler, committed by the store, carried out by the scheduler.
  package func commit(
    _ transaction: RunTransaction, asking operations: [RunOperation],
    completion: @escaping @Sendable (CommitAnswer) -> Void
  ) {
    guard !operations.isEmpty else {
      return store.commit(transaction, at: clock.now) { completion(CommitAnswer($0)) }
    }
    guard let engine else {
      return completion(
        .refused(HostRefusal("\(operations[0].words) needs a scheduler, and exec has none: nothing is committed")))
    }
    engine.post(whenDurable: nil) { core, now, _ in
      if let refusal = core.refusal(of: operations, in: name, at: now) {
        return completion(.refused(HostRefusal(refusal.message, isMisuse: refusal.isMisuse)))
      }
      store.commit(transaction, at: now.wall) { result in
        guard case .success(.committed(let id)) = result, id > 0, var intent = transaction.intent else {
          return completion(CommitAnswer(result))
        }
        intent.id = id
        // Whatever becomes of this batch: the intent is durable, and so it will be done.
        engine.post(whenDurable: { _ in completion(.committed) }) { [intent] core, now, actions in
          core.perform(operations, of: intent, in: name, at: now, into: &actions)
        }
      }
    }
  }
}

extension CommitAnswer {
  fileprivate init(_ result: Result<TransactionAnswer, StoreError>) {
    self =
      switch result {
      case .success(.committed): .committed
      case .success(.conflict): .conflict
      case .failure(let error): .failed(error)
      }
  }
}
