internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `ctx:transaction` and `ctx.outbox`: values, events, runs and schedules that are committed together.
///
/// The function of a transaction fills a ``TransactionDraft`` and does not wait; after it the draft is evaluated and
/// committed, again as long as others change what it read. The outbox is a draft of the attempt.
enum TransactionModule {
  static let natives: [LuaFunction] = [
    open, quiet, set, delete, update, emit, run, schedule, unschedule, rewind, advance, put, land, close, look, write,
  ]

  /// Goes on from the source of `StepModule`, whose locals it uses.
  static let source = """
    local quiet, set, delete, update = natives.__tx_quiet, natives.__tx_set, natives.__tx_delete, natives.__tx_update
    local rewind, advance, put, land = natives.__tx_rewind, natives.__tx_advance, natives.__tx_put, natives.__tx_land
    local loud = setmetatable({}, { __close = function() quiet(false) end })
    local function draft(outbox, kvupdate)
      local function made(name)
        local native = natives["__tx_" .. name]
        return function(...) return native(outbox, ...) end
      end
      return {
        kv = { set = made("set"), delete = made("delete"), update = kvupdate },
        emit = made("emit"), run = made("run"), schedule = made("schedule"), unschedule = made("unschedule"),
      }
    end
    local function quietly(body, ...)
      local _ <close> = loud
      quiet(true)
      return body(...)
    end
    local function settle(updates, value)
      rewind()
      while true do
        local number, current = advance()
        if not number then break end
        put((quietly(updates[number], current)))
      end
      return land(value)
    end
    module.transaction = function(ctx, body)
      local isDone, stored = natives.__tx_open(ctx, body)
      if isDone then return stored end
      local _ <close> = left
      local updates = {}
      local value, reason = quietly(body, draft(false, function(...)
        updates[update(false, ...)] = (select(2, ...))
      end))
      natives.__tx_close()
      if value == nil and reason ~= nil then return nil, reason end
      for _ = 1, 50 do
        local landed, result = settle(updates, value)
        if landed then return result end
        if landed == nil then return nil, result end
      end
      error("ctx:transaction: others have changed its values 50 times in a row: do it from fewer runs at once", 2)
    end
    module.outbox = draft(true, function(...)
      local key, change, options = ...
      local new = change(natives.__tx_look(...))
      natives.__tx_write(key, new, options)
      return new
    end)
    """

  private static func arguments(_ outbox: Bool, _ function: String) -> Arguments {
    Arguments(function: (outbox ? "ctx.outbox." : "tx.") + function)
  }

  // MARK: The function

  /// `(ctx, body)`: whether the transaction was committed before, and its result.
  private static let open = LuaFunction.host("__tx_open", as: "ctx:transaction") { call, arguments throws(Misuse) in
    try ContextModule.checkColon(call, "transaction")
    guard call.type(2) == .function else {
      throw arguments.misuse("expected a function as argument 2, got \(arguments.name(call, 2))")
    }
    let run = try arguments.run(call)
    switch try StepModule.journal(&call, arguments, run) {
    case .wait(let suspension): return suspension
    case .ready(let journal):
      switch journal.begin(.transaction, "") {
      case .misuse(let message): throw arguments.misuse(message)
      case .new, .parked:
        journal.began = run.services.wall.now
        journal.draft = TransactionDraft()
        call.push(false)
        return .results(1)
      case .done(let step):
        call.push(true)
        if let result = step.result { call.push(json: result.text) } else { call.pushNil() }
        return .results(2)
      }
    }
  }

  /// `(isQuiet)`: whether what waits is an error.
  private static let quiet = LuaFunction("__tx_quiet") { call in
    call.refusesToWait(call.bool(1) ?? false)
    return .none
  }

  private static let close = LuaFunction.host("__tx_close", as: "ctx:transaction") { call, arguments throws(Misuse) in
    try arguments.run(call).journal.draft?.isOpen = false
    return .none
  }

  // MARK: What it asks for; the first argument says whether it is for the outbox

  /// The draft that a call is for, if it has room for so many bytes more.
  static func draft(
    _ outbox: Bool, _ call: borrowing LuaCall, _ arguments: Arguments, adding bytes: Int
  ) throws(Misuse) -> TransactionDraft {
    let run = try arguments.run(call)
    let journal = run.journal
    guard !journal.isInHook else {
      throw arguments.misuse("works in run, not in the functions that are called after it")
    }
    guard !outbox || run.definition.watch == nil else {
      throw arguments.misuse(
        "a run of a job that watches files has no outbox, since its files are marked in another commit: use ctx:transaction"
      )
    }
    guard let draft = outbox ? run.outbox : journal.draft else {
      throw arguments.misuse("works in the function of ctx:transaction")
    }
    if let refusal = draft.refusal(adding: bytes) { throw arguments.misuse(refusal) }
    guard call.claim(bytes) else { throw arguments.misuse("no memory for \(bytes) bytes") }
    return draft
  }

