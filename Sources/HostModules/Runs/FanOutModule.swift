internal import Lua

/// `all` and `any`: one function over many values, each in a branch of the run. Branches take turns on the run's
/// thread; what they wait for goes on at the same time.
enum FanOutModule {
  /// Branches at once unless `limit` says otherwise.
  static let defaultLimit = 100

  /// Those that the prelude makes.
  static let functions = ["all", "any"]

  static func module() -> LuaModule {
    LuaModule("", functions: [check], constants: [("__fan_source", .string(LuaString(source)))], prelude: prelude)
  }

  /// Checks the arguments of `all` and `any`, of which it is given the name first, and answers the limit. Here and not
  /// in Lua, because each state carries the Lua part with it.
  private static let check = LuaFunction.host("__fan", as: "all") { call, _ throws(Misuse) in
    let arguments = Arguments(function: call.string(1) ?? "all")
    guard call.type(2) == .table else {
      throw arguments.misuse("expected a list as argument 1, got \(arguments.name(call, 2))")
    }
    guard call.type(3) == .function else {
      throw arguments.misuse("expected a function as argument 2, got \(arguments.name(call, 3))")
    }
    let limit = try arguments.options(call, 4, ["limit"]).integer("limit") ?? defaultLimit
    guard (1...10_000).contains(limit) else { throw arguments.misuse("limit must be from 1 to 10000, not \(limit)") }
    call.push(limit)
    return .results(1)
  }

  // `source` is compiled in a state when it is first used there: every state carries what the preludes leave in it,
  // holes made by the compiler included, and few scripts fan out. As a constant it does not pass through the lexer's
  // buffer.
  private static let prelude = """
    local module, host = ...
    local check, load, source, fan = module.__fan, load, module.__fan_source, nil
    module.__fan, module.__fan_source = nil, nil
    local function start(name, list, body, options)
      local limit = check(name, list, body, options)
      if not fan then fan = load(source, "=[fan]")(host.branch, host.wait, host.forget, coroutine.create, table.unpack) end
      return fan(name, list, body, limit)
    end
    module.all = function(...) return start("all", ...) end
    module.any = function(...) return start("any", ...) end
    """

  // A branch is a coroutine that is resumed by `branch`: true and its results; false and its error; or nil and a ticket
  // when it waits. At most `limit` branches are under way at once.
  private static let source = """
    local branch, await, forget, create, unpack = ...
    return function(name, list, body, limit)
      local any, winner, at, results = name == "any", nil, nil, {}
      local started, tickets, waiting = 0, {}, {}
      local function advance(i, co, ok, value, problem)
        if ok == nil then
          tickets[#tickets + 1] = value
          waiting[value] = { i, co }
          return
        end
        ok = ok and not (value == nil and problem ~= nil)
        if not ok and problem == nil then problem = value end
        if not any then
          results[i] = ok and { ok = true, value = value } or { ok = false, error = problem }
        elseif ok then
          winner, at = value, i
        else
          results[i] = problem
        end
      end
      while not at do
        if started < #list and #tickets < limit then
          started = started + 1
          local co = create(body)
          advance(started, co, branch(co, list[started], started))
        elseif #tickets == 0 then
          break
        else
          local ticket = await(unpack(tickets))
          for i = 1, #tickets do
            if tickets[i] == ticket then
              tickets[i] = tickets[#tickets]
              tickets[#tickets] = nil
              break
            end
          end
          local entry = waiting[ticket]
          waiting[ticket] = nil
          advance(entry[1], entry[2], branch(entry[2]))
        end
      end
      if tickets[1] then forget(unpack(tickets)) end
      if not any then return results end
      if at then return winner, at end
      return nil, results
    end
    """
}
