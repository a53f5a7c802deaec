internal import Basics
internal import FileWatching
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// `sqlite`: databases in files below the granted roots. Statements are done on the blocking pool, one after the other
/// for one database; what is open is closed with the run, and an open transaction rolled back.
enum SQLiteModule {
  static let functions = ["open"]
  /// Databases that a run may have open.
  static let most = 20
  /// Nanoseconds that a statement waits for others who write, unless `busy_timeout` says otherwise.
  static let patience: Int64 = 5_000_000_000

  static func module() -> LuaModule {
    LuaModule.lazy("sqlite", functions, natives: [open, statement, close], source: LuaModule.guarding + source)
  }

  // Databases are tables with methods, and a transaction calls a function: both are Lua's.
  private static let source = """
    local natives = ...
    local open, statement, close = natives.__open, natives.__statement, natives.__close
    local setmetatable, error, pcall, type = setmetatable, error, pcall, type
    local function finish(result, err)
      if err then return nil, setmetatable(err, problem) end
      return result
    end
    local methods = {}
    local database = { __index = methods, __close = function(self) self:close() end, __name = "database" }
    local function number(self, name)
      local number = type(self) == "table" and self.number
      if type(number) ~= "number" then error("db:" .. name .. ": call it with a colon, on what sqlite.open answered", 3) end
      return number
    end
    local module = {}
    function module.open(path, options)
      local number, err = open(path, options)
      if not number then return nil, setmetatable(err, problem) end
      return setmetatable({ number = number }, database)
    end
    function methods.query(self, sql, values, options)
      return finish(statement(number(self, "query"), "query", sql, values, options))
    end
    function methods.run(self, sql, values)
      return finish(statement(number(self, "run"), "run", sql, values))
    end
    function methods.first(self, sql, values)
      local rows, err = finish(statement(number(self, "first"), "first", sql, values))
      if not rows then return nil, err end
      return rows[1]
    end
    function methods.transaction(self, body)
      local n = number(self, "transaction")
      if type(body) ~= "function" then error("db:transaction: expected a function as argument 1, got " .. type(body), 2) end
      local ok, err = finish(statement(n, "transaction", "BEGIN IMMEDIATE"))
      if not ok then return nil, err end
      local fine, value, why = pcall(body, self)
      if fine and not (value == nil and why ~= nil) then
        ok, err = finish(statement(n, "transaction", "COMMIT"))
        if ok then return value == nil and true or value end
        statement(n, "transaction", "ROLLBACK")
        return nil, err
      end
      statement(n, "transaction", "ROLLBACK")
      if not fine then error(value, 0) end
      return nil, why
    end
    function methods.close(self)
      if self.number then close(self.number) end
      self.number = 0
    end
    return module
    """

  private static let open = LuaFunction.host("__open", as: "sqlite.open", in: .run) { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let options = try arguments.options(call, 2, ["read_only", "create", "busy_timeout"])
    let isReadOnly = try options.bool("read_only") ?? false
    let creating = try options.bool("create") ?? true
    let busy = try options.duration("busy_timeout") ?? patience
    let place = try ScriptLocation(call, 1, "the path of a database", writing: !isReadOnly, run, arguments)
    let databases = SQLiteDatabases.of(run)
    let pool = run.services.blockingPool
    return call.suspend(
      CallRequest { request in
        let isTaken = pool.run {
          guard request.isOpen else { return }
          let opened: Result<SQLiteConnection, SQLiteConnection.Failure>
          switch place.find(.followed) {
          case .failure(.leadsOut(let message)):
            request.complete(raising: "\(arguments.function): \(message)")
            return
          case .failure(.failed(let message)): opened = .failure(.init(kind: "file", message: message))
          case .success(let found):
            opened = SQLiteConnection.open(found, readOnly: isReadOnly, creating: creating, busy: busy, pool: pool)
              .mapError { .init(kind: $0.kind, message: "\(place.written): \($0.message)") }
          }
          switch opened {
          case .failure(let failure): request.complete(building: { push(failure, &$0) })
          case .success(let connection):
            if let number = databases.add(connection) {
              request.complete([.integer(Int64(number))])
            } else {
              let failure = SQLiteConnection.Failure(kind: "file", message: "a run has \(most) databases open at most")
              request.complete(building: { push(failure, &$0) })
            }
          }
        }
        if !isTaken {
          let failure = SQLiteConnection.Failure(kind: "stopped", message: pool.refusal)
          request.complete(building: { push(failure, &$0) })
        }
      })
  }

