import Lua
import Testing

@Suite("Declaring")
struct DeclarationTests {
  @Test("functions leave as references that can be called")
  func references() throws {
    let declaration = try Fixture.plain.makeDeclaration()
    let values = try declaration.evaluate(
      "\nlocal n = 0\nreturn function(x) n = n + x return n end, { f = error }", chunkName: "d.lua")
    guard case .function(let f) = values[0] else { Issue.record("no function"); return }
    #expect(f.location == LuaLocation(file: "d.lua", line: 3))
    #expect(try declaration.call(f, [2]) == [2])
    #expect(try declaration.call(f, [3]) == [5])
    declaration.reset()
    #expect(throws: LuaError.self) { try declaration.call(f, [3]) }
  }

  @Test("a syntax error tells file and line")
  func syntax() throws {
    let error = #expect(throws: LuaError.self) {
      try Fixture.plain.makeDeclaration().evaluate("x = 1\ny = = 2", chunkName: "scripts/a.lua")
    }
    #expect(error?.kind == .syntax)
    #expect(error?.file == "scripts/a.lua")
    #expect(error?.line == 2)
  }

  @Test("an expression gives its value, thousands of times in one state")
  func expressions() throws {
    let declaration = try Fixture.plain.makeDeclaration()
    for i in 0..<2_000 {
      #expect(try declaration.evaluate(expression: "\(i) + 1") == .integer(Int64(i + 1)))
      if i % 10 == 0 { declaration.reset() }
    }
    let error = #expect(throws: LuaError.self) { try declaration.evaluate(expression: "1 +") }
    #expect(error?.kind == .syntax)
  }

  @Test("modules are found by the loader, run once, and noted")
  func modules() throws {
    let loader: LuaModuleLoader = { name in
      switch name {
      case "a":
        .source(
          Array("count = (rawget(_G, 'count') or 0) + 1 return { b = require 'b.c' }".utf8), chunkName: "lib/a.lua")
      case "b.c": .source(Array("return ...".utf8), chunkName: "lib/b/c.lua")
      case "loop": .source(Array("return require 'loop'".utf8), chunkName: "lib/loop.lua")
      case "bad": .source(Array("error('inside')".utf8), chunkName: "lib/bad.lua")
      default: .missing("lib/\(name).lua is not there")
      }
    }
    let declaration = try Fixture.plain.makeDeclaration(loader: loader)
    #expect(
      try declaration.evaluate("local a = require 'a' assert(a == require 'a') return a.b, count", chunkName: "s.lua")
        == ["b.c", 1])
    #expect(
      declaration.requiredModules == [
        LuaRequiredModule(name: "a", chunkName: "lib/a.lua"), LuaRequiredModule(name: "b.c", chunkName: "lib/b/c.lua"),
      ])
    func message(_ source: String) -> String? {
      do { _ = try declaration.evaluate(source, chunkName: "s.lua") } catch { return error.message }
      return nil
    }
    #expect(message("require 'none'") == "s.lua:1: module 'none' not found: lib/none.lua is not there")
    #expect(
      message("require 'loop'")?.hasSuffix("module 'loop' requires itself (directly or through another module)") == true
    )
    #expect(message("require 'bad'") == "lib/bad.lua:1: inside")
    #expect(message("require 'bad'") == "lib/bad.lua:1: inside")
    #expect(declaration.requiredModules.contains(LuaRequiredModule(name: "none", chunkName: nil)))
  }

  @Test("a run function is refused while a script is loading, and the other way round")
  func availability() throws {
    let runtime = Fixture.make(modules: [
      LuaModule(
        "net",
        functions: [
          LuaFunction("get", in: .run) { _ in .none }, LuaFunction("declare", in: .declare) { _ in .none },
        ])
    ])
    let error = #expect(throws: LuaError.self) {
      try runtime.makeDeclaration().evaluate("net.get()", chunkName: "d.lua")
    }
    #expect(
      error?.message
        == "d.lua:1: net.get is not available while a script is loading: call it inside run, when the job runs")
    let other = #expect(throws: LuaError.self) { try Fixture.run("net.declare()", in: runtime) }
    #expect(
      other?.message
        == "job.lua:2: net.declare is only available while a script is loading: call it at the top level of a script, not in a run"
    )
  }

  @Test("a script that loads for too long is stopped, with the line")
  func budget() throws {
    let declaration = try Fixture.plain.makeDeclaration(timeout: 200_000_000)
    let error = #expect(throws: LuaError.self) {
      try declaration.evaluate("\nwhile true do end", chunkName: "slow.lua")
    }
    #expect(error?.kind == .deadline)
    #expect(error?.message == "slow.lua:2: the script was still loading after 200 ms")
  }

  @Test("values keep their shape on the way out and back")
  func values() throws {
    let runtime = Fixture.make(modules: [
      LuaModule(
        "",
        functions: [
          LuaFunction("echo") { call in
            do throws(LuaError) { call.push(try call.value(1)) } catch { return .raise(error.message) }
            return .results(1)
          }
        ])
    ])
    let declaration = try runtime.makeDeclaration()
    for text in [
      "nil", "true", "42", "-1", "1.5", "'text'", "'\\0\\xff'", "{}", "{ 1, 2, { 3 } }", "{ a = 1, b = { c = 'd' } }",
      "{ 1, nil, 3 }", "{ [true] = 1, [0] = 2, [1.5] = 3, [-1] = 4 }", "math.mininteger", "1/0",
    ] {
      let once = try declaration.evaluate(expression: text)
      #expect(try declaration.evaluate(expression: "echo(\(text))") == once, "\(text)")
    }
    #expect(
      try declaration.evaluate(expression: "select('#', echo(function() end)) and type(echo(error))") == "function")
  }

  @Test(
    "what cannot leave is named by its path",
    arguments: [
      (
        "{ jobs = { { 1 }, { cron = coroutine.create(error) } } }",
        "result.jobs[2].cron: a coroutine cannot be used here"
      ),
      ("{ [{}] = 1 }", "result.table: a table's key can only be a string, a number or a boolean here"),
      ("(function() local t = {} t.a = { b = t } return t end)()", "result.a.b: the table contains itself"),
      ("(function() local t = {} for i = 1, 100 do t = { t } end return t end)()", "nested too deeply"),
    ])
  func paths(_ expression: String, _ expected: String) throws {
    let error = #expect(throws: LuaError.self) { try Fixture.plain.makeDeclaration().evaluate(expression: expression) }
    #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
  }

  @Test("host objects pass through scripts and keep their identity")
  func objects() throws {
    final class Trigger: LuaObject {
      let luaTypeName = "trigger"
      let luaDescription = "every 5 minutes"
    }
    let runtime = Fixture.make(modules: [
      LuaModule(
        "",
        functions: [
          LuaFunction("every") { call in
            call.push(.object(Trigger()))
            return .results(1)
          },
          LuaFunction("check") { call in
            call.push(call.object(1) is Trigger)
            return .results(1)
          },
        ])
    ])
    let declaration = try runtime.makeDeclaration()
    let values = try declaration.evaluate(
      "local t = every() return t, { t, x = t }, tostring(t), check(t), check({}), check()", chunkName: "o.lua")
    guard case .object(let object) = values[0] else { Issue.record("no object"); return }
    #expect(object is Trigger)
    #expect(values[1] == .table(LuaTable(array: [.object(object)], fields: [(key: "x", value: .object(object))])))
    #expect(Array(values[2...]) == ["every 5 minutes", true, false, false])
    let error = #expect(throws: LuaError.self) { try declaration.evaluate("return every() + 1", chunkName: "o.lua") }
    #expect(error?.message == "o.lua:1: attempt to perform arithmetic on a trigger value")
  }

  @Test(
    "a reader's errors say where and what",
    arguments: [
      ("{ name = 5 }", "job.name: expected a string, got a number"),
      ("{ nme = 'x' }", "job.nme: unknown field (did you mean \"name\"?)"),
      ("{ 1 }", "job: expected named fields only"),
      ("5", "job: expected a table, got a number"),
    ])
  func readers(_ expression: String, _ expected: String) throws {
    let value = try Fixture.plain.makeDeclaration().evaluate(expression: expression)
    let error = #expect(throws: LuaError.self) {
      let job = LuaReader(value, path: "job")
      try job.allow(["name", "run"])
      _ = try job.field("name")?.string()
    }
    #expect(error?.message == expected)
  }
}
