import CLuaShim
import Lua
import Testing

/// What code of others finds here: the rule for files below `lib/`, and the harmless libraries.
@Suite("Libraries")
struct LibraryRuleTests {
  /// What `body` gives as a module, at the top level and in a run that requires it.
  private func both(_ body: String) throws -> [LuaValue] {
    let loader: LuaModuleLoader = { name in
      name == "m" ? .source(Array(body.utf8), chunkName: "lib/m.lua") : .missing("no file")
    }
    let declaration = try Fixture.plain.makeDeclaration(loader: loader)
    let first = try declaration.evaluate("return (require 'm')", chunkName: "a.lua").first ?? .nil
    let state = try Fixture.plain.makeState(
      source: "return { run = function() return (require 'm') end }", chunkName: "a.lua", loader: loader)
    return [first, try Fixture.finish(state)]
  }

  @Test(
    "in a module a global that is not there is nil, and the harmless libraries are",
    arguments: [
      ("return { unpack == nil, jit == nil, own_name == nil, setfenv == nil }", [true, true, true, true]),
      ("return { load('return ngx == nil')() }", [true]),
      ("local function f() return undeclared end return { coroutine.wrap(f)() == nil, pcall(f) }", [true, true]),
      ("return { type(io), type(package), type(debug), type(os.getenv) }", ["table", "table", "table", "function"]),
      (
        "return { io.write('') == io.stdout, io.type(io.stderr), io.stderr:write('x') == io.stderr }",
        [true, "file", true]
      ),
      ("return { select(2, io.open('/etc/passwd')) }", ["/etc/passwd: io opens no files here: use fs", 2]),
      (
        "return { package.loaded.string == string, package.loaded.nothing == nil, package.config:sub(1, 1) }",
        [true, true, "/"]
      ),
      ("package.path = 'x' return { package.path }", ["./lib/?.lua;./lib/?/init.lua"]),
      (
        "package.preload.inner = function(...) return { ... } end return require 'inner'", ["inner", ":preload:"]
      ),
      ("package.loaded[...] = { 5 }", [5]),
      ("return { select('#', ...), ... }", [2, "m", "lib/m.lua"]),
      ("return { require 'string' == string, require 'io' == io, require '_G' == _G }", [true, true, true]),
      ("return { collectgarbage(), collectgarbage('step'), collectgarbage('isrunning') }", [0, true, true]),
      ("return { debug.getinfo(1, 'S').source, debug.getinfo(1, 'l').currentline }", ["@lib/m.lua", 1]),
      ("return { os.getenv('HOME') == nil, os.execute == nil, os.nothing == nil }", [true, true, true]),
      (
        "local function f() return x end debug.upvaluejoin(f, 1, (function(_ENV) return function() return y end end)({ x = 7 }), 1) return { f() }",
        [7]
      ),
    ] as [(String, LuaValue)])
  func inModules(_ body: String, _ expected: LuaValue) throws {
    for value in try both(body) { #expect(value == expected) }
  }

  @Test(
    "in a script a stock name that is not here says what to use",
    arguments: [
      ("io.open('x')", "io is not here: use fs for files, exec for programs, print or log for lines"),
      ("unpack({})", "unpack is not here: use table.unpack"),
      ("os.execute('ls')", "os.execute is not here: use exec"),
      ("package.path = ''", "package is not here: require finds modules below lib/, and nothing else is searched"),
    ])
  func pointed(_ body: String, _ message: String) throws {
    let error = #expect(throws: LuaError.self) { try Fixture.run(body) }
    #expect(error?.message == "job.lua:2: \(message)")
    let loading = #expect(throws: LuaError.self) {
      try Fixture.plain.makeDeclaration().evaluate(body, chunkName: "d.lua")
    }
    #expect(loading?.message == "d.lua:1: \(message)")
  }

  @Test("a name that the script assigns anywhere may be read before")
  func declared() throws {
    let values = try Fixture.plain.makeDeclaration().evaluate(
      "local before = cache\nif false then cache = 1 end\nlocal function later() other = 2 end\nreturn before == nil and other == nil",
      chunkName: "d.lua")
    #expect(values == [true])
    let error = #expect(throws: LuaError.self) {
      try Fixture.plain.makeDeclaration().evaluate("local cache = 1\nreturn cashe", chunkName: "d.lua")
    }
    #expect(error?.message == "d.lua:2: global 'cashe' is not defined")
  }

  @Test("uses of globals are listed with their lines, also in functions with very many constants")
  func uses() throws {
    let declaration = try Fixture.plain.makeDeclaration()
    _ = try declaration.evaluate(
      "a = 1\nlocal function f()\n  return missing + a + tostring(1)\nend\nlocal _ENV = { b = 1 }\nlocal c = b",
      chunkName: "d.lua")
    #expect(
      declaration.globalUses() == [
        LuaGlobalUse(name: "missing", isAssigned: false, file: "d.lua", line: 3),
        LuaGlobalUse(name: "a", isAssigned: true, file: "d.lua", line: 1),
      ])
    declaration.reset()
    let many = (1...400).map { "x\($0) = 'c\($0)'" }.joined(separator: "\n")
    _ = try declaration.evaluate(many, chunkName: "d.lua")
    let assigned = Set(declaration.globalUses().filter(\.isAssigned).map(\.name))
    #expect((1...400).allSatisfy { assigned.contains("x\($0)") })
  }

  @Test("what is private to the host's own functions stays out of reach")
  func hostFunctions() throws {
    #expect(
      try Fixture.run(
        "return { debug.getupvalue(tostring, 1) == nil, pcall(function() debug.upvaluejoin(tostring, 1, tostring, 1) end) }"
      )
        == [true, false, "job.lua:2: bad argument #1 to 'upvaluejoin' (function of a script expected)"])
    #expect(try Fixture.run("return debug.getmetatable('')") == false)
    #expect(try Fixture.run("debug.setmetatable('', nil) return ('x'):rep(2)") == "xx")
    #expect(throws: LuaError.self) { try Fixture.run("debug.setmetatable({}, { __gc = error })") }
  }
}

