import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("what was loaded runs")
struct LoadRunTests {
  /// What an entry of a job returns.
  private func result(of job: JobDefinition, _ entry: String = "run") throws -> LuaValue {
    let payload = try #require(job.payload as? LuaJobPayload)
    let runtime = try LoadFixture.runtime.get()
    let library = payload.library
    let state = try runtime.makeState(payload.capsule, loader: { name in library.source(named: name) })
    let worker = runtime.makeWorker()
    defer { worker.close() }
    try state.start(entry: entry, context: nil, argument: .none)
    switch worker.step(state) {
    case .finished: return try state.result()
    case .failed(let error): throw error
    case let step: throw LuaError(.host, "it did not finish: \(step)")
    }
  }

  @Test("each job of a loop has its own captured local")
  func loop() throws {
    let generation = try LoadFixture().load([
      "a.lua": "for i = 1, 3 do job('job' .. i, { run = function() return i * 10 end }) end"
    ])
    #expect(try generation.jobs.map { try result(of: $0) } == [10, 20, 30])
  }

  @Test("functions, modules and globals of the script come along")
  func environment() throws {
    let generation = try LoadFixture().load([
      "a.lua": """
      local double = require "double"
      rawset(_G, "base", 20)
      job "x" {
        run = function() return double(base) + 2 end,
        on_error = function() return "on_error" end,
      }
      """,
      "lib/double.lua": "return function(n) return n * 2 end",
    ])
    #expect(generation.problems.isEmpty)
    let job = try #require(generation.jobs.first)
    #expect(try result(of: job) == 42)
    #expect(try result(of: job, "on_error") == "on_error")
  }

  @Test("a module first required in a run is the generation's, not a later one's")
  func lateModule() throws {
    let fixture = try LoadFixture()
    let script = "job 'x' { run = function() return require 'late' end }"
    let first = fixture.load(["a.lua": script, "lib/late.lua": "return 1"])
    fixture.loader.lateRequires.record(ScriptPath("a.lua"), asksFor: "late")
    let second = fixture.load(["a.lua": script, "lib/late.lua": "return 2"], after: first)
    #expect(try result(of: first.jobs[0]) == 1)
    #expect(try result(of: second.jobs[0]) == 2)
  }

  @Test("a runtime error names the script's line")
  func place() throws {
    let generation = try LoadFixture().load([
      "dir/a.lua": "job 'x' {\n  run = function()\n    error 'broken'\n  end,\n}"
    ])
    let error = #expect(throws: LuaError.self) { try result(of: generation.jobs[0]) }
    #expect(error?.message == "dir/a.lua:3: broken")
  }
}
