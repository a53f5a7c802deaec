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
  let inbox: (any SchedulerInbox)?
  let clock: any WallClock
  /// Looking into a store waits for the disk.
  let pool: BlockingPool
  /// Of this store.
  let doubts: CommitDoubts
  /// Told of each step that is durable.
  let stepped: (@Sendable (RunStep, String) -> Void)?

  package init(
    store: any JobStore, name: String, inbox: (any SchedulerInbox)?, clock: any WallClock, pool: BlockingPool,
    doubts: CommitDoubts, stepped: (@Sendable (RunStep, String) -> Void)? = nil
  ) {
    self.store = store
    self.name = name
    self.inbox = inbox
    self.clock = clock
    self.pool = pool
    self.doubts = doubts
    self.stepped = stepped
  }

  package func steps(of run: RunID, completion: @escaping @Sendable (Result<[RunStep], StoreError>) -> Void) {
    look { [self] in
      settle()
      do throws(StoreError) {
        completion(.success(try store.steps(of: run)))
      } catch { completion(.failure(error)) }
    } orElse: {
      completion(.failure($0))
    }
  }

  private func look(_ body: @escaping @Sendable () -> Void, orElse refused: (StoreError) -> Void) {
    if !pool.run(body) { refused(StoreError(.io, pool.refusal)) }
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
    guard let inbox else {
      return completion(
        .refused(HostRefusal("\(operations[0].words) needs a scheduler, and exec has none: nothing is committed")))
    }
    inbox.post(whenDurable: nil) { core, now, _ in
      if let refusal = core.refusal(of: operations, in: name, at: now) {
        return completion(.refused(HostRefusal(refusal.message, isMisuse: refusal.isMisuse)))
      }
      commit(transaction, operations, at: now.wall, inbox) { answer in
        completion(answer)
        // Once, and then with the next run that asks for its steps or commits: a store that loses every answer is not
        // asked without end.
        if !doubts.isEmpty {
          look {
            settle()
          } orElse: { _ in
          }
        }
      }
    }
  }

  private func commit(
    _ transaction: RunTransaction, _ operations: [RunOperation], at now: Instant, _ inbox: any SchedulerInbox,
    _ completion: @escaping @Sendable (CommitAnswer) -> Void
  ) {
    store.commit(transaction, at: now) { result in
      if case .failure = result {
        // Nobody else would carry out what it has asked for before the next start, if it is durable after all.
        doubts.add(CommitDoubt(transaction: transaction, operations: operations))
      }
      guard case .success(.committed(let id)) = result, id > 0, var intent = transaction.intent else {
        return completion(CommitAnswer(result))
      }
      intent.id = id
      // Another attempt may have committed the same step meanwhile, and its intent is this one.
      guard doubts.begin(id) else { return completion(.committed) }
      let carriedOut: @Sendable (StoreError?) -> Void = { error in
        if error == nil { doubts.end(id) }
        completion(.committed)
      }
      // Whatever becomes of this batch: the intent is durable, and so it will be done.
      inbox.post(whenDurable: carriedOut) { [intent] core, now, actions in
        core.perform(operations, of: intent, in: name, at: now, into: &actions)
      }
    }
  }

  /// Finds out what became of commits whose answer was lost. Those that are durable are carried out; while the store
  /// cannot be read they stay in doubt.
  package func settle() {
    guard let inbox else { return }
    for doubt in doubts.take() {
      do throws(StoreError) {
        guard let step = doubt.transaction.step,
          try store.steps(of: step.run).contains(where: { $0.position == step.position && $0.finishedAt != nil })
        else { continue }
        // The store knows the step: it changes nothing, and answers with the intent.
        commit(doubt.transaction, doubt.operations, at: clock.now, inbox) { _ in }
      } catch { doubts.add(doubt) }
    }
  }
}

/// A transaction that its store has failed to commit, or has committed without being able to say so.
struct CommitDoubt: Sendable {
  let transaction: RunTransaction
  let operations: [RunOperation]
}

/// The transactions of a store of which nobody knows whether they are durable: the latest thousand, while the store
/// cannot be read. (The next start of the host finds all of them.) Any thread.
package final class CommitDoubts: Sendable {
  private static let most = 1_000
  private let doubts = Monitor<[CommitDoubt]>([])
  /// Intents that were handed to the scheduler, until the store knows that they were carried out.
  private let underWay = Monitor<Set<Int64>>([])

  package init() {}

  var isEmpty: Bool { doubts.withLock { $0.isEmpty } }
  func add(_ doubt: CommitDoubt) {
    doubts.withLock { doubts in
      if doubts.count == Self.most { doubts.removeFirst() }
      doubts.append(doubt)
    }
  }

  /// Whether an intent is to be handed to the scheduler: it was not in this life of the host.
  func begin(_ intent: Int64) -> Bool { underWay.withLock { $0.insert(intent).inserted } }
  /// The store knows that it was carried out, and answers with it no more.
  func end(_ intent: Int64) { underWay.withLock { _ = $0.remove(intent) } }

  func take() -> [CommitDoubt] {
    doubts.withLock { doubts in
      defer { doubts = [] }
      return doubts
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
