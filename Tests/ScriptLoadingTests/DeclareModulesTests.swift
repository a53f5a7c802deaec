import JobModel
import Lua
import ScriptFixtures
import Testing
import Triggers

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("the functions of declare mode")
struct DeclareModulesTests {
  /// What the entry `run` of a chunk ends with.
  private func run(_ body: String) throws -> String {
    let runtime = try LoadFixture.runtime.get()
    let state = try runtime.makeState(source: "return { run = function() \(body) end }", chunkName: "a.lua")
    let worker = runtime.makeWorker()
    defer { worker.close() }
    try state.start(entry: "run", context: nil, argument: .none)
    switch worker.step(state) {
    case .finished: return "finished: \(try state.result())"
    case .failed(let error): return error.message
    default: return "another end"
    }
  }

  @Test(
    "inside a run, job and job_defaults are errors",
    arguments: [
      ("job 'x' { run = print }", "job"), ("job { name = 'x', run = print }", "job"),
      ("job_defaults { priority = 1 }", "job_defaults"),
    ])
  func insideARun(_ body: String, _ name: String) throws {
    let message = try run(body)
    #expect(message.hasPrefix("a.lua:1: \(name) is only available while a script is loading"), "\(message)")
  }

  @Test("inside a run, constructors make trigger values")
  func constructors() throws {
    let runtime = try LoadFixture.runtime.get()
    let state = try runtime.makeState(
      source: "return { run = function() return cron '0 3 * * *' end }", chunkName: "a.lua")
    let worker = runtime.makeWorker()
    defer { worker.close() }
    try state.start(entry: "run", context: nil, argument: .none)
    guard case .finished = worker.step(state), case .object(let object) = try state.result() else {
      Issue.record("it did not finish with a trigger")
      return
    }
    let specification = try #require(object as? TriggerSpecification)
    #expect(specification.luaDescription == "cron(\"0 3 * * *\")")
    _ = try specification.build(in: .init(zones: LoadFixture.zones))
  }

  @Test("a trigger value says what it is")
  func text() throws {
    let generation = try LoadFixture().load([
      "a.lua": "error(tostring(any_of { every('1h', { start_date = '2026-01-01' }), at '2027-01-01' }))"
    ])
    #expect(
      generation.problems.map(\.message) == [
        "any_of({ every(\"1h\", { start_date = \"2026-01-01\" }), at(\"2027-01-01\") })"
      ])
  }

  @Test("scripts see no more than the API", arguments: ["job_table", "job_begin", "open"])
  func hidden(_ name: String) throws {
    let problems = try LoadFixture().problems("local x = \(name)")
    #expect(problems.count == 1 && problems[0].contains("is not defined"), "\(problems)")
  }

  @Test("a call whose table never comes is a mistake once for each call")
  func open() throws {
    let problems = try LoadFixture().problems(
      "local a = job 'x'\nlocal b = job 'y'\na { run = print }\na { run = print }")
    #expect(
      problems == [
        "a.lua:2: job \"y\" has no table; write job \"y\" { … }",
        "a.lua:4: job: it has no name; write job \"name\" { … }",
      ])
  }

  @Test("tables may come later and in any order: each belongs to the name, and the line, of its own call")
  func tickets() throws {
    let generation = try LoadFixture().load([
      "a.lua": """
      local a, b = job "a", job "b"
      local c = job "c"
      b { description = "second", run = print }
      local d = job "d"
      a { description = "first", run = print }
      d { description = "fourth", run = print }
      c { description = "third", run = print }
      """
    ])
    #expect(generation.problems.isEmpty, "\(generation.problems)")
    let jobs = generation.jobs.map { "\($0.name):\($0.source.line) \($0.description ?? "")" }
    #expect(jobs == ["b:1 second", "a:1 first", "d:4 fourth", "c:2 third"])
  }

  @Test("a mistake inside pcall is a mistake all the same")
  func protected() throws {
    let problems = try LoadFixture().problems("pcall(function() job 'x' { crom = 1, run = print } end)")
    #expect(problems == ["a.lua:1: job \"x\": unknown field \"crom\"; did you mean \"cron\"?"])
  }
}
