import Basics
import Chronology
import Executors
import JobModel
import Lua
import MemoryStore
import SchedulerService
import ScriptFixtures
import Synchronization
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite("Runs that are killed", .onBothExecutors)
struct RunKillTests {
  /// Scripts' bodies that end in a kill, and how.
  static let kills: [(body: String, outcome: Outcome)] = [
    ("while true do end", .timedOut), ("sleep('1h')", .timedOut), ("sleep('10ms') while true do end", .timedOut),
    ("local t = {} while true do t[#t + 1] = {} end", .outOfMemory),
    ("sleep('1ms') local s = 'x' while true do s = s .. s end", .outOfMemory),
  ]

  @Test(
    "on_error is called after a timeout and without memory, in a state as the script declared it; it may wait",
    arguments: kills)
  func hook(body: String, outcome: Outcome) throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      """
      local n = 0
      job "a" {
        timeout = "300ms", memory = "2MB", state = "job",
        run = function() n = n + 1 if n == 2 then \(body) end return n end,
        on_error = function(ctx, err)
          n = n + 10
          sleep("1ms")
          kv.set("outcome", err.outcome)
          log.info(ctx.job .. " " .. ctx.attempt .. " " .. n .. " " .. err.line .. " " .. (ctx:deadline() > 5 and "new time" or "old time"))
        end,
      }
      """)[0]
    #expect(fixture.run(job).result == "1")
    let report = fixture.run(job)
    #expect(report.outcome == outcome)
    #expect(report.error?.line == 4)
    #expect(fixture.log.messages == ["a 1 10 4 new time"])
    #expect(fixture.values.raw["test.lua/outcome"]?.value == JSONText("\"\(outcome.rawValue)\""))
    // The state in which the hook ran is the job's state now.
    #expect(fixture.run(job).result == "11")
  }

  @Test(
    "on_error after a kill has a time of its own, and ends with it", arguments: ["while true do end", "sleep('1h')"])
  func endlessHook(_ body: String) throws {
    var configuration = LuaHostConfiguration()
    configuration.hookTimeout = 20_000_000
    let fixture = try PoolFixture(configuration: configuration)
    for lifetime in ["job", "run"] {
      let job = try fixture.load(
        "job 'a' { timeout = '20ms', state = '\(lifetime)', run = function() \(body) end, on_error = function() \(body) end }"
      )[0]
      #expect(fixture.run(job).outcome == .timedOut)
      #expect(fixture.log.all.last?.message.hasPrefix("on_error was stopped (timed_out)") == true)
      #expect(fixture.run(job).outcome == .timedOut)
    }
  }

  @Test("on_error is not called after a cancel", arguments: ["while true do end", "sleep('1h')"])
  func cancelled(_ body: String) throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      "job 'a' { run = function() log.info('here') \(body) end, on_error = function() log.info('never') end }")[0]
    let token = fixture.submit(job)
    fixture.log.wait(for: "here")
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    #expect(fixture.log.messages == ["here"])
  }

  @Test("on_error can be cancelled after a kill, and the outcome is the kill's")
  func cancelledHook() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      "job 'a' { timeout = '20ms', run = function() while true do end end, on_error = function() log.info('hook') sleep('1h') end }"
    )[0]
    let token = fixture.submit(job)
    fixture.log.wait(for: "hook")
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .timedOut)
  }

  @Test("jobs that take turns in one hot state see nothing of each other")
  func turns() throws {
    let fixture = try PoolFixture(workers: 1)
    let jobs = try fixture.load(
      """
      local function count() n = (rawget(_G, "n") or 0) + 1 string.mine = (string.mine or 0) + 1 return n + string.mine end
      job "a" { state = "run", memory = "1MB", run = function() return count() end }
      job "b" { state = "run", memory = "8MB", run = function() return count() + #string.rep("x", 4000000) end }
      job "c" { state = "run", memory = "1MB", run = function() return #string.rep("x", 4000000) end }
      """)
    for _ in 0..<3 {
      #expect(fixture.run(jobs[0]).result == "2")
      #expect(fixture.run(jobs[1]).result == "4000002")
      #expect(fixture.run(jobs[2]).outcome == .outOfMemory)
    }
  }

  @Test("a module that a run requires first is run there, once per state, and may wait")
  func lateModule() throws {
    let fixture = try PoolFixture()
    let jobs = try fixture.load(
      """
      job "a" { run = function(ctx) local m = require("net.slow") return { m.calls(), m == require("net.slow"), m.where } end }
      job "b" { run = function() return pcall(require, "none") end }
      """,
      modules: [
        "net.slow": "local n = 0 sleep('1ms') return { calls = function() n = n + 1 return n end, where = (...) }"
      ])
    for n in 1...2 {
      let report = fixture.run(jobs[0])
      #expect(report.result == "[\(n),true,\"net.slow\"]", "\(report.error?.message ?? "")")
    }
    #expect(fixture.run(jobs[1]).result == "false")
  }

  /// From the monitor's report to the history: the run's worker is replaced, the other jobs go on, and the run ends as
  /// stuck when its thread returns.
  @Test(
    "a run that cannot be stopped is stuck in the history, and holds up nothing but itself",
    .onThreads(because: .unstoppable))
  func stuck() throws {
    let gate = Monitor(false)
    let events = Monitor<[String]>([])
    let replaced = Monitor<Int?>(nil)
    let hang = LuaFunction("hang", in: .run) { _ in
      gate.wait { $0 ? () : nil }
      return .none
    }
    var lua = LuaConfiguration()
    lua.grace = 1_000_000
    lua.stuckAfter = 1_000_000
    lua.hostPatience = 1_000_000
    let host = try LuaHost(
      services: .unwired, declareModules: DeclareModules.modules + [LuaModule("", functions: [hang])], lua: lua)
    let runner = LuaRunner(host)
    var threads = StepPool.Configuration()
    threads.workers = 1
    threads.handOffAfter = .max
    let pool = StepPool(runner, configuration: threads) { event in
      if case .workerReplaced(_, let index, _) = event { replaced.withLock { $0 = index } }
      replaced.broadcast()
    }
    runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
    let loader = try ScriptLoader(runtime: host.runtime, zones: host.services.zones)
    let text = """
      job "bad" { every = "1h", run_at_start = true, timeout = "5ms", priority = 10, run = function() hang() end }
      job "good" { every = "1h", run_at_start = true, run = function() return "fine" end }
      """
    let script = ScriptFile(ScriptPath("a.lua"), .script, .success(FileContent(Array(text.utf8))))
    let generation = loader.load(DirectorySnapshot([script]))
    #expect(generation.errors.isEmpty)
    var configuration = ServiceConfiguration(stores: [("default", MemoryStore())], executors: [("default", pool)])
    configuration.onEvents = { new in
      events.withLock { events in
        for event in new {
          switch event {
          case .runStuck(_, let job): events.append("\(job) is stuck")
          case .runFinished(let run): events.append("\(run.job) \(run.outcome?.rawValue ?? "-")")
          default: break
          }
        }
      }
      events.broadcast()
    }
    let service = SchedulerService(configuration)
    try service.start(generation.jobs)
    events.wait { $0.contains("good succeeded") && $0.contains("bad is stuck") ? () : nil }
    #expect(replaced.wait { $0 } == 1)
    gate.withLock { $0 = true }
    gate.broadcast()
    events.wait { $0.contains("bad stuck") ? () : nil }
    service.drain(grace: 1_000_000_000)
    pool.stop()
    host.stop()
    host.services.blockingPool.stop()
  }
}
