internal import Chronology
internal import GRDB
internal import GRDBSQLite
internal import Glibc
internal import JobModel

extension SQLiteStore {
  /// The connections of a store, and its writer unless it only reads.
  static func open(
    _ path: String, mode: StoreAccess, options: Options, failure: SQLiteFailure
  ) throws(StoreError) -> (pool: DatabasePool, writer: StoreWriter?) {
    // Safe: the path is passed as a C string for the length of the call.
    if mode == .reader, unsafe access(path, F_OK) != 0 { throw failure.cannotOpen }
    do {
      var configuration = Configuration()
      configuration.label = "moondial"
      configuration.foreignKeysEnabled = false  // There are none: each key has one writer, which knows.
      configuration.readonly = mode == .reader
      configuration.busyMode = .timeout(options.busySeconds)
      configuration.maximumReaderCount = 4
      configuration.persistentReadOnlyConnections = true
      // Runs on each connection before anything else, so that nothing of a foreign or newer file is ever changed.
      configuration.prepareDatabase { database in try check(database, mode: mode, failure: failure) }
      guard mode != .reader else { return (try openForReading(path, configuration), nil) }
      let pool = try DatabasePool(path: path, configuration: configuration)
      let writer = try pool.writeWithoutTransaction { database -> StoreWriter? in
        try prepareForWriting(database, options: options)
        guard mode != .transfer else { return nil }
        guard try TransferRows.mark(on: database) == nil else { throw failure.halfMoved }
        if mode == .scheduler { try lookOver(database, failure) }
        var fence: StoreFence?
        if mode == .scheduler {
          // The first transaction under the lock.
          fence = try StoreFence(
            taking: database, holder: SchedulingLock.holder(ofStore: path)?.description ?? "",
            since: options.clock.now.nanoseconds, failure: failure)
        }
        let watch = try fence.map { try StoreWatch(failure, mark: $0.mark, lookEvery: options.lookIntoFileEvery) }
        return try StoreWriter(
          database, isAlongside: mode == .alongside, fence: fence, watch: watch, options: options, failure: failure)
      }
      return (pool, writer)
    } catch {
      throw failure.error(error)
    }
  }

  /// A database in WAL mode cannot be read from a directory where its -wal and -shm files cannot be made. If there is
  /// no log, nobody is writing (a host keeps one), and the file can be read as one that does not change.
  private static func openForReading(_ path: String, _ configuration: Configuration) throws -> DatabasePool {
    do {
      return try DatabasePool(path: path, configuration: configuration)
    } catch let error as DatabaseError where [.SQLITE_CANTOPEN, .SQLITE_READONLY].contains(error.resultCode) {
      guard size(of: path + "-wal") == 0 else { throw error }
      let escaped = path.replacing("%", with: "%25").replacing("?", with: "%3f").replacing("#", with: "%23")
      return try DatabasePool(path: "file:\(escaped)?immutable=1", configuration: configuration)
    }
  }

  private static func check(_ database: Database, mode: StoreAccess, failure: SQLiteFailure) throws {
    try database.execute(sql: "PRAGMA temp_store = MEMORY")
    switch try SQLiteSchema.identity(of: database) {
    case .foreign: throw failure.foreign
    case .empty:
      if mode == .reader { throw failure.foreign }
    case .store(let version):
      if version > SQLiteSchema.currentVersion { throw failure.newer }
      if mode == .reader, version < SQLiteSchema.currentVersion { throw failure.older }
    }
  }

  /// Up to this size a host looks its store over when it opens it: about half a second from memory. Larger ones
  /// are `doctor`'s.
  private static let lookedOver: Int64 = 256 << 20

  /// Refuses a damaged file at the start, with what SQLite found: a host that went on would find out in the middle of a
  /// night, with half of its history unreadable.
  private static func lookOver(_ database: Database, _ failure: SQLiteFailure) throws {
    guard size(of: failure.path) <= lookedOver else { return }
    let found = try String.fetchOne(database, sql: "PRAGMA quick_check(1)") ?? "ok"
    guard found == "ok" else {
      // Its first line only names the database.
      let lines = found.split(separator: "\n").filter { !$0.hasPrefix("***") }
      throw failure.error(code: SQLITE_CORRUPT, message: lines.joined(separator: "; "))
    }
  }

  private static func prepareForWriting(_ database: Database, options: Options) throws {
    // GRDB's pools set NORMAL; the promise of this store is FULL unless asked otherwise.
    try database.execute(sql: "PRAGMA synchronous = \(options.synchronous.rawValue)")
    // The log is cut back to this size when it begins anew after a burst.
    try database.execute(sql: "PRAGMA journal_size_limit = \(64 << 20)")
    // Debian's SQLite overwrites what is deleted with zeros; history is not a secret from those who can read the file.
    _ = try Int.fetchOne(database, sql: "PRAGMA secure_delete = OFF")
    // 32 MiB: the pages of 100,000 schedules and the working set of a pruning pass.
    try database.execute(sql: "PRAGMA cache_size = -32768")
    if try SQLiteSchema.identity(of: database) != .store(version: SQLiteSchema.currentVersion) {
      try SQLiteSchema.migrate(database)
    }
  }
}

extension SQLiteFailure {
  var halfMoved: StoreError {
    StoreError(
      .locked,
      "\(path): something is being moved into this store, and that is not finished: run the same `moondial migrate` again, "
        + "which goes on where it stopped, or name another store")
  }

  var older: StoreError {
    StoreError(
      .version,
      "\(path): written by an older moondial: start a host on it once, which upgrades the file, then try again")
  }
}
