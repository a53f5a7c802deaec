internal import Chronology
internal import GRDB
internal import JobModel

/// Writes `kv`. Other processes may write it too, so each change reads what is there inside its transaction.
struct KeyValueWriter {
  private let find, put, remove, nextVersion: PreparedStatement
  private let size, spaceSize: PreparedStatement
  private let sizes: KeyValueSizes

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    find = try prepare(KeyValueRows.versionAndExpiry)
    put = try prepare("INSERT OR REPLACE INTO kv(space, key, value, version, expires_at) VALUES(?1, ?2, ?3, ?4, ?5)")
    remove = try prepare("DELETE FROM kv WHERE space = ?1 AND key = ?2")
    size = try prepare(
      """
      SELECT length(CAST(key AS BLOB)) + length(CAST(value AS BLOB)) FROM kv WHERE space = ?1 AND key = ?2
      """)
    spaceSize = try prepare("SELECT bytes FROM kv_sizes WHERE space = ?1")
    sizes = try KeyValueSizes(on: database, failure: failure)
    // One counter for all keys: a key that was deleted and comes back must not come back with an old version, or a
    // compare-and-swap that was prepared before would succeed.
    nextVersion = try prepare(
      """
      INSERT INTO meta(key, value) VALUES('kv_version', 1) ON CONFLICT(key) DO UPDATE SET value = value + 1 RETURNING value
      """)
  }

  /// Whether it was done: false when `expecting` did not hold. A failure is a refusal of this change alone: nothing was
  /// changed.
  func apply(_ change: KeyValueChange, at now: Instant) throws(StoreError) -> Result<Bool, StoreError> {
    if let expecting = change.expecting, try expecting != currentVersion(of: change, at: now) {
      return .success(false)
    }
    let own = try bytes(of: change)
    guard let value = change.value else {
      remove.bind(1, change.space)
      remove.bind(2, change.key)
      try remove.run()
      try sizes.add(-own, to: change.space)
      return .success(true)
    }
    if change.quota != nil {
      spaceSize.bind(1, change.space)
      let before = try spaceSize.first { $0.integer(0) } ?? 0
      if let refusal = change.refusal(spaceBytes: Int(before), own: own) { return .failure(refusal) }
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
    try sizes.add(change.bytes - own, to: change.space)
    return .success(true)
  }

  /// Bytes that the key takes now, expired or not.
  private func bytes(of change: KeyValueChange) throws(StoreError) -> Int {
    size.bind(1, change.space)
    size.bind(2, change.key)
    return Int(try size.first { $0.integer(0) } ?? 0)
  }

  /// 0 when the key is absent or has expired.
  private func currentVersion(of change: KeyValueChange, at now: Instant) throws(StoreError) -> Int64 {
    find.bind(1, change.space)
    find.bind(2, change.key)
    find.bind(3, now.nanoseconds)
    return try find.first { $0.integer(0) } ?? 0
  }
}

/// How many bytes of keys and values each space has, kept with every change: `kv_sizes`.
struct KeyValueSizes {
  private let add, remove: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    add = try PreparedStatement(
      """
      INSERT INTO kv_sizes(space, bytes) VALUES(?1, ?2) ON CONFLICT(space) DO UPDATE SET bytes = bytes + ?2
      """, on: database, failure: failure)
    remove = try PreparedStatement(
      "DELETE FROM kv_sizes WHERE space = ?1 AND bytes <= 0", on: database, failure: failure)
  }

  func add(_ bytes: Int, to space: String) throws(StoreError) {
    guard bytes != 0 else { return }
    add.bind(1, space)
    add.bind(2, bytes)
    try add.run()
    guard bytes < 0 else { return }
    remove.bind(1, space)
    try remove.run()
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
