internal import GRDBSQLite
internal import Glibc
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// A value for a statement, or of a row.
enum SQLiteValue: Sendable {
  case null
  case integer(Int64)
  case number(Double)
  case text([UInt8])
  case blob([UInt8])
}

/// Values for the parameters of a statement.
enum SQLiteParameters: Sendable {
  case none
  /// For `?`, in order.
  case list([SQLiteValue])
  /// For `:name`, `@name` and `$name`.
  case named([String: SQLiteValue])

  var size: Int {
    let values: [SQLiteValue] =
      switch self {
      case .none: []
      case .list(let list): list
      case .named(let named): Array(named.values)
      }
    return values.reduce(0) { sum, value in
      switch value {
      case .text(let bytes), .blob(let bytes): sum + bytes.count
      default: sum + 16
      }
    }
  }
}

/// One statement of a script on its way: it steps while there is room for rows, and goes on when there is more.
///
/// Threading: `begin` and `goOn` on the pool, in the turn of its connection; `giveUp` on any thread.
@safe final class SQLiteQuery: @unchecked Sendable {
  // @unchecked: the statement and the rows are used in the connection's turns only; the rest is constant or locked.
  enum Wanted: Sendable {
    /// All rows.
    case rows
    /// How many rows were changed, and the last id.
    case effect
  }

  private let connection: SQLiteConnection
  private let sql: [UInt8]
  private let parameters: SQLiteParameters
  private let wanted: Wanted
  private let limit: Int
  private let room: AnswerReservation
  private var statement: OpaquePointer?
  private var names: [String] = []
  private var rows: [[SQLiteValue]] = []
  private var used = 0
  private var granted = 0
  private let isGivenUp = Atomic(false)
  private let isAtWork = Atomic(false)

  /// What a row, and each of its values, takes beside its bytes.
  private static let rowOverhead = 64
  private static let valueOverhead = 40

  init(
    _ connection: SQLiteConnection, _ sql: [UInt8], _ parameters: SQLiteParameters, _ wanted: Wanted, limit: Int,
    room: AnswerReservation
  ) {
    self.connection = connection
    self.sql = sql
    self.parameters = parameters
    self.wanted = wanted
    self.limit = limit
    self.room = room
  }

  deinit { unsafe sqlite3_finalize(statement) }

  /// Nobody wants the answer.
  func giveUp() {
    isGivenUp.store(true, ordering: .sequentiallyConsistent)
    if isAtWork.load(ordering: .sequentiallyConsistent) { connection.interrupt() }
  }

  func begin(_ request: HeldRequest) {
    guard !isGivenUp.load(ordering: .sequentiallyConsistent) else { return }
    do throws(SQLiteConnection.Failure) {
      try prepare()
      try bind()
    } catch { return fail(request, error) }
    goOn(request)
  }

  private func goOn(_ request: HeldRequest) {
    isAtWork.store(true, ordering: .sequentiallyConsistent)
    defer { isAtWork.store(false, ordering: .sequentiallyConsistent) }
    while !isGivenUp.load(ordering: .sequentiallyConsistent) {
      // Safe: the statement is this query's, and in its connection's turn.
      switch unsafe sqlite3_step(statement) {
      case SQLITE_ROW:
        if wanted == .effect { continue }
        let row = takeRow()
        used += row.size
        rows.append(row.values)
        guard used <= limit else {
          return fail(
            request,
            .init(kind: "too_large", message: "the rows take more than \(limit) bytes: ask for fewer, or with LIMIT"))
        }
        if used > granted, !askForMore(request) { return }
      case SQLITE_DONE: return answer(request)
      case let code: return fail(request, unsafe SQLiteConnection.failure(connection.handle, code))
      }
    }
    finish()
  }

  /// False: it goes on later, in another turn.
  private func askForMore(_ request: HeldRequest) -> Bool {
    let wish = max(used - granted, min(limit, max(64 << 10, granted)))
    let verdict = room.ask(wish, wake: request.wake) { [self] in
      let isTaken = connection.run { [self] _ in
        granted += wish
        goOn(request)
      }
      if !isTaken { fail(request, .init(kind: "stopped", message: "the host is stopping")) }
    }
    guard verdict == .granted else { return false }
    granted += wish
    return true
  }

  // MARK: Statement

  private func prepare() throws(SQLiteConnection.Failure) {
    var made: OpaquePointer?
    var rest = 0
    // Safe: the text outlives the call, and its length is given; the tail points into it.
    let code = unsafe sql.withUnsafeBytes { bytes in
      let start = unsafe bytes.baseAddress?.assumingMemoryBound(to: CChar.self)
      var tail: UnsafePointer<CChar>?
      let code = unsafe sqlite3_prepare_v2(connection.handle, start, Int32(clamping: bytes.count), &made, &tail)
      if let start = unsafe start, let tail = unsafe tail { unsafe rest = bytes.count - start.distance(to: tail) }
      return code
    }
    guard code == SQLITE_OK else { throw unsafe SQLiteConnection.failure(connection.handle, code) }
    unsafe statement = made
    guard unsafe made != nil else { throw .init(kind: "sql", message: "there is no statement in it") }
    let isBlank = sql.suffix(rest).allSatisfy { $0 == 0x20 || (0x09...0x0d).contains($0) || $0 == UInt8(ascii: ";") }
    guard isBlank else {
      throw .init(kind: "sql", message: "there is more than one statement in it: give them one by one")
    }
    for index in 0..<(unsafe sqlite3_column_count(made)) {
      names.append(unsafe sqlite3_column_name(made, index).map { unsafe String(cString: $0) } ?? "")
    }
  }

