internal import Chronology
internal import GRDB
internal import JobModel
internal import StoreSupport

/// The `kv` of a SQLite store. Changes join the writer's next commit; questions are answered by one thread of their
/// own, because the caller (a worker of scripts) must not wait for the disk, nor a reader for a commit.
final class SQLiteKeyValues: KeyValueStore {
  private let reader: SQLiteReader
  private let commits: GroupCommit?
  private let failure: SQLiteFailure
  private let thread: QuestionThread

  init(
    reader: SQLiteReader, commits: GroupCommit?, failure: SQLiteFailure, refused: (@Sendable (StoreError?) -> Void)?
  ) {
    self.reader = reader
    self.commits = commits
    self.failure = failure
    thread = QuestionThread(store: failure.path, refused: refused)
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
  func close() { thread.close() }

  private func ask<Answer: Sendable>(
    _ completion: @escaping @Sendable (Result<Answer, StoreError>) -> Void,
    _ question: @escaping @Sendable (Database) throws -> Answer
  ) {
    thread.ask(completion) { [reader] () throws(StoreError) in try reader.read(question) }
  }
}