  static func access(_ call: borrowing LuaCall, _ arguments: Arguments) throws(Misuse) -> KeyValueModule.Access {
    let run = try arguments.run(call)
    if let store = run.current.context?.store, store != run.definition.store {
      throw arguments.misuse(
        "the values of this script are in the store \"\(run.definition.store)\" now, and this run is in \"\(store)\": "
          + "they cannot be committed together")
    }
    return try KeyValueModule.Access(call, arguments)
  }

  private static let set = LuaFunction.host("__tx_set", as: "tx.kv.set") { call, _ throws(Misuse) in
    let outbox = call.bool(1) ?? false
    let arguments = arguments(outbox, "kv.set")
    let access = try access(call, arguments)
    let change = try access.change(call, key: try KeyValueModule.key(call, arguments, 2), value: 3, options: 4)
    add(change, to: try draft(outbox, call, arguments, adding: change.bytes), outbox)
    return .none
  }

  private static let delete = LuaFunction.host("__tx_delete", as: "tx.kv.delete") { call, _ throws(Misuse) in
    let outbox = call.bool(1) ?? false
    let arguments = arguments(outbox, "kv.delete")
    let access = try access(call, arguments)
    let key = try KeyValueModule.key(call, arguments, 2)
    let draft = try draft(outbox, call, arguments, adding: key.utf8.count)
    add(KeyValueChange(space: access.space, key: key, value: nil), to: draft, outbox)
    return .none
  }

  private static func add(_ change: KeyValueChange, to draft: TransactionDraft, _ outbox: Bool) {
    if outbox { draft.land(change) } else { draft.add(change) }
  }

  /// `(false, key, change, options)`: the number of the update.
  private static let update = LuaFunction.host("__tx_update", as: "tx.kv.update") { call, arguments throws(Misuse) in
    let change = try unevaluated(call, arguments)
    call.push(try draft(false, call, arguments, adding: change.key.utf8.count).add(update: change))
    return .results(1)
  }

  /// A change of `(_, key, change, options)` without its value.
  private static func unevaluated(
    _ call: borrowing LuaCall, _ arguments: Arguments
  ) throws(Misuse) -> KeyValueChange {
    let access = try access(call, arguments)
    let key = try KeyValueModule.key(call, arguments, 2)
    guard call.type(3) == .function else {
      throw arguments.misuse("expected a function as argument 2, got \(arguments.name(call, 3))")
    }
    return try access.change(key: key, value: nil, call, options: 4)
  }

  private static let emit = LuaFunction.host("__tx_emit", as: "tx.emit") { call, _ throws(Misuse) in
    let outbox = call.bool(1) ?? false
    let arguments = arguments(outbox, "emit")
    let services = try arguments.run(call).services
    let name = try EventModule.toldName(call, arguments, 2)
    let data = try arguments.toldJSON(
      call, 3, "the data", limit: services.quotas().eventBytes, setting: "event_bytes")
    try add(.emit(name, data: data), outbox, call, arguments)
    return .none
  }

  private static let run = LuaFunction.host("__tx_run", as: "tx.run") { call, _ throws(Misuse) in
    let outbox = call.bool(1) ?? false
    let arguments = arguments(outbox, "run")
    let (job, params) = try JobsModule.runRequest(call, arguments, from: 2)
    try add(.run(job, params: params), outbox, call, arguments)
    return .none
  }

  private static let schedule = LuaFunction.host("__tx_schedule", as: "tx.schedule") { call, _ throws(Misuse) in
    let outbox = call.bool(1) ?? false
    let arguments = arguments(outbox, "schedule")
    try add(.schedule(try ScheduleDecoder.request(call, arguments, from: 2)), outbox, call, arguments)
    return .none
  }

  private static let unschedule = LuaFunction.host("__tx_unschedule", as: "tx.unschedule") { call, _ throws(Misuse) in
    let outbox = call.bool(1) ?? false
    let arguments = arguments(outbox, "unschedule")
    try add(.unschedule(try arguments.string(call, 2, "a schedule's id")), outbox, call, arguments)
    return .none
  }

  private static func add(
    _ operation: RunOperation, _ outbox: Bool, _ call: borrowing LuaCall, _ arguments: Arguments
  ) throws(Misuse) {
    try draft(outbox, call, arguments, adding: operation.textBytes).add(operation)
  }
}
