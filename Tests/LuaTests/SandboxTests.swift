import Lua
import Testing

@Suite("Sandbox")
struct SandboxTests {
  /// What a script sees as the error of `body`.
  private func message(_ body: String) -> String {
    do {
      let value = try Fixture.run(body)
      return "no error: \(value)"
    } catch let error as LuaError {
      return error.message
    } catch {
      return "\(error)"
    }
  }

  @Test(
    "an undeclared global is an error that names the closest one",
    arguments: [
      ("return tostrng(1)", "job.lua:2: global 'tostrng' is not defined (did you mean 'tostring'?)"),
      ("return sting.rep('x', 2)", "job.lua:2: global 'sting' is not defined (did you mean 'string'?)"),
      ("return nothinglikeit", "job.lua:2: global 'nothinglikeit' is not defined"),
      ("return prais({})", "job.lua:2: global 'prais' is not defined (did you mean 'pairs'?)"),
    ])
  func strictGlobals(_ body: String, _ expected: String) {
    #expect(message(body) == expected)
  }

  @Test("globals can be set, read and tested with rawget")
  func globals() throws {
    #expect(try Fixture.run("x = 5 return x + (rawget(_G, 'y') or 1)") == 6)
  }

  @Test("tostring numbers objects instead of showing addresses, the same each time")
  func serials() throws {
    #expect(
      try Fixture.run("local a, b = {}, {} return { tostring(a), tostring(b), tostring(a), ('%s'):format(b) }")
        == ["table: 0x000000000001", "table: 0x000000000002", "table: 0x000000000001", "table: 0x000000000002"])
    #expect(
      try Fixture.run(
        "return { tostring(error), tostring(coroutine.create(error)), tostring(nil), tostring(1.5), tostring(2^53) }")
        == ["function: 0x000000000001", "thread: 0x000000000002", "nil", "1.5", "9.007199254741e+15"])
    #expect(try Fixture.run("return tostring(setmetatable({}, { __name = 'Point' }))") == "Point: 0x000000000001")
    #expect(
      try Fixture.run("return ('%5.2f|%-5s|%s|%d|%q|%%'):format(1, 'a', true, 3, 'q')") == " 1.00|a    |true|3|\"q\"|%")
  }

  @Test(
    "what is refused says so in a sentence",
    arguments: [
      ("setmetatable({}, { __gc = print })", "global 'print' is not defined"),
      (
        "setmetatable({}, { __gc = error })",
        "'__gc' is not available: release what a script holds with a to-be-closed variable (local x <close>)"
      ),
      (
        "collectgarbage('stop')",
        "collectgarbage(\"stop\") is not available: memory is collected when needed, and scripts cannot change that"
      ),
      ("string.format('%p', {})", "'%p' is not available in string.format: addresses are not shown to scripts"),
      (
        "require('a b')",
        "'a b' is not a module name: use letters, digits, '_', '-' and single dots, as in \"net.retry\""
      ),
      ("require('x')", "module 'x' not found: this state has no modules"),
      ("coroutine.yield()", "attempt to yield from outside a coroutine"),
    ])
  func refusals(_ body: String, _ expected: String) {
    #expect(message(body).hasSuffix(expected), "\(message(body))")
    #expect(message(body).hasPrefix("job.lua:2: "))
  }

  @Test(
    "xpcall gives the handler's result, or the handler's error",
    arguments: [
      ("return { xpcall(function(a, b) return a + b end, error, 1, 2) }", [true, 3]),
      ("return { xpcall(error, function(e) return 'handled ' .. e end, 'x') }", [false, "handled x"]),
      ("return { xpcall(error, function() error('second', 0) end, 'x') }", [false, "second"]),
    ] as [(String, LuaValue)])
  func xpcall(_ body: String, _ expected: LuaValue) throws {
    #expect(try Fixture.run(body) == expected)
  }

  @Test(
    "the coroutine library behaves as the stock one",
    arguments: [
      (
        "local co = coroutine.create(function(a) local b = coroutine.yield(a + 1) return b * 2 end) local r = { coroutine.resume(co, 1) } local s = { coroutine.resume(co, 5) } return { r[2], s[2], coroutine.status(co) }",
        [2, 10, "dead"]
      ),
      ("local co = coroutine.create(error) return { coroutine.resume(co, 'e') }", [false, "e"]),
      (
        "local co = coroutine.create(error) coroutine.resume(co) return { coroutine.resume(co) }",
        [false, "cannot resume dead coroutine"]
      ),
      ("local f = coroutine.wrap(function() error('e', 0) end) return { pcall(f) }", [false, "e"]),
      (
        "return { coroutine.isyieldable(), coroutine.wrap(function() return coroutine.isyieldable() end)() }",
        [false, true]
      ),
      ("return select(2, coroutine.running())", true),
      ("return coroutine.wrap(function() return select(2, coroutine.running()) end)()", false),
      (
        "local co co = coroutine.create(function() return coroutine.status(co) end) return { coroutine.status(co), select(2, coroutine.resume(co)), coroutine.status(co) }",
        ["suspended", "running", "dead"]
      ),
      (
        "local outer outer = coroutine.create(function() return coroutine.wrap(function() return coroutine.status(outer) end)() end) return select(2, coroutine.resume(outer))",
        "normal"
      ),
      (
        "local log = {} local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() log[1] = 'closed' end }) coroutine.yield() end) coroutine.resume(co) return { coroutine.close(co), log[1] }",
        [true, "closed"]
      ),
      (
        "local co = coroutine.create(function() local x <close> = setmetatable({}, { __close = function() error('c', 0) end }) coroutine.yield() end) coroutine.resume(co) return { coroutine.close(co) }",
        [false, "c"]
      ),
      (
        "local s = 0 for v in coroutine.wrap(function() for i = 1, 10 do coroutine.yield(i) end end) do s = s + v end return s",
        55
      ),
    ] as [(String, LuaValue)])
  func coroutines(_ body: String, _ expected: LuaValue) throws {
    #expect(try Fixture.run(body) == expected)
  }

  @Test(
    "error values of every kind become a message",
    arguments: [
      ("error(nil)", "error without a value (nil)"),
      ("error({ code = 5 })", "error value {\"code\":5}"),
      ("error(setmetatable({}, { __tostring = function() return 'own text' end }))", "own text"),
      ("error(setmetatable({}, { __tostring = function() error('no') end }))", "error object whose __tostring fails"),
      ("error(setmetatable({}, { __tostring = function() return 5 end }))", "5"),
      ("error(true)", "true"),
      ("error(12)", "12"),
      ("error('a\\xffb', 0)", "a\\xFFb"),
    ])
  func errorValues(_ body: String, _ expected: String) {
    #expect(message(body) == expected)
  }

  @Test("a table thrown as an error reaches the host as a value")
  func errorTable() throws {
    let error = #expect(throws: LuaError.self) { try Fixture.run("error({ code = 5, list = { 1, 2 } })") }
    #expect(error?.value == ["code": 5, "list": [1, 2]])
  }

  @Test("math.random differs from state to state in runs and follows the text while declaring")
  func random() throws {
    let source = "return { run = function() return math.random(1 << 40) end }"
    let a = try Fixture.plain.makeState(source: source, chunkName: "r.lua")
    let b = try Fixture.plain.makeState(source: source, chunkName: "r.lua")
    #expect(try Fixture.finish(a) != Fixture.finish(b))
    let text = "return math.random(1 << 40), math.random()"
    let first = try Fixture.plain.makeDeclaration().evaluate(text, chunkName: "d.lua")
    let second = try Fixture.plain.makeDeclaration().evaluate(text, chunkName: "d.lua")
    #expect(first == second)
    #expect(try Fixture.plain.makeDeclaration().evaluate(text + " ", chunkName: "d.lua") != first)
  }

  @Test(
    "clocks are refused while a script is loading",
    arguments: ["os.time()", "os.clock()", "os.date()", "math.randomseed()"])
  func clocks(_ call: String) throws {
    let error = #expect(throws: LuaError.self) {
      try Fixture.plain.makeDeclaration().evaluate("return \(call)", chunkName: "d.lua")
    }
    #expect(error?.message.contains("while a script is loading") == true)
    #expect(try Fixture.run("\(call) return true") == true)
  }

  @Test("os.date and os.time with given times work everywhere")
  func calendar() throws {
    let values = try Fixture.plain.makeDeclaration().evaluate(
      "return os.date('!%Y-%m-%d', 86400), os.time({ year = 2000, month = 1, day = 1, hour = 12 })", chunkName: "d.lua")
    #expect(values.first == "1970-01-02")
  }
}
