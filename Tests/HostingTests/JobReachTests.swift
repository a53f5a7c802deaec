import ScriptLoading
import Testing

@testable import Hosting

@Suite("On which hosts a job can be executed")
struct JobReachTests {
  private func reach(_ body: String, _ options: String = "", before: String = "") throws -> JobReach {
    let script = "\(before)\njob \"it\" { on = \"go\", \(options) run = function(ctx) \(body) end }"
    let host = try ControlledHost(["a.lua": script])
    defer { host.stop() }
    let job = try #require(host.assembly.operations.parts.scripts.current?.job(named: "it"))
    return JobReach(job)
  }

  @Test(
    "what asks the scheduler stays with the host that leads",
    arguments: [
      ("emit(\"x\")", "emit"), ("wait(\"x\")", "wait"), ("jobs.run(\"it\")", "jobs"),
      ("for _, j in ipairs(jobs.list()) do end", "jobs"),
      ("local f = _G[\"emit\"] f(\"x\")", "emit"), ("ctx:wait_for(\"x\")", "wait_for"),
      ("ctx:transaction(function(tx) tx.emit(\"x\") end)", "emit"),
      ("ctx:transaction(function(tx) end)", "transaction"), ("ctx.outbox.emit(\"x\")", "emit"),
      ("ctx.outbox.kv.set(\"x\", 1)", "outbox"), ("(function() return emit end)()(\"x\")", "emit"),
    ])
  func stays(body: String, name: String) throws {
    let reach = try reach(body)
    #expect(reach.staysHere?.contains("uses \(name)") == true || reach.staysHere?.contains("uses ctx.\(name)") == true)
  }

  @Test("also by way of locals and helpers of its script")
  func helpers() throws {
    #expect(try reach("tell()", before: "local e = emit\nlocal function tell() e(\"x\") end").staysHere != nil)
    #expect(try reach("tell()", before: "function tell() jobs.pause(\"it\") end").staysHere != nil)
    #expect(try reach("t.deep.f()", before: "local t = { deep = { f = function() return emit end } }").staysHere != nil)
    // Of what it cannot reach nothing counts.
    #expect(try reach("return 1", before: "local function other() emit(\"x\") end").staysHere == nil)
  }

  @Test(
    "everything else may be anywhere",
    arguments: [
      "print(\"emitted, waited for jobs\")", "kv.set(\"n\", 1)", "return ctx:step(\"a\", function() return 1 end)",
      "sleep(\"1s\") ctx:sleep(\"1h\")", "log.info(\"x\") ctx:progress(0.5)", "exec { \"true\" }",
      "return http.get(\"http://x\")",
    ])
  func anywhere(body: String) throws {
    let reach = try reach(body)
    #expect(reach.staysHere == nil && !reach.needsSameFiles)
  }

  @Test("files that it watches, and tables with objects as keys")
  func others() throws {
    #expect(try reach("", "watch = \"/nowhere/*.csv\",").staysHere?.contains("watches") == true)
    let table = try reach("return t", before: "local t = { [{}] = 1, [{}] = 2 }")
    #expect(table.staysHere?.contains("objects as keys") == true)
    #expect(try reach("require(\"m\")").needsSameFiles)
  }

  @Test("the digest is that of the code and of the options that a run sees; lines and schedules are not in it")
  func digests() throws {
    let plain = try reach("return 1").digest
    #expect(try reach("return 1", before: "\n\n-- a comment").digest == plain)
    #expect(try reach("return 1", "every = \"1h\", tags = \"x\", priority = 3, on_nodes = {},").digest == plain)
    for options in [
      "timeout = \"9s\",", "memory = \"9MB\",", "params = { a = 1 },", "state = \"run\",", "retry = 2,",
      "timezone = \"Asia/Tokyo\",",
    ] { #expect(try reach("return 1", options).digest != plain, "\(options)") }
    #expect(try reach("return 2").digest != plain)
    #expect(try reach("return x", before: "local x = 1").digest != reach("return x", before: "local x = 2").digest)
  }
}
