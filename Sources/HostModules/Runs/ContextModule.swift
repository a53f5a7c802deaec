internal import CLinux
internal import Chronology
internal import Executors
internal import Glibc
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `ctx`, the argument of `run`: an empty table per run whose metatable answers fields when they are asked for, so that
/// a run pays only for what it reads.
enum ContextModule {
  static let fields =
    [
      "id", "job", "attempt", "attempts_left", "missed", "scheduled_at", "started_at", "event", "params", "schedule",
      "deadline",
      "cancelled", "retry",
      "fail", "progress", "process", "thread", "outbox",
    ] + StepModule.methods

  static func module() -> LuaModule {
    LuaModule(
      "ctx", functions: [field, change, deadline, cancelled, retry, fail, progress, source] + StepModule.natives,
      prelude: prelude)
  }

  // The table of functions leaves the globals again: it is what `ctx` finds its methods in. A field is kept in the
  // run's `ctx` once it was read, so that `ctx.params` is the same table each time.
  private static let prelude = """
    local methods, host = ...
    local field, rawset = methods.field, rawset
    local natives, load, late = {}, load, nil
    for name, native in next, methods do if name:find"^__" then natives[name] = native end end
    for name in next, natives do methods[name] = nil end
    local function later(name)
      late = late or load(natives.__source(), "=[ctx]")(natives)
      return late[name]
    end
    for name in ("step sleep sleep_until wait_for transaction"):gmatch"%S+" do
      methods[name] = function(...) return later(name)(...) end
    end
    _G.ctx, methods.field = nil, nil
    host.context {
      __index = function(ctx, key)
        local value = methods[key]
        if value == nil then
          value = key == "outbox" and later(key) or field(key)
          if key ~= "thread" then rawset(ctx, key, value) end
        end
        return value
      end,
      __newindex = methods.change, __metatable = false,
    }
    methods.change = nil
    """

  private static let source = LuaFunction("__source") { call in
    call.push(StepModule.source)
    return .results(1)
  }

