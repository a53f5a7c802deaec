package import Chronology
package import JobModel
internal import Synchronization

/// A store in front of another that fails or delays the batches it is told to, so that a scheduler's answer to it can
/// be tested.
///
///     let store = FaultyJobStore(MemoryStore()) { number in number == 3 ? .fail(.full) : .pass }
///
/// Batches are counted from 1. A delayed batch, and its completion, wait until the test calls ``release()``; batches
/// after it pass it only if the test says so by not delaying them, which a real store would not do: delay them too.
///
/// Threading: any thread. Completions come where the store behind calls them, or inside `apply` and `release`.
package final class FaultyJobStore: JobStore {
  package enum Fault: Sendable {
    case pass
    /// Nothing of it is stored, and it says so.
    case fail(StoreError.Code)
    /// Everything of it is stored, and yet it reports a failure: a commit whose answer was lost. Retrying must be
    /// harmless.
    case failAfterStoring(StoreError.Code)
    /// Held back until ``release()``.
    case delay
    /// Stored at once, but the completion is held back until ``release()``.
    case delayCompletion
  }

  private struct State {
    var applied = 0
    var held: [@Sendable () -> Void] = []
  }

  private let store: any JobStore
  private let fault: @Sendable (Int, borrowing StoreBatch) -> Fault
  private let commitFault: (@Sendable () -> Fault)?
  private let state = Mutex(State())

  /// - Parameters:
  ///   - commits: what happens to the next transaction; nil: what would happen to a batch.
  ///   - fault: what happens to the batch of that number.
  package init(
    _ store: any JobStore, commits: (@Sendable () -> Fault)? = nil, _ fault: @escaping @Sendable (Int) -> Fault
  ) {
    self.store = store
    commitFault = commits
    self.fault = { number, _ in fault(number) }
  }

  /// - Parameter fault: what happens to a batch, by number and content.
  package init(_ store: any JobStore, byContent fault: @escaping @Sendable (Int, borrowing StoreBatch) -> Fault) {
    self.store = store
    commitFault = nil
    self.fault = fault
  }

  /// Batches handed over so far.
  package var applied: Int { state.withLock { $0.applied } }
  /// Batches and completions held back now.
  package var held: Int { state.withLock { $0.held.count } }

  /// Lets go what was held back, in order; what is held back meanwhile waits for the next call.
  package func release() {
    let held = state.withLock { state in
      defer { state.held.removeAll() }
      return state.held
    }
    for action in held { action() }
  }

  /// The power goes: what was held back never happens, and nobody hears of it.
  package func forget() { state.withLock { $0.held.removeAll() } }

  package func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    let number = state.withLock { state in
      state.applied += 1
      return state.applied
    }
    switch fault(number, batch) {
    case .pass: store.apply(batch, completion: completion)
    case .fail(let code): completion(Self.error(code, number))
    case .failAfterStoring(let code): store.apply(batch) { completion($0 ?? Self.error(code, number)) }
    case .delay: hold { [store] in store.apply(batch, completion: completion) }
    case .delayCompletion: store.apply(batch) { [self] error in hold { completion(error) } }
    }
  }

  /// A transaction counts as a batch without content.
  package func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    let number = state.withLock { state in
      state.applied += 1
      return state.applied
    }
    switch commitFault?() ?? fault(number, StoreBatch()) {
    case .pass: store.commit(transaction, at: now, completion: completion)
    case .fail(let code): completion(.failure(Self.error(code, number)))
    case .failAfterStoring(let code):
      store.commit(transaction, at: now) { _ in completion(.failure(Self.error(code, number))) }
    case .delay: hold { [store] in store.commit(transaction, at: now, completion: completion) }
    case .delayCompletion: store.commit(transaction, at: now) { [self] result in hold { completion(result) } }
    }
  }

  private func hold(_ action: @escaping @Sendable () -> Void) { state.withLock { $0.held.append(action) } }

  private static func error(_ code: StoreError.Code, _ number: Int) -> StoreError {
    StoreError(code, "batch \(number) was made to fail")
  }

  // MARK: Everything else is the other store's

  package var name: String { "faulty \(store.name)" }
  package var keyValues: any KeyValueStore { store.keyValues }
  package func load() throws(StoreError) -> StoreSnapshot { try store.load() }
  package func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try store.runs(query) }
  package func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try store.decisions(query) }
  package func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] { try store.audit(query) }
  package func files(of job: String) throws(StoreError) -> [FileMark] { try store.files(of: job) }
  package func schedules() throws(StoreError) -> [ScheduleRecord] { try store.schedules() }
  package func append(log lines: [RunLogLine]) { store.append(log: lines) }
  package func steps(of run: RunID) throws(StoreError) -> [RunStep] { try store.steps(of: run) }
  package func progress(of run: RunID) throws(StoreError) -> RunLogLine? { try store.progress(of: run) }

  package func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] {
    try store.log(of: run, limit: limit)
  }
  package func close() {
    release()
    store.close()
  }
}