/// Texts that stock Lua gives, and this one too.
@Suite("As stock Lua")
struct StockTests {
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
    "messages of functions that the host stands before have file, line and name",
    arguments: [
      ("string.format('%d', 'x')", "bad argument #2 to 'format' (number expected, got string)"),
      ("('%d'):format('x')", "bad argument #1 to 'format' (number expected, got string)"),
      ("setmetatable({})", "bad argument #2 to 'setmetatable' (nil or table expected, got no value)"),
      ("setmetatable(1, {})", "bad argument #1 to 'setmetatable' (table expected, got number)"),
      ("os.date('%Ez', 0)", "bad argument #1 to 'date' (invalid conversion specifier '%Ez')"),
      ("os.time({ year = 2000 })", "field 'month' missing in date table"),
      ("os.time({ year = 2000, month = 1, day = 1.5 })", "field 'day' is not an integer"),
      ("math.randomseed('x')", "bad argument #1 to 'randomseed' (number expected, got string)"),
      ("load(5, 6, {})", "bad argument #3 to 'load' (string expected, got table)"),
    ])
  func messages(_ body: String, _ expected: String) {
    #expect(message(body) == "job.lua:2: \(expected)")
  }

  @Test(
    "small things are as in stock Lua 5.4",
    arguments: [
      ("return { load('return 1', 'x', 'b') == nil, load('return 1', 'x', 'bt')() }", [true, 1]),
      ("local ok, text = xpcall(error, error) return { ok, type(text) }", [false, "string"]),
      (
        "return { xpcall(error, function(e) if e == 'a' then error('b', 0) end return e .. 'c' end, 'a') }",
        [false, "bc"]
      ),
      (
        "local f = coroutine.wrap(function() error('e') end) return { pcall(function()\nf() end) }",
        [false, "job.lua:3: job.lua:2: e"]
      ),
      (
        "local function f(...) local co = coroutine.create(function() return table.unpack({}, 1, 600000) end) return { coroutine.resume(co) } end return f(table.unpack({}, 1, 450000))",
        [false, "too many results to resume"]
      ),
      (
        "local t = { year = 2026, month = 14, day = 35, hour = 25 } local s = os.time(t) return { s, t.year, t.month, t.day, t.hour, t.wday, t.yday }",
        [1_804_467_600, 2027, 3, 8, 1, 2, 67]
      ),
      ("return { #os.date(('x'):rep(5000), 0), os.date('!%c', 0) }", [5000, "Thu Jan  1 00:00:00 1970"]),
      ("return { os.date('!%F', -62135596801), os.date('!*t', 951782400).yday }", ["0-12-31", 60]),
    ] as [(String, LuaValue)])
  func details(_ body: String, _ expected: LuaValue) throws {
    #expect(try Fixture.run(body) == expected)
  }

  @Test("a byte order mark and a first line with # are passed over, and lines keep their numbers")
  func firstLines() throws {
    for start in ["\u{FEFF}", "#!/usr/bin/lua\n", "\u{FEFF}#!/usr/bin/env lua\n"] {
      let declaration = try Fixture.plain.makeDeclaration { name in
        .source(Array("\(start)return 5".utf8), chunkName: "lib/\(name).lua")
      }
      #expect(try declaration.evaluate("\(start)return require 'm'", chunkName: "a.lua").first == 5)
      let error = #expect(throws: LuaError.self) { try declaration.evaluate("\(start)error 'x'", chunkName: "a.lua") }
      #expect(error?.message == "a.lua:\(start.contains("\n") ? 2 : 1): x")
    }
    #expect(try Fixture.plain.makeDeclaration().evaluate("#only this", chunkName: "a.lua").isEmpty)
  }

  @Test("a constant of the host shows no address, however it is made text")
  func constants() throws {
    let runtime = Fixture.make(
      modules: unsafe [LuaModule("json", functions: [.native("null_value", moon_json_push_null)])])
    let body = """
      local null = json.null_value()
      local _, concat = pcall(function() return 'a' .. null end)
      local _, call = pcall(null)
      return { tostring(null), ('%s|%10s'):format(null, null), concat, call, select(2, pcall(table.concat, { null })), select(2, pcall(error, null)) == null }
      """
    let value = try Fixture.run(body, in: runtime)
    guard case .table(let table) = value else {
      Issue.record("\(value)")
      return
    }
    #expect(table.array.prefix(2) == ["null", "null|      null"])
    #expect(!"\(value)".contains("0x"))
    #expect(throws: LuaError.self) { try Fixture.run("error(json.null_value())", in: runtime) }
  }
}
