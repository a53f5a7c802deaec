internal import Basics
internal import Chronology
internal import JobModel
internal import StoreSupport
internal import Synchronization

/// The highest number of a decision that was committed since this host leads. Set by the writer's thread, read by any.
final class PostgresDecisionMark: Sendable {
  private let number = Atomic<Int64>(0)
  var committed: Int64 { number.load(ordering: .relaxed) }
  func set(_ value: Int64) { number.store(value, ordering: .relaxed) }
}

/// The one thread that writes to a store. Whatever waits when it is free becomes one transaction, sent in one go: a
/// commit's way to the server and to its disk is shared by all who wait for it.
///
/// If a transaction of several fails, each is tried alone, so that one bad batch fails nobody else; but not when the
/// server is away or another host leads, which is so for each. Everyone gets exactly one completion, on this thread,
/// after the commit. With nothing to write it renews the lease and prunes.
final class PostgresCommits: Sendable {
  private struct State {
    var queue = CommitQueue()
    var moves: [Move] = []
    var retention: Retention?
    var isClosing = false
  }

  /// Statements of a migration, and what became of them.
  private struct Move: Sendable {
    var steps: [PostgresStep]
    var answer: @Sendable (Result<[PostgresRows], StoreError>) -> Void
  }

  private let state = Monitor(State())
  private let thread: Monitor<StoreThread?> = Monitor(nil)
  private let storeName: String

  /// Starts the thread.
  ///
  /// - Throws: when the system has no thread to give.
  init(_ make: @escaping @Sendable () -> PostgresWriter, storeName: String) throws(StoreError) {
    self.storeName = storeName
    let state = state
    let thread = try StoreThread(name: "store-writer") {
      var writer = make()
      Self.run(state, &writer)
    }
    self.thread.withLock { $0 = thread }
  }

  /// Hands something over. Never waits for the server.
  func submit(_ operation: CommitQueue.Operation) {
    let isAccepted = state.change { state in
      guard !state.isClosing else { return false }
      state.queue.append(operation)
      return true
    }
    if !isAccepted { operation.complete(.failure(.closed(storeName))) }
  }

  /// Runs statements of a migration as one transaction, and waits for it.
  func write(_ steps: [PostgresStep]) throws(StoreError) -> [PostgresRows] {
    let answer = Monitor<Result<[PostgresRows], StoreError>?>(nil)
    let isAccepted = state.change { state in
      guard !state.isClosing else { return false }
      state.moves.append(Move(steps: steps) { result in answer.change { $0 = result } })
      return true
    }
    guard isAccepted else { throw .closed(storeName) }
    return try answer.wait { $0 }!.get()
  }

  func set(_ retention: Retention) { state.change { $0.retention = retention } }

  /// Writes what was handed over, then ends the thread.
  func close() {
    state.change { $0.isClosing = true }
    thread.withLock { $0 }?.join()
  }

  // MARK: The thread

  private struct Work {
    var operations: [CommitQueue.Operation]
    var moves: [Move]
    var retention: Retention?
    var isClosing: Bool
  }

  private static func run(_ state: Monitor<State>, _ writer: inout PostgresWriter) {
    var log = PostgresLog()
    var realTime = RealTimeThread(.decide)
    while true {
      realTime.review(at: monotonicNow())
      let work = state.wait(until: writer.dueAt) { state -> Work? in
        let isIdle = state.queue.isEmpty && state.moves.isEmpty && state.retention == nil
        guard !isIdle || state.isClosing else { return nil }
        defer { state.moves = [] }
        return Work(
          operations: state.queue.take(), moves: state.moves, retention: state.retention.take(),
          isClosing: state.isClosing)
      }
      if let retention = work?.retention { writer.set(retention) }
      for move in work?.moves ?? [] {
        do throws(StoreError) { move.answer(.success(try writer.write(move.steps))) } catch {
          move.answer(.failure(error))
        }
      }
      let operations = work?.operations ?? []
      if operations.isEmpty {
        if work?.isClosing == true, work?.moves.isEmpty == true { break }
      } else {
        // Completions are called with nothing held, so they may ask the store whatever they like.
        let answers = commit(operations.map { PostgresOperation($0, &log) }, &writer)
        for (operation, answer) in zip(operations, answers) { operation.complete(answer) }
      }
      writer.maintain()
    }
    writer.close()
  }

  private static func commit(
    _ operations: [PostgresOperation], _ writer: inout PostgresWriter
  ) -> [Result<Int64, StoreError>] {
    let failure: StoreError
    do throws(StoreError) { return try writer.write(operations) } catch { failure = error }
    if writer.isAway {
      // A session that was ended, or a server that is back already, delays nobody. What was written is not written
      // twice.
      do throws(StoreError) {
        if let answers = try writer.whatBecame(of: operations) { return answers }
        return try writer.write(operations)
      } catch { return operations.map { _ in .failure(error.code == .lost ? error : failure) } }
    }
    guard operations.count > 1, failure.code != .lost, !writer.isAway else {
      return operations.map { _ in .failure(failure) }
    }
    var answers: [Result<Int64, StoreError>] = []
    for operation in operations {
      do throws(StoreError) { answers += try writer.write([operation]) } catch { answers.append(.failure(error)) }
    }
    return answers
  }
}
