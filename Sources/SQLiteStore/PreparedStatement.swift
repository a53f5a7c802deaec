internal import GRDB
internal import GRDBSQLite
internal import Glibc
internal import JobModel

/// One prepared statement, bound by index and stepped without intermediate values.
///
/// GRDB owns the connection, its configuration and the statement; binding goes straight to SQLite, because a value per
/// column, an array per row and a dictionary per query cost more than the B-tree work that they describe (a claimed and
/// finished run is four statements and some twenty columns). A value stays bound until it is bound again.
///
/// Threading: only where its connection may be used, that is inside GRDB's `read` or `write` closures of that
/// connection.
@safe final class PreparedStatement {
  private let statement: Statement
  private let handle: OpaquePointer
  private let failure: SQLiteFailure

  /// - Parameter failure: makes errors of this connection.
  init(_ sql: String, on database: Database, failure: SQLiteFailure) throws(StoreError) {
    self.failure = failure
    do {
      statement = try database.makeStatement(sql: sql)
    } catch {
      throw failure.error(error)
    }
    // Safe: `statement` keeps it alive for as long as this object lives.
    unsafe handle = statement.sqliteStatement
  }

  // MARK: Binding

  func bind(_ index: Int32, _ value: Int64) { unsafe sqlite3_bind_int64(handle, index, value) }
  func bind(_ index: Int32, _ value: Int) { bind(index, Int64(value)) }
  func bind(_ index: Int32, _ value: Int32) { bind(index, Int64(value)) }
  func bind(_ index: Int32, _ value: Bool) { bind(index, value ? 1 : 0 as Int64) }
  func bindNull(_ index: Int32) { unsafe sqlite3_bind_null(handle, index) }

  func bind(_ index: Int32, _ value: Int64?) {
    if let value { bind(index, value) } else { bindNull(index) }
  }

  func bind(_ index: Int32, _ value: String) {
    var value = value
    value.withUTF8 { bytes in
      // Safe: SQLite copies the bytes before this returns (SQLITE_TRANSIENT, which is the address −1). An empty string
      // has no address, and a null one would bind NULL, so it gets one.
      let transient = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
      if let start = bytes.baseAddress {
        unsafe sqlite3_bind_text(
          handle, index, UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self), Int32(bytes.count), transient)
      } else {
        unsafe sqlite3_bind_text(handle, index, "", 0, transient)
      }
    }
  }

  func bind(_ index: Int32, _ value: String?) {
    if let value { bind(index, value) } else { bindNull(index) }
  }

  // MARK: Running

  /// Runs a statement that answers no rows.
  func run() throws(StoreError) {
    let code = unsafe sqlite3_step(handle)
    if code != SQLITE_DONE && code != SQLITE_ROW { throw stepFailed(code) }
    unsafe sqlite3_reset(handle)
  }

  /// Rows that the last `run` of this connection changed.
  var changes: Int { unsafe Int(sqlite3_changes(sqlite3_db_handle(handle))) }

  /// Calls `row` for each row until it answers false. Columns are read inside.
  func forEachRow(_ row: (PreparedStatement) throws(StoreError) -> Bool) throws(StoreError) {
    while true {
      let code = unsafe sqlite3_step(handle)
      guard code == SQLITE_ROW else {
        guard code == SQLITE_DONE else { throw stepFailed(code) }
        break
      }
      let goesOn: Bool
      do {
        goesOn = try row(self)
      } catch {
        unsafe sqlite3_reset(handle)
        throw error
      }
      if !goesOn { break }
    }
    unsafe sqlite3_reset(handle)
  }

  /// What `read` makes of the first row; nil when there is none.
  func first<Result>(_ read: (PreparedStatement) -> Result) throws(StoreError) -> Result? {
    var result: Result?
    try forEachRow { row throws(StoreError) in
      result = read(row)
      return false
    }
    return result
  }

  /// What `read` makes of each row.
  func all<Result>(_ read: (PreparedStatement) throws(StoreError) -> Result) throws(StoreError) -> [Result] {
    var results: [Result] = []
    try forEachRow { row throws(StoreError) in
      results.append(try read(row))
      return true
    }
    return results
  }

  private func stepFailed(_ code: Int32) -> StoreError {
    // First of all, before another call changes it. SQLite keeps it only for errors that it sees when opening files.
    let systemError = errno
    // Safe: the handle is alive; the message is copied before anything else uses the connection.
    let connection = unsafe sqlite3_db_handle(handle)
    let message = unsafe sqlite3_errmsg(connection).map { unsafe String(cString: $0) } ?? ""
    unsafe sqlite3_reset(handle)
    return failure.error(code: code, message: message, systemError: systemError)
  }

  // MARK: Columns of the current row

  func isNull(_ column: Int32) -> Bool { unsafe sqlite3_column_type(handle, column) == SQLITE_NULL }
  func integer(_ column: Int32) -> Int64 { unsafe sqlite3_column_int64(handle, column) }
  func optionalInteger(_ column: Int32) -> Int64? { isNull(column) ? nil : integer(column) }

  /// A number of things, 0...2⁵³. Another program may have written any number into the row, and what is added to this
  /// one must not overflow.
  func count(_ column: Int32) -> Int { Int(min(max(0, integer(column)), 1 << 53)) }

  /// A number of attempts, or of clock epochs: 0...10⁹.
  func smallCount(_ column: Int32) -> Int32 { Int32(min(max(0, integer(column)), 1_000_000_000)) }

  /// A span of time in nanoseconds: 0...146 years.
  func span(_ column: Int32) -> Int64 { min(max(0, integer(column)), 1 << 62) }

  /// Bytes of a text.
  func size(_ column: Int32) -> Int {
    // Safe: the handle is alive; asked for as text first, so that the size is that of the text.
    guard unsafe sqlite3_column_text(handle, column) != nil else { return 0 }
    return unsafe Int(sqlite3_column_bytes(handle, column))
  }

  func text(_ column: Int32) -> String {
    // Safe: the bytes belong to the statement until the next step; they are copied here. Text of another program that
    // is not UTF-8 is repaired rather than refused: a history should stay readable.
    guard let start = unsafe sqlite3_column_text(handle, column) else { return "" }
    let count = unsafe Int(sqlite3_column_bytes(handle, column))
    return unsafe String(decoding: UnsafeBufferPointer(start: start, count: count), as: UTF8.self)
  }

  func optionalText(_ column: Int32) -> String? { isNull(column) ? nil : text(column) }
}