  /// `(number, method, sql, values, options)`.
  private static let statement = LuaFunction.host("__statement", as: "sqlite", in: .run) { call, _ throws(Misuse) in
    let method = call.string(2) ?? "query"
    let arguments = Arguments(function: "db:\(method)")
    let run = try arguments.run(call)
    guard let number = call.integer(1), let connection = SQLiteDatabases.of(run).connection(Int(clamping: number))
    else {
      throw arguments.misuse("the database is closed, or was opened by another run")
    }
    guard let sql = unsafe call.withBytes(3, { unsafe Array($0) }) else {
      throw arguments.misuse("expected SQL (a string) as argument 1, got \(arguments.name(call, 3))")
    }
    guard !sql.contains(0) else { throw arguments.misuse("the SQL has a zero byte in it") }
    let parameters = try parameters(call, 4, run, arguments)
    if method == "query", call.type(5) != .table, !call.isNil(5) {
      throw arguments.misuse("expected a table of options as argument 3, got \(arguments.name(call, 5))")
    }
    let options = try arguments.options(call, 5, ["max"])
    let limit = try options.size("max", of: run, standard: 16 << 20)
    let room = try arguments.hold(sql.count + parameters.size, for: call)
    let query = SQLiteQuery(
      connection, sql, parameters, ["run", "transaction"].contains(method) ? .effect : .rows, limit: limit, room: room)
    return call.suspend(
      HeldRequest(
        begin: { request in
          if !connection.run({ _ in query.begin(request) }) {
            request.complete(building: { push(.init(kind: "stopped", message: "the host is stopping"), &$0) })
          }
        }, release: { query.giveUp() }))
  }

  private static func parameters(
    _ call: borrowing LuaCall, _ index: Int, _ run: RunContext, _ arguments: Arguments
  ) throws(Misuse) -> SQLiteParameters {
    if call.isNil(index) { return .none }
    guard call.type(index) == .table,
      case .table(let table) = try arguments.value(call, index, limit: run.answers.largestAnswer)
    else {
      throw arguments.misuse("expected a list or a table of values as argument 2, got \(arguments.name(call, index))")
    }
    guard table.others.isEmpty, table.array.isEmpty || table.fields.isEmpty else {
      throw arguments.misuse(
        "values are a list for ?, or a table of names; nil in a list ends it: write json.null for NULL")
    }
    if table.fields.isEmpty {
      var list: [SQLiteValue] = []
      for (place, value) in table.array.enumerated() { list.append(try self.value(value, "\(place + 1)", arguments)) }
      return .list(list)
    }
    var named: [String: SQLiteValue] = [:]
    for (name, value) in table.fields { named[name] = try self.value(value, name, arguments) }
    return .named(named)
  }

  private static func value(_ value: LuaValue, _ name: String, _ arguments: Arguments) throws(Misuse) -> SQLiteValue {
    if let known = SQLiteValue(value) { return known }
    throw arguments.misuse(
      "value \(name) is \(value.typeName): expected a string, number, boolean, json.null, or { blob = bytes }")
  }

  private static let close = LuaFunction.host("__close", as: "db:close", in: .run) { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    if let number = call.integer(1) { SQLiteDatabases.of(run).close(Int(clamping: number)) }
    return .none
  }

  /// `nil, err`.
  static func push(_ failure: SQLiteConnection.Failure, _ call: inout LuaCall) -> LuaReturn {
    call.pushNil()
    call.push(
      .table(
        LuaTable(fields: [
          ("kind", .string(LuaString(failure.kind))), ("message", .string(LuaString("sqlite: \(failure.message)"))),
        ])))
    return .results(2)
  }
}

/// The databases that a run has open. Gone with it: they are closed on the pool, since a rollback writes.
///
/// Threading: any thread.
final class SQLiteDatabases: Sendable {
  private let open = Mutex<[Int: SQLiteConnection]>([:])
  /// Numbers are not used again in a process, so that no run reaches what another one has opened.
  private static let next = Atomic(1)
  private let pool: BlockingPool

  init(pool: BlockingPool) { self.pool = pool }

  deinit {
    let left = open.withLock { Array($0.values) }
    // With the last reference, which the job has unless a statement is still at work.
    if !left.isEmpty { pool.run { _ = left.count } }
  }

  static func of(_ run: RunContext) -> SQLiteDatabases {
    run.kept("sqlite") { SQLiteDatabases(pool: run.services.blockingPool) }
  }

  /// Nil when the run has too many.
  func add(_ connection: SQLiteConnection) -> Int? {
    let number = Self.next.add(1, ordering: .relaxed).oldValue
    return open.withLock { open in
      guard open.count < SQLiteModule.most else { return nil }
      open[number] = connection
      return number
    }
  }

  func connection(_ number: Int) -> SQLiteConnection? { open.withLock { $0[number] } }

  func close(_ number: Int) {
    guard let connection = open.withLock({ $0.removeValue(forKey: number) }) else { return }
    _ = connection.run { _ in }
  }
}
