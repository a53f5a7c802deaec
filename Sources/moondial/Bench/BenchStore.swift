import Basics
import Chronology
import JobModel

/// A store that counts the runs whose outcome it has recorded: a measurement ends when the last one is, not when it has
/// only run.
///
/// It hands everything to the real store; counting costs one pass over a batch.
final class BenchStore: JobStore {
  private struct Counts: Sendable {
    var succeeded = 0
    var others = 0
    var goal = Int.max
    var reachedAt: Int64 = 0
  }

  private let store: any JobStore
  private let counts = Monitor(Counts())

  init(_ store: any JobStore) { self.store = store }

  /// From now on counts from 0 to `goal`.
  func expect(_ goal: Int) { counts.withLock { $0 = Counts(goal: goal) } }

  /// Blocks until as many runs as expected are recorded.
  ///
  /// - Returns: nanoseconds of the monotonic clock at which the last one was.
  func awaitGoal() throws -> Int64 {
    var last = -1
    while true {
      let patience = monotonicNow() + 60_000_000_000
      let counts = counts.wait(until: patience) { counts in
        counts.succeeded + counts.others >= counts.goal ? counts : nil
      }
      if let counts {
        guard counts.others == 0 else {
          throw CommandFailure("\(counts.others) runs did not succeed: the figure means nothing")
        }
        return counts.reachedAt
      }
      let done = self.counts.withLock { $0.succeeded + $0.others }
      guard done > last else { throw CommandFailure("nothing ended for 60 s; \(done) runs are recorded") }
      last = done
    }
  }

  private func count(_ succeeded: Int, _ others: Int) {
    let isReached = counts.withLock { counts in
      counts.succeeded += succeeded
      counts.others += others
      guard counts.reachedAt == 0, counts.succeeded + counts.others >= counts.goal else { return false }
      counts.reachedAt = monotonicNow()
      return true
    }
    if isReached { counts.broadcast() }
  }

  // MARK: JobStore

  var name: String { store.name }
  var keyValues: any KeyValueStore { store.keyValues }
  func load() throws(StoreError) -> StoreSnapshot { try store.load() }

  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    let finished = batch.finished.count
    guard finished > 0 else { return store.apply(batch, completion: completion) }
    // By index: an element that a loop hands out is a copy.
    var succeeded = 0
    for index in batch.finished.indices where batch.finished[index].outcome == .succeeded { succeeded += 1 }
    store.apply(batch) { [self, succeeded] error in
      completion(error)
      if error == nil { count(succeeded, finished - succeeded) }
    }
  }

  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try store.runs(query) }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try store.decisions(query) }
  func files(of job: String) throws(StoreError) -> [FileMark] { try store.files(of: job) }
  func schedules() throws(StoreError) -> [ScheduleRecord] { try store.schedules() }
  func append(log lines: [RunLogLine]) { store.append(log: lines) }
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { try store.log(of: run, limit: limit) }
  func steps(of run: RunID) throws(StoreError) -> [RunStep] { try store.steps(of: run) }
  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    store.commit(transaction, at: now, completion: completion)
  }
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? { try store.progress(of: run) }
  func close() { store.close() }
}