  private func bind() throws(SQLiteConnection.Failure) {
    let count = unsafe Int(sqlite3_bind_parameter_count(statement))
    switch parameters {
    case .none:
      guard count == 0 else { throw mismatch(count, 0) }
    case .list(let values):
      guard values.count == count else { throw mismatch(count, values.count) }
      for (index, value) in values.enumerated() { try bind(Int32(index + 1), value) }
    case .named(let values):
      var rest = Set(values.keys)
      for index in 0..<count {
        guard let name = unsafe sqlite3_bind_parameter_name(statement, Int32(index + 1)) else {
          throw .init(kind: "type", message: "the statement has ? in it, and the parameters have names")
        }
        let text = unsafe String(String(cString: name).dropFirst())
        // A value of nil is none in a table, so what is left out is NULL.
        try bind(Int32(index + 1), values[text] ?? .null)
        rest.remove(text)
      }
      if let unknown = rest.sorted().first {
        throw .init(kind: "type", message: "there is no parameter :\(unknown) in the statement")
      }
    }
  }

  private func mismatch(_ count: Int, _ given: Int) -> SQLiteConnection.Failure {
    .init(kind: "type", message: "the statement has \(count) parameters, and \(given) values were given")
  }

  private func bind(_ index: Int32, _ value: SQLiteValue) throws(SQLiteConnection.Failure) {
    // Safe: SQLite copies texts and bytes before the calls return (SQLITE_TRANSIENT, which is the address −1).
    let transient = unsafe unsafeBitCast(-1, to: sqlite3_destructor_type.self)
    let code: Int32
    switch value {
    case .null: code = unsafe sqlite3_bind_null(statement, index)
    case .integer(let number): code = unsafe sqlite3_bind_int64(statement, index, number)
    case .number(let number): code = unsafe sqlite3_bind_double(statement, index, number)
    case .text(let bytes):
      code = unsafe (bytes + [0]).withUnsafeBytes {
        unsafe sqlite3_bind_text(
          statement, index, $0.baseAddress!.assumingMemoryBound(to: CChar.self), Int32(clamping: bytes.count), transient
        )
      }
    case .blob(let bytes):
      code = unsafe (bytes + [0]).withUnsafeBytes {
        unsafe sqlite3_bind_blob(
          statement, index, $0.baseAddress!, Int32(clamping: bytes.count), transient)
      }
    }
    guard code == SQLITE_OK else { throw unsafe SQLiteConnection.failure(connection.handle, code) }
  }

  private func takeRow() -> (values: [SQLiteValue], size: Int) {
    var values: [SQLiteValue] = []
    var size = Self.rowOverhead
    for index in 0..<Int32(names.count) {
      // Safe: there is a row; texts and bytes are copied before the next step.
      switch unsafe sqlite3_column_type(statement, index) {
      case SQLITE_INTEGER: values.append(.integer(unsafe sqlite3_column_int64(statement, index)))
      case SQLITE_FLOAT: values.append(.number(unsafe sqlite3_column_double(statement, index)))
      case SQLITE_NULL: values.append(.null)
      default:
        let bytes = unsafe sqlite3_column_blob(statement, index)
        let count = unsafe Int(sqlite3_column_bytes(statement, index))
        values.append(.blob(unsafe Array(UnsafeRawBufferPointer(start: bytes, count: count))))
        size += count
      }
      size += Self.valueOverhead
    }
    return (values, size)
  }

  // MARK: The end

  private func finish() {
    unsafe sqlite3_finalize(statement)
    unsafe statement = nil
  }

  private func fail(_ request: HeldRequest, _ failure: SQLiteConnection.Failure) {
    finish()
    rows = []
    request.complete(building: room.handingOver { SQLiteModule.push(failure, &$0) })
  }

  private func answer(_ request: HeldRequest) {
    let (changes, lastID) = (connection.changes, connection.lastID)
    finish()
    switch wanted {
    case .effect:
      request.complete(
        building: room.handingOver { call in
          call.push(changes)
          call.push(lastID)
          call.pushRecord(["changes", "last_id"])
          return .results(1)
        })
    case .rows:
      let (names, rows) = (names, rows)
      self.rows = []
      request.complete(
        building: room.handingOver { call in
          let list = rows.map { row in
            LuaValue.table(LuaTable(fields: zip(names, row).compactMap { name, value in value.lua.map { (name, $0) } }))
          }
          call.push(.table(LuaTable(array: list)))
          return .results(1)
        })
    }
  }
}
