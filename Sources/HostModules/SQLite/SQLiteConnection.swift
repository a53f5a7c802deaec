internal import Basics
internal import FileWatching
internal import GRDBSQLite
internal import Glibc
internal import JobModel
internal import Lua
internal import Synchronization

/// A database that a script has open. Its statements run one after the other on the blocking pool.
///
/// A script's SQL can do what it wants to this one file and nothing to others: no database can be attached (`VACUUM
/// INTO` included), nothing loaded, and what would change the memory that SQLite takes or the files that it uses is
/// refused.
///
/// Threading: `run` and `interrupt` from any thread; the rest on the pool, one at a time.
@safe final class SQLiteConnection: @unchecked Sendable {
  // @unchecked: `handle` never changes, SQLite was opened in serialized mode, and jobs take turns.

  /// Why a statement has failed.
  struct Failure: Error, Sendable {
    var kind: String
    var message: String
  }

  private struct Line: Sendable {
    var isBusy = false
    var jobs: [@Sendable (SQLiteConnection) -> Void] = []
  }

  let handle: OpaquePointer
  private let line = Mutex(Line())
  private let pool: BlockingPool

  private init(_ handle: OpaquePointer, _ pool: BlockingPool) {
    unsafe self.handle = handle
    self.pool = pool
  }

  deinit {
    // Rolls back what is open. Safe: nobody else has it any more; statements that are left go with it.
    unsafe _ = sqlite3_close_v2(handle)
  }

  /// Opens a file by its place, so that a directory that is swapped meanwhile changes nothing. Blocking.
  static func open(
    _ place: FileLocation, readOnly: Bool, creating: Bool, busy: Int64, pool: BlockingPool
  ) -> Result<SQLiteConnection, Failure> {
    let path = Array("/proc/self/fd/\(place.directory.descriptor)/".utf8) + place.name
    let flags =
      (readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | (creating ? SQLITE_OPEN_CREATE : 0))
      | SQLITE_OPEN_FULLMUTEX | SQLITE_OPEN_PRIVATECACHE
    var opened: OpaquePointer?
    // Safe: the path is terminated; a handle is answered even with an error, and closed then.
    let code = unsafe path.withTerminated { unsafe sqlite3_open_v2($0, &opened, flags, nil) }
    guard code == SQLITE_OK, let handle = unsafe opened else {
      defer { unsafe _ = sqlite3_close_v2(opened) }
      return .failure(unsafe failure(opened, code))
    }
    let connection = unsafe SQLiteConnection(handle, pool)
    // Safe: a handle that is open.
    unsafe sqlite3_extended_result_codes(handle, 1)
    unsafe sqlite3_busy_timeout(handle, Int32(clamping: busy / 1_000_000))
    unsafe sqlite3_limit(handle, SQLITE_LIMIT_ATTACHED, 0)
    unsafe sqlite3_limit(handle, SQLITE_LIMIT_WORKER_THREADS, 0)
    unsafe sqlite3_set_authorizer(handle, authorize, nil)
    if case .failure(let problem) = connection.execute("PRAGMA trusted_schema = OFF; PRAGMA foreign_keys = ON") {
      return .failure(problem)
    }
    return .success(connection)
  }

  /// Does a job on the pool after those before it. False when the host is stopping.
  func run(_ job: @escaping @Sendable (SQLiteConnection) -> Void) -> Bool {
    let begins = line.withLock { line in
      line.jobs.append(job)
      defer { line.isBusy = true }
      return !line.isBusy
    }
    guard begins else { return true }
    if pool.run({ [self] in serve() }) { return true }
    line.withLock { $0 = Line() }
    return false
  }

  private func serve() {
    while let job = line.withLock({ line -> (@Sendable (SQLiteConnection) -> Void)? in
      if line.jobs.isEmpty { line.isBusy = false }
      return line.jobs.isEmpty ? nil : line.jobs.removeFirst()
    }) { job(self) }
  }

  /// Ends the statement that runs now, if there is one.
  func interrupt() {
    // Safe: from any thread, while the handle is open.
    unsafe sqlite3_interrupt(handle)
  }

  /// Statements without rows.
  func execute(_ sql: String) -> Result<Void, Failure> {
    // Safe: the handle is open; the text is a terminated copy.
    let code = unsafe sqlite3_exec(handle, sql, nil, nil, nil)
    return code == SQLITE_OK ? .success(()) : .failure(unsafe Self.failure(handle, code))
  }

  /// Whether a transaction is open.
  var isInTransaction: Bool { unsafe sqlite3_get_autocommit(handle) == 0 }
  var changes: Int64 { unsafe sqlite3_changes64(handle) }
  var lastID: Int64 { unsafe sqlite3_last_insert_rowid(handle) }

  static func failure(_ handle: OpaquePointer?, _ code: Int32) -> Failure {
    // Safe: a terminated text of SQLite's, valid until the next call.
    let message = unsafe String(cString: handle == nil ? sqlite3_errstr(code) : sqlite3_errmsg(handle))
    let kind =
      switch code & 0xff {
      case SQLITE_BUSY, SQLITE_LOCKED: "busy"
      case SQLITE_CONSTRAINT: "constraint"
      case SQLITE_READONLY: "read_only"
      case SQLITE_FULL: "full"
      case SQLITE_CORRUPT, SQLITE_NOTADB: "corrupt"
      case SQLITE_INTERRUPT: "interrupted"
      case SQLITE_AUTH: "denied"
      case SQLITE_CANTOPEN, SQLITE_IOERR, SQLITE_PERM: "file"
      case SQLITE_TOOBIG, SQLITE_NOMEM: "too_large"
      case SQLITE_MISMATCH, SQLITE_RANGE: "type"
      default: "sql"
      }
    return Failure(kind: kind, message: message)
  }
}

/// What SQL may do: everything to its own database, but for what reaches beyond it.
private func authorize(
  _ context: UnsafeMutableRawPointer?, _ action: Int32, _ first: UnsafePointer<CChar>?, _ second: UnsafePointer<CChar>?,
  _ database: UnsafePointer<CChar>?, _ trigger: UnsafePointer<CChar>?
) -> Int32 {
  switch action {
  case SQLITE_ATTACH, SQLITE_DETACH: return SQLITE_DENY
  case SQLITE_FUNCTION:
    // Safe: a terminated text for the time of the call.
    guard let second = unsafe second else { return SQLITE_DENY }
    return ["load_extension", "readfile", "writefile", "edit"].contains(unsafe String(cString: second).lowercased())
      ? SQLITE_DENY : SQLITE_OK
  case SQLITE_PRAGMA:
    guard let first = unsafe first else { return SQLITE_DENY }
    let allowed = [
      "application_id", "auto_vacuum", "collation_list", "compile_options", "data_version", "database_list",
      "defer_foreign_keys",
      "encoding", "foreign_key_check", "foreign_key_list", "foreign_keys", "freelist_count", "function_list",
      "incremental_vacuum", "index_info", "index_list", "index_xinfo", "integrity_check", "journal_mode", "module_list",
      "optimize", "page_count", "page_size", "pragma_list", "quick_check", "recursive_triggers", "secure_delete",
      "synchronous", "table_info", "table_list", "table_xinfo", "trusted_schema", "user_version", "wal_autocheckpoint",
      "wal_checkpoint", "query_only",
    ]
    return allowed.contains(unsafe String(cString: first).lowercased()) ? SQLITE_OK : SQLITE_DENY
  default: return SQLITE_OK
  }
}
