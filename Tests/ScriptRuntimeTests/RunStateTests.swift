import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite(.onBothExecutors) struct RunStateTests {
  private func counting(_ fields: String = "") -> String {
    "local n = 0\njob \"count\" { max_instances = 4, \(fields) run = function(ctx) n = n + 1 return n end }"
  }

  @Test("a job keeps its state from run to run")
  func kept() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(counting())[0]
    #expect((1...3).map { _ in fixture.run(job).result } == ["1", "2", "3"])
    #expect(fixture.keptStates ?? 1 == 1)
  }

  @Test("a failed run keeps the state as well")
  func keptAfterFailure() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load("local n = 0\njob 'a' { run = function() n = n + 1 error('n=' .. n) end }")[0]
    #expect(fixture.run(job).error?.message == "test.lua:2: n=1")
    #expect(fixture.run(job).error?.message == "test.lua:2: n=2")
  }

  @Test("state = \"run\" begins each run from the captured code")
  func fresh() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(counting("state = \"run\","))[0]
    #expect((1...5).map { _ in fixture.run(job).result } == ["1", "1", "1", "1", "1"])
    #expect(fixture.keptStates ?? 0 == 0)
  }

  @Test("instances that run at once have states of their own")
  func instances() throws {
    let fixture = try PoolFixture()
    fixture.values.hold()
    let job = try fixture.load(
      """
      shared = 0
      job "a" { max_instances = 2, run = function(ctx)
        shared = shared + 1
        local seen = shared
        kv.get("x")
        return { seen, shared }
      end }
      """)[0]
    let tokens = [fixture.submit(job), fixture.submit(job)]
    for token in tokens { fixture.reports.started(token) }
    fixture.values.waitUntilHeld()
    // Both are asleep in kv.get, or about to be; each sees only its own increment.
    fixture.values.release()
    #expect(tokens.map { fixture.reports.ending(of: $0).result } == ["[1,1]", "[1,1]"])
  }

  @Test("two jobs of one script do not share variables")
  func jobs() throws {
    let fixture = try PoolFixture()
    let jobs = try fixture.load(
      "local n = 0\nlocal function count() n = n + 1 return n end\njob 'a' { run = count }\njob 'b' { run = count }")
    #expect(jobs.map { fixture.run($0).result } == ["1", "1"])
    #expect(jobs.map { fixture.run($0).result } == ["2", "2"])
  }

  @Test(
    "a kill drops the kept state",
    arguments: [
      ("while true do end", Outcome.timedOut), ("sleep('1h')", .timedOut),
      ("local t = {} while true do t[#t + 1] = {} end", .outOfMemory),
    ])
  func killed(body: String, outcome: Outcome) throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      "local n = 0\njob 'a' { timeout = '400ms', memory = '2MB', run = function() n = n + 1 if n == 2 then \(body) end return n end }"
    )[0]
    #expect(fixture.run(job).result == "1")
    #expect(fixture.run(job).outcome == outcome)
    #expect(fixture.run(job).result == "1")
  }

  @Test("changed code begins with a fresh state, and the old one goes")
  func changed() throws {
    let fixture = try PoolFixture()
    do {
      let job = try fixture.load(counting())[0]
      #expect(fixture.run(job).result == "1")
      #expect(fixture.keptStates ?? 1 == 1)
    }
    let job = try fixture.load("local n = 10\njob 'count' { run = function() n = n + 1 return n end }")[0]
    #expect(fixture.keptStates ?? 0 == 0)
    #expect(fixture.run(job).result == "11")
  }

  @Test("states over the limit are dropped, longest unused first, and that is logged", .onThreads(because: .answers))
  func eviction() throws {
    var configuration = LuaHostConfiguration()
    configuration.keptBytes = 1
    let fixture = try PoolFixture(configuration: configuration)
    let job = try fixture.load(counting())[0]
    #expect((1...3).map { _ in fixture.run(job).result } == ["1", "1", "1"])
    #expect(fixture.host.keptStates == KeptStateCounts(states: 0, bytes: 0, evictions: 3))
    #expect(fixture.log.messages.count == 1)
    #expect(fixture.log.messages[0].hasPrefix("dropped 1 kept Lua states"))
  }

  @Test("the least recently used state is the one that goes", .onThreads(because: .answers))
  func order() throws {
    let probe = try PoolFixture()
    _ = probe.run(try probe.load(counting())[0])
    var configuration = LuaHostConfiguration()
    configuration.keptBytes = probe.host.keptStates.bytes * 5 / 2
    let fixture = try PoolFixture(configuration: configuration)
    let jobs = try fixture.load(
      "for _, name in ipairs { 'a', 'b', 'c' } do local n = 0 job(name) { run = function() n = n + 1 return n end } end"
    )
    #expect([0, 1, 0].map { fixture.run(jobs[$0]).result } == ["1", "1", "2"])
    #expect(fixture.run(jobs[2]).result == "1")
    #expect(fixture.host.keptStates.states == 2)
    #expect(fixture.run(jobs[0]).result == "3")
    #expect(fixture.run(jobs[1]).result == "1")
  }

  @Test("a run that waits is not in the way of eviction, nor dropped by it", .onThreads(because: .answers))
  func running() throws {
    var configuration = LuaHostConfiguration()
    configuration.keptBytes = 1
    let fixture = try PoolFixture(configuration: configuration)
    fixture.values.hold()
    let waiting = fixture.submit(
      try fixture.load("local n = 5\njob 'w' { run = function() kv.get('x') return n end }")[0])
    fixture.values.waitUntilHeld()
    let other = try fixture.load(counting(), path: "other.lua")[0]
    #expect(fixture.run(other).result == "1")
    fixture.values.release()
    #expect(fixture.reports.ending(of: waiting).result == "5")
  }
}