  private static let field = LuaFunction.host("field", as: "ctx") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    guard call.type(1) == .string else { throw Misuse("ctx has no field of that kind: \(arguments.name(call, 1))") }
    let name = try arguments.string(call, 1, "a field's name")
    let order = run.current
    switch name {
    case "id": call.push(order.id.number)
    case "job": call.push(order.job.definition.name)
    case "attempt": call.push(Int(order.attempt))
    case "attempts_left": call.push(run.attemptsLeft)
    case "missed": call.push(order.missed)
    case "scheduled_at": call.push(order.scheduledAt.fractionalSeconds)
    case "started_at": call.push(run.time.wall.fractionalSeconds)
    case "event":
      if let event = order.context?.event { call.push(json: event.text) } else { call.pushNil() }
    case "params": pushParams(order, &call)
    case "schedule": call.push(order.context?.schedule.map { .string(LuaString($0)) } ?? LuaValue.nil)
    case "process": call.push(Int(getpid()))
    case "thread":
      // Not remembered: a run may go on on another thread.
      call.push(Int(linux_thread_id()))
    default: throw Misuse(unknownField(name))
    }
    return .results(1)
  }

  /// The job's parameters with the run's own over them, key by key.
  private static func pushParams(_ order: RunOrder, _ call: inout LuaCall) {
    switch (order.job.definition.params, order.context?.params) {
    case (nil, nil): call.push(.table(LuaTable()))
    case (let only?, nil), (nil, let only?): call.push(json: only.text)
    case (.some, .some): call.push(merged(order))
    }
  }

  private static func merged(_ order: RunOrder) -> LuaValue {
    let own = order.job.definition.params.flatMap(LuaValue.init(json:)) ?? .nil
    guard let given = order.context?.params.flatMap(LuaValue.init(json:)) else {
      return own == .nil ? .table(LuaTable()) : own
    }
    guard case .table(let base) = own, case .table(let over) = given else { return given }
    // Of two equal keys the last one counts.
    return .table(
      LuaTable(
        array: over.array.isEmpty ? base.array : over.array, fields: base.fields + over.fields,
        others: base.others + over.others))
  }

  private static func unknownField(_ name: String) -> String {
    let hint = closestName(to: name, in: fields).map { " (did you mean \"\($0)\"?)" } ?? ""
    return "ctx has no field \"\(name)\"\(hint)"
  }

  private static let change = LuaFunction.host("change", as: "ctx") { call, arguments throws(Misuse) in
    let name = call.type(2) == .string ? try arguments.string(call, 2, "a field's name") : "this"
    throw Misuse("ctx cannot be changed: keep \"\(name)\" in a local variable")
  }

  // MARK: Methods

  /// The methods take `ctx` itself first; without the colon it is missing.
  static func checkColon(_ call: borrowing LuaCall, _ method: String) throws(Misuse) {
    guard call.type(1) == .table else { throw Misuse("write ctx:\(method)(…) with a colon, not with a dot") }
  }

  private static let deadline = LuaFunction.host("deadline", as: "ctx:deadline") { call, arguments throws(Misuse) in
    try checkColon(call, "deadline")
    let run = try arguments.run(call)
    guard run.time.deadline != .max else {
      call.pushNil()
      return .results(1)
    }
    let left = run.time.deadline &- run.services.monotonic.now.nanoseconds
    call.push(Double(left) / 1e9)
    return .results(1)
  }

  private static let cancelled = LuaFunction.host("cancelled", as: "ctx:cancelled") { call, arguments throws(Misuse) in
    try checkColon(call, "cancelled")
    let mustEnd = try arguments.run(call).cancel.look()
    call.push(mustEnd || call.isStopping)
    return .results(1)
  }

  private static let retry = LuaFunction.host("retry", as: "ctx:retry") { call, arguments throws(Misuse) in
    try checkColon(call, "retry")
    let run = try arguments.run(call)
    let message = call.isNil(2) ? "the job asked for another attempt" : try reason(call, arguments, "the reason")
    let delay = call.isNil(3) ? nil : try arguments.duration(call, 3, "the delay")
    run.retry = RetryRequest(delay: delay)
    call.push(failure(message, at: call.caller, [("retry", true)]))
    return .raiseValue
  }

  private static let fail = LuaFunction.host("fail", as: "ctx:fail") { call, arguments throws(Misuse) in
    try checkColon(call, "fail")
    let message = try reason(call, arguments, "a message")
    let data = call.isNil(3) ? [] : [(key: "data", value: try arguments.value(call, 3))]
    call.push(failure(message, at: call.caller, data))
    return .raiseValue
  }

  /// A text, or an error of the host such as `http` answers: a table with its text as `message`.
  private static func reason(
    _ call: borrowing LuaCall, _ arguments: Arguments, _ what: String
  ) throws(Misuse) -> String {
    if call.type(2) == .table, case .table(let table) = try arguments.value(call, 2),
      let message = table["message"]?.text
    {
      return message
    }
    return try arguments.string(call, 2, what, in: 0...Arguments.textBytes)
  }

  /// The error value that `LuaAttempt.failed` reads.
  private static func failure(
    _ message: String, at caller: LuaLocation?, _ more: [(key: String, value: LuaValue)]
  ) -> LuaValue {
    var fields: [(key: String, value: LuaValue)] = [("message", .string(LuaString(message)))] + more
    if let caller {
      fields.append(("file", .string(LuaString(caller.file))))
      fields.append(("line", .integer(Int64(caller.line))))
    }
    return .table(LuaTable(fields: fields))
  }

  private static let progress = LuaFunction.host("progress", as: "ctx:progress") { call, arguments throws(Misuse) in
    try checkColon(call, "progress")
    let run = try arguments.run(call)
    let progress: RunProgress
    if let fraction = call.number(2) {
      guard fraction >= 0, fraction <= 1 else { throw arguments.misuse("a fraction is from 0 to 1, not \(fraction)") }
      progress = .fraction(fraction)
    } else {
      let text = try arguments.string(
        call, 2, "a fraction from 0 to 1, or a text", in: 0...Arguments.textBytes)
      progress = .text(run.services.secrets.mask.masked(text).cut(toBytes: Quotas.progressBytes))
    }
    run.note(progress)
    return .none
  }
}
