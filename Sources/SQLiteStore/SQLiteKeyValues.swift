internal import Basics
internal import Chronology
internal import GRDB
internal import JobModel

/// The `kv` of a SQLite store. Changes join the writer's next commit; questions are answered by one thread of their
/// own, because the caller (a worker of scripts) must not wait for the disk, nor a reader for a commit.
final class SQLiteKeyValues: KeyValueStore {
  private struct Lane {
    var waiting: [@Sendable () -> Void] = []
    var thread: StoreThread?
    var isClosing = false
    /// The system has refused the thread, and not given one since.
    var isRefused = false
  }

  private let reader: SQLiteReader
  private let commits: GroupCommit?
  private let failure: SQLiteFailure
  private let lane = Monitor(Lane())
  /// Told when the system refuses the thread, and (nil) when it gives one again.
  private let refused: (@Sendable (StoreError?) -> Void)?

  init(
    reader: SQLiteReader, commits: GroupCommit?, failure: SQLiteFailure, refused: (@Sendable (StoreError?) -> Void)?
  ) {
    self.reader = reader
    self.commits = commits
    self.failure = failure
    self.refused = refused
  }

  func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void
  ) {
    ask(completion) { [reader] database in
      let find = try reader.statement(KeyValueRows.versionAndExpiry, on: database)
      find.bind(1, space)
      find.bind(2, key)
      find.bind(3, now.nanoseconds)
      return try find.first { row -> Sized<KeyValue?> in
        // SQLite has the row in its own page memory, one row at a time.
        let size = row.size(1)
        guard size <= bytes else { return .larger(size) }
        return .value(KeyValue(value: JSONText(row.text(1)), version: row.integer(0), expiresAt: row.instant(2)))
      } ?? .value(nil)
    }
  }

  func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void
  ) {
    ask(completion) { [reader] database in
      let find = try reader.statement(KeyValueRows.keysFrom, on: database)
      find.bind(1, space)
      find.bind(2, prefix)
      find.bind(3, now.nanoseconds)
      var keys: [String] = []
      var size = 0
      guard limit > 0 else { return .value(keys) }
      try find.forEachRow { row throws(StoreError) in
        let key = row.text(0)
        guard key.utf8.starts(with: prefix.utf8) else { return false }
        size += key.utf8.count + Self.keyOverhead
        if size > bytes { return false }
        keys.append(key)
        return keys.count < limit
      }
      return size <= bytes ? .value(keys) : .larger(size)
    }
  }

  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void
  ) {
    guard let commits else { return completion(.failure(failure.onlyRead)) }
    commits.submit(.keyValue(change, now, completion))
  }

  /// Answers what is waiting, then ends the thread.
  func close() {
    let thread = lane.change { lane in
      lane.isClosing = true
      return lane.thread
    }
    thread?.join()
  }

  /// Runs `question` on the thread of this store, which starts with the first one.
  private func ask<Answer: Sendable>(
    _ completion: @escaping @Sendable (Result<Answer, StoreError>) -> Void,
    _ question: @escaping @Sendable (Database) throws -> Answer
  ) {
    let (refusal, isNews) = lane.change { [reader, lane, failure] state -> (StoreError?, isNews: Bool) in
      guard !state.isClosing else { return (.closed(failure.path), false) }
      let wasRefused = state.isRefused
      if state.thread == nil {
        do throws(StoreError) {
          state.thread = try StoreThread(name: "store-kv") { Self.run(lane) }
          state.isRefused = false
        } catch {
          state.isRefused = true
          return (error, !wasRefused)
        }
      }
      state.waiting.append {
        do throws(StoreError) {
          completion(.success(try reader.read(question)))
        } catch {
          completion(.failure(error))
        }
      }
      return (nil, wasRefused)
    }
    if isNews { refused?(refusal) }
    if let refusal { completion(.failure(refusal)) }
  }

  private static func run(_ lane: Monitor<Lane>) {
    while true {
      let questions = lane.wait { lane -> [@Sendable () -> Void]? in
        guard !lane.waiting.isEmpty || lane.isClosing else { return nil }
        defer { lane.waiting.removeAll() }
        return lane.waiting
      }!
      if questions.isEmpty { return }
      for question in questions { question() }
    }
  }
}
