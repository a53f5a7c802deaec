internal import GRDB
internal import JobModel

/// The proof, inside each transaction of a host, that nobody has taken its store over.
///
/// Taking the scheduling role raises the epoch in the file, in a transaction of its own. Every later transaction of
/// that host reads it again, after `BEGIN IMMEDIATE` and so under SQLite's own lock: a host that is not the last one
/// any more cannot claim, and cannot write how its runs ended. The lock file beside the store keeps a second host from
/// starting; this holds where a lock file was removed, or where another machine does not see it (Kleppmann's fencing
/// token, 2016).
///
/// Runs alongside a host (`moondial exec`) do not schedule and prove nothing.
///
/// Threading: as `StoreWriter`.
struct StoreFence {
  /// `meta` rows: how many hosts ever took the store, and what the last one drew as its own mark.
  static let epochKey = "host_epoch"
  static let markKey = "host_mark"

  let epoch: Int64
  /// Drawn by this host; no backup of an earlier host, and no other store, has it.
  let mark: Int64
  private let find, findHost: PreparedStatement
  private let failure: SQLiteFailure

  /// Takes the scheduling role: one transaction.
  init(taking database: Database, holder: String, since: Int64, failure: SQLiteFailure) throws {
    self.failure = failure
    var taken: (epoch: Int64, mark: Int64) = (0, 0)
    try database.inTransaction(.immediate) {
      let before = try Int64.fetchOne(database, sql: "SELECT value FROM meta WHERE key = '\(Self.epochKey)'") ?? 0
      taken.epoch = before &+ 1
      taken.mark = try Int64.fetchOne(database, sql: "SELECT random()") ?? 0
      // From now on a process alongside this host knows of it. See `newExternalRun`.
      try database.execute(
        sql: """
          INSERT OR REPLACE INTO meta(key, value) \
          VALUES('\(Self.epochKey)', ?), ('\(Self.markKey)', ?), ('last_host', ?), ('host_since', ?)
          """, arguments: [taken.epoch, taken.mark, holder, since])
      return .commit
    }
    (epoch, mark) = taken
    find = try PreparedStatement(
      "SELECT value FROM meta WHERE key = '\(Self.epochKey)'", on: database, failure: failure)
    findHost = try PreparedStatement("SELECT value FROM meta WHERE key = 'last_host'", on: database, failure: failure)
  }

  /// Throws `.lost` when another host has taken the store. One read of a row by its key; inside the open transaction.
  func prove() throws(StoreError) {
    guard try find.first({ $0.integer(0) }) != epoch else { return }
    let other = try findHost.first { $0.text(0) } ?? ""
    throw StoreError(
      .lost,
      "\(failure.path): another host (\(other.isEmpty ? "unknown" : other)) has taken this store over: this one starts "
        + "nothing from it any more, and how its runs end is not written; stop one of the two, and never remove a "
        + ".lock file"
    )
  }
}
