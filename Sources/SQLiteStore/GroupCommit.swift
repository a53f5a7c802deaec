internal import Basics
internal import Chronology
internal import GRDB
internal import GRDBSQLite
internal import JobModel
internal import StoreSupport

/// The one thread that writes to a store file. Whatever waits when it is free becomes one transaction, so the cost of a
/// commit (an fsync, with synchronous FULL) is shared by all who wait for it, and the busier the host, the larger the
/// share: up to a number of rows and of bytes (``CommitQueue``), so that nobody waits for more than two transactions of
/// that size.
///
/// If a transaction of several fails, each is tried alone, so that one bad batch fails nobody else. Everyone gets
/// exactly one completion, on this thread, after the commit.
final class GroupCommit: Sendable {
  private struct State {
    var queue = CommitQueue()
    var retention: Retention?
    var isClosing = false
  }

  private let state = Monitor(State())
  private let thread: Monitor<StoreThread?> = Monitor(nil)
  private let storeName: String

  /// Starts the thread. `writer` is its own from here on.
  ///
  /// - Parameter emptiesLogAtEnd: after `close`, the database file alone holds everything.
  /// - Throws: when the system has no thread to give.
  init(
    pool: DatabasePool, writer: StoreWriter, options: SQLiteStore.Options, emptiesLogAtEnd: Bool, storeName: String
  ) throws(StoreError) {
    self.storeName = storeName
    let state = state
    let thread = try StoreThread(name: "store-writer") {
      Self.run(state: state, pool: pool, writer: writer, options: options, emptiesLogAtEnd: emptiesLogAtEnd)
    }
    self.thread.withLock { $0 = thread }
  }

  /// Hands something over. Never waits for the disk.
  func submit(_ operation: CommitQueue.Operation) {
    let isAccepted = state.change { state in
      guard !state.isClosing else { return false }
      state.queue.append(operation)
      return true
    }
    if !isAccepted { operation.complete(.failure(.closed(storeName))) }
  }

  func set(_ retention: Retention) {
    state.change { $0.retention = retention }
  }

  /// Writes what was handed over, then ends the thread.
  func close() {
    state.change { $0.isClosing = true }
    thread.withLock { $0 }?.join()
  }

  // MARK: The thread

  private static func run(
    state: Monitor<State>, pool: DatabasePool, writer: StoreWriter, options: SQLiteStore.Options,
    emptiesLogAtEnd: Bool
  ) {
    var checkpoints = Checkpoints(pagesBetween: options.checkpointPages)
    pool.writeWithoutTransaction { checkpoints.watch($0) }
    /// After a failure, background work waits for a success: it is not urgent, and would only fail again and again.
    var isHealthy = true
    var realTime = RealTimeThread(.decide)

    while true {
      realTime.review(at: monotonicNow())
      let hasMaintenance = isHealthy && writer.hasMaintenance
      let (operations, retention, isClosing) = state.wait { state -> ([CommitQueue.Operation], Retention?, Bool)? in
        guard !state.queue.isEmpty || state.retention != nil || state.isClosing || hasMaintenance else { return nil }
        return (state.queue.take(), state.retention.take(), state.isClosing)
      }!
      if let retention { writer.setRetention(retention) }
      if operations.isEmpty, isClosing { break }
      guard !operations.isEmpty || hasMaintenance else { continue }
      writer.timePassed(options.clock.now)
      // Completions are called with nothing held, so they may ask the store whatever they like.
      let (answers, wentWell) = pool.writeWithoutTransaction { _ in
        commit(operations, writer: writer, withMaintenance: isHealthy)
      }
      isHealthy = wentWell
      for (operation, answer) in zip(operations, answers) { operation.complete(answer) }
      guard wentWell else { continue }
      pool.writeWithoutTransaction { checkpoints.checkpointIfNeeded($0) }
    }
    // A store that is another host's, or not where it was, is left as it is.
    pool.writeWithoutTransaction { database in
      checkpoints.unwatch(database)
      if emptiesLogAtEnd, writer.isOurs { checkpoints.finish(database) }
    }
    writer.close()
  }

  /// Writes `operations` as one transaction, or each alone if that fails. Answers what became of each, and whether all
  /// went well.
  private static func commit(
    _ operations: [CommitQueue.Operation], writer: StoreWriter, withMaintenance: Bool
  ) -> (answers: [Result<Int64, StoreError>], wentWell: Bool) {
    do throws(StoreError) {
      return (try transaction(operations, writer: writer, withMaintenance: withMaintenance), true)
    } catch {
      let error = writer.explained(error)
      // Somebody else holds the file: waiting once more for each of them would make a queue of minutes. Or it is not
      // this host's any more: then it is so for each of them.
      if error.code == .locked || error.code == .lost { return (operations.map { _ in .failure(error) }, false) }
    }
    var wentWell = !operations.isEmpty
    let answers = operations.map { operation -> Result<Int64, StoreError> in
      do throws(StoreError) {
        return try transaction([operation], writer: writer, withMaintenance: false)[0]
      } catch {
        wentWell = false
        return .failure(error)
      }
    }
    return (answers, wentWell)
  }

  /// For each operation its answer: a run id, or 1 for done and 0 for a compare-and-swap that was not; of a
  /// transaction its intent, and -1 for one that was not done; or why it alone
  /// was refused.
  private static func transaction(
    _ operations: [CommitQueue.Operation], writer: StoreWriter, withMaintenance: Bool
  ) throws(StoreError) -> [Result<Int64, StoreError>] {
    var answers: [Result<Int64, StoreError>] = []
    answers.reserveCapacity(operations.count)
    try writer.begin()
    do {
      try writer.prove()
      var finished = 0
      for operation in operations {
        switch operation {
        case .batch(let batch, _):
          try writer.apply(batch)
          finished += batch.finished.count
          answers.append(.success(1))
        case .keyValue(let change, let now, _):
          answers.append(try writer.apply(change, at: now).map { $0 ? 1 : 0 })
        case .log(let lines):
          try writer.append(log: lines)
          answers.append(.success(1))
        case .transaction(let transaction, let now, _):
          answers.append(try writer.apply(transaction, at: now).map { $0 ?? -1 })
          finished += transaction.finished == nil ? 0 : 1
        case .externalRun:
          answers.append(.success(try writer.newExternalRun()))
        }
      }
      if withMaintenance, writer.hasMaintenance { try writer.maintain(finished: finished) }
      try writer.commit()
    } catch {
      writer.rollback()
      throw error
    }
    return answers
  }
}
