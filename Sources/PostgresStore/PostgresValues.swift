internal import Chronology
internal import JobModel
internal import StoreSupport

/// The `kv` of a PostgreSQL store. Changes join the writer's next commit; questions are answered by one thread of their
/// own.
///
/// Keys are bytes to the server: two ways to write a letter are two keys, and their order is that of bytes.
final class PostgresValues: KeyValueStore {
  private let readers: PostgresReaders
  private let commits: PostgresCommits?
  private let thread: QuestionThread

  init(_ readers: PostgresReaders, _ commits: PostgresCommits?, refused: (@Sendable (StoreError?) -> Void)?) {
    self.readers = readers
    self.commits = commits
    thread = QuestionThread(store: readers.target.location, refused: refused)
  }

  private static let space = "(SELECT id FROM kv_spaces WHERE name_key = sha256(convert_to($1, 'UTF8')))"

  func value(
    of key: String, in space: String, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<KeyValue?>, StoreError>) -> Void
  ) {
    thread.ask(completion) { [readers] () throws(StoreError) in
      let rows = try readers.ask(
        """
        SELECT version, octet_length(value)::bigint, CASE WHEN octet_length(value) <= $4 THEN value END, expires_at \
        FROM kv WHERE space = \(Self.space) AND key = $2 AND (expires_at IS NULL OR expires_at > $3)
        """
      ) {
        $0.add(space)
        $0.add(bytes: key.utf8)
        $0.add(now.nanoseconds)
        $0.add(Int64(bytes))
      }
      guard rows.count == 1 else { return .value(nil) }
      let size = rows.count(0, 1)
      guard size <= bytes else { return .larger(size) }
      return .value(
        KeyValue(value: JSONText(rows.text(0, 2)), version: rows.integer(0, 0), expiresAt: rows.instant(0, 3)))
    }
  }

  func keys(
    prefix: String, in space: String, limit: Int, upTo bytes: Int, at now: Instant,
    completion: @escaping @Sendable (Result<Sized<[String]>, StoreError>) -> Void
  ) {
    thread.ask(completion) { [readers] () throws(StoreError) in
      guard limit > 0 else { return .value([]) }
      // Each key takes some bytes, so more of them than this are too many anyway.
      let most = min(limit, bytes / Self.keyOverhead + 1)
      let rows = try readers.ask(
        """
        SELECT key FROM kv WHERE space = \(Self.space) AND key >= $2 \
        AND substring(key FROM 1 FOR octet_length($2)) = $2 AND (expires_at IS NULL OR expires_at > $3) \
        ORDER BY key LIMIT $4
        """
      ) {
        $0.add(space)
        $0.add(bytes: prefix.utf8)
        $0.add(now.nanoseconds)
        $0.add(Int64(most))
      }
      let keys = (0..<rows.count).map { rows.key($0, 0) }
      let size = keys.reduce(0) { $0 + $1.utf8.count + Self.keyOverhead }
      return size <= bytes ? .value(keys) : .larger(size)
    }
  }

  func change(
    _ change: KeyValueChange, at now: Instant, completion: @escaping @Sendable (Result<Bool, StoreError>) -> Void
  ) {
    guard let commits else { return completion(.failure(readers.target.onlyRead)) }
    commits.submit(.keyValue(change, now, completion))
  }

  func close() { thread.close() }

  // MARK: The writer's part

  /// Changes values in order. Answers three numbers for each: 1 for done, 0 for one that had another version, 2 for one
  /// that is refused; with the bytes that its space and it had.
  ///
  /// - Parameter epoch: of the host for whom the server keeps the answers as well.
  static func change(_ changes: [KeyValueChange], at times: [Instant], epoch: Int64?) -> PostgresStep {
    PostgresStep("SELECT change_values($1, $2, $3, $4, $5, $6, $7, $8)") {
      $0.add(epoch)
      add(changes, to: &$0)
      $0.add(times) { $0.nanoseconds }
    }
  }

  static func add(_ changes: [KeyValueChange], to parameters: inout PostgresParameters) {
    parameters.add(changes) { $0.space }
    parameters.add(bytes: changes) { $0.key.utf8 }
    parameters.add(changes) { $0.value?.text }
    parameters.add(changes) { $0.expecting }
    parameters.add(changes) { $0.expiresAt?.nanoseconds }
    parameters.add(changes) { $0.quota.map(Int64.init) }
  }
}
