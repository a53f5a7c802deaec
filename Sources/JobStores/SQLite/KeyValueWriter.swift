internal import Chronology
internal import GRDB
internal import JobModel

/// Writes `kv`. Other processes may write it too, so each change reads what is there inside its transaction.
struct KeyValueWriter {
  private let find, put, remove, nextVersion: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    find = try prepare(KeyValueRows.versionAndExpiry)
    put = try prepare("INSERT OR REPLACE INTO kv(space, key, value, version, expires_at) VALUES(?1, ?2, ?3, ?4, ?5)")
    remove = try prepare("DELETE FROM kv WHERE space = ?1 AND key = ?2")
    // One counter for all keys: a key that was deleted and comes back must not come back with an old version, or a
    // compare-and-swap that was prepared before would succeed.
    nextVersion = try prepare(
      """
      INSERT INTO meta(key, value) VALUES('kv_version', 1) ON CONFLICT(key) DO UPDATE SET value = value + 1 RETURNING value
      """)
  }

  /// Whether it was done: false when `expecting` did not hold.
  func apply(_ change: KeyValueChange, at now: Instant) throws(StoreError) -> Bool {
    if let expecting = change.expecting, try expecting != currentVersion(of: change, at: now) { return false }
    guard let value = change.value else {
      remove.bind(1, change.space)
      remove.bind(2, change.key)
      try remove.run()
      return true
    }
    guard let version = try nextVersion.first({ $0.integer(0) }) else {
      preconditionFailure("an upsert with RETURNING answers a row")
    }
    put.bind(1, change.space)
    put.bind(2, change.key)
    put.bind(3, value.text)
    put.bind(4, version)
    put.bind(5, change.expiresAt?.nanoseconds)
    try put.run()
    return true
  }

  /// 0 when the key is absent or has expired.
  private func currentVersion(of change: KeyValueChange, at now: Instant) throws(StoreError) -> Int64 {
    find.bind(1, change.space)
    find.bind(2, change.key)
    find.bind(3, now.nanoseconds)
    return try find.first { $0.integer(0) } ?? 0
  }
}

/// Writes what runs log.
struct LogWriter {
  private var lastLine: Int64 = 0
  private let insert: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    insert = try PreparedStatement(
      "INSERT OR IGNORE INTO run_log(run, line, at, level, message, fields) VALUES(?1, ?2, ?3, ?4, ?5, ?6)",
      on: database,
      failure: failure)
  }

  mutating func append(_ lines: [RunLogLine]) throws(StoreError) {
    for line in lines {
      // The instant, made unique: rises within a run even when its second part is logged by another process after a
      // restart.
      lastLine = max(lastLine + 1, line.at.nanoseconds)
      insert.bind(1, line.run.number)
      insert.bind(2, lastLine)
      insert.bind(3, line.at.nanoseconds)
      insert.bind(4, line.level)
      insert.bind(5, line.message)
      insert.bind(6, line.fields?.text)
      try insert.run()
    }
  }
}

/// Questions to `kv`, shared by its writer and its readers.
enum KeyValueRows {
  static let versionAndExpiry =
    "SELECT version, value, expires_at FROM kv WHERE space = ?1 AND key = ?2 AND (expires_at IS NULL OR expires_at > ?3)"
  /// In byte order from the prefix on; the reader stops at the first key without it.
  static let keysFrom = """
    SELECT key FROM kv WHERE space = ?1 AND key >= ?2 AND (expires_at IS NULL OR expires_at > ?3) ORDER BY key
    """
}
