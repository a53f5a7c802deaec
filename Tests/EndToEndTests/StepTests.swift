import Foundation
import Glibc
import ScriptFixtures
import Testing

/// Steps of runs through the real host: what was done is not done again, whatever ends the run or the host.
@Suite("Steps and parked runs, end to end", .serialized, .onBothExecutors, .timeLimit(.minutes(5)))
struct StepTests {
  static let grants = "return { grants = { [\"*\"] = { fs = { \"data:rw\" } } } }"

  private func place(_ script: String) throws -> Place {
    let place = try Place()
    try Data(Self.grants.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    try FileManager.default.createDirectory(atPath: place.path + "/data", withIntermediateDirectories: true)
    try place.save("a.lua", "local function note(text) assert(fs.append('data/done', text .. '\\n')) end\n" + script)
    return place
  }

  private func done(_ place: Place) -> [String] { place.text("data/done").split(separator: "\n").map(String.init) }

  private func json(_ lines: [String]) throws -> [[String: Any]] {
    try lines.filter { $0.hasPrefix("{") }.map { line in
      try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
    }
  }

  @Test("a retried run gets the results of its steps, and their functions are not called again")
  func retries() throws {
    let place = try place(
      """
      job "j" { retry = { max = 3, base = "1ms", jitter = false }, run = function(ctx)
        local a = ctx:step("a", function() note("a" .. ctx.attempt) return { n = { 1, 2.5, "ä" } } end)
        local nothing = ctx:step("nothing", function() note("nothing" .. ctx.attempt) end)
        local b, why = ctx:step("b", function()
          note("b" .. ctx.attempt)
          if ctx.attempt < 3 then return nil, "not yet" end
          return 7
        end)
        if not b then return ctx:retry(why) end
        assert(nothing == nil and a.n[3] == "ä")
        return { a, b, ctx.attempt }
      end }
      """)
    let ended = try place.run("exec", "j", "--json")
    #expect(ended.status == 0, "\(ended)")
    #expect(done(place) == ["a1", "nothing1", "b1", "b2", "b3"])
    let result = try json(ended.output).last
    #expect((result?["result"] as? [Any])?.last as? Int == 3)
    let history = try json(try place.run("history", "--run", "1", "--json").output)
    let steps = try #require(history.first?["steps"] as? [[String: Any]])
    #expect(steps.map { $0["name"] as? String } == ["a", "nothing", "b"])
    #expect(steps.map { $0["attempt"] as? Int } == [1, 1, 3])
    #expect(steps.allSatisfy { $0["finished_at"] is String })
    let text = try place.run("history", "--run", "1").output
    #expect(text.contains { $0.hasPrefix("step 3") && $0.contains("b → 7, attempt 3, ") }, "\(text)")
  }

  @Test("two steps of one name, and another order than the first one, are errors that name both")
  func order() throws {
    let place = try place(
      """
      local retry = { max = 1, base = "1ms", jitter = false }
      job "twice" { run = function(ctx)
        ctx:step("pay", function() return 1 end)
        ctx:step("pay", function() return 2 end)
      end }
      job "order" { retry = retry, run = function(ctx)
        local first, second = "pay", "ship"
        if ctx.attempt == 2 then first, second = second, first end
        ctx:step(first, function() return 1 end)
        ctx:step(second, function() return 1 end)
        error("again")
      end }
      job "inside" { run = function(ctx)
        ctx:step("outer", function() ctx:step("inner", print) end)
      end }
      job "after" { run = function(ctx)
        pcall(ctx.step, ctx, "broken", function() error("no") end)
        ctx:step("next", print)
      end }
      job "sleepy" { retry = retry, run = function(ctx)
        if ctx.attempt == 1 then ctx:step("x", function() end) error("again") end
        ctx:sleep(0)
      end }
      """)
    func error(_ job: String) throws -> String {
      let ended = try place.run("exec", job, "--json")
      #expect(ended.status == 1)
      let found = try #require(try json(ended.output).last?["error"] as? [String: Any])
      return "\(found["message"] ?? "") at \(found["line"] ?? 0)"
    }
    #expect(
      try error("twice").contains(#"ctx:step: step 2 is called "pay", as step 1 is: give each step a name of its own"#))
    #expect(
      try error("order").contains(
        #"the run comes to step 1, "ship", and what it did first was step 1, "pay": a run does its steps in one order"#)
    )
    #expect(try error("inside").contains(#"step 1, "inner" begins inside step 1, "outer""#))
    #expect(try error("after").contains(#"step 1, "next" comes after step 1, "broken", which failed"#))
    #expect(
      try error("sleepy").contains(#"the run comes to step 1, a sleep, and what it did first was step 1, "x""#))
    #expect(try error("twice").hasSuffix("at 5"), "the line of the call")
  }

  @Test("a run that parks is executed again from its start, keeps its id, and survives kill -9 and a stop meanwhile")
  func parks() throws {
    let place = try place(
      """
      job "long" { run_at_start = true, timeout = "2s", run = function(ctx)
        if kv.get("began") and ctx.id ~= kv.get("began") then return "a newer one" end
        kv.set("began", ctx.id)
        ctx:step("first", function() note("first") end)
        ctx:sleep("3s")
        ctx:step("second", function() note("second") end)
        local data = ctx:wait_for("go", "1h")
        ctx:step("third", function() note("third " .. data.n) end)
        return ctx.attempt
      end }
      job "sender" { run = function() assert(emit("go", { n = 5 })) end }
      """)
    let first = try place.host("-v")
    try first.awaitLine { $0.contains("parked until") }
    let listed = try place.run("list").output
    #expect(listed.contains { $0.hasPrefix("long ") && $0.contains("parked until ") }, "\(listed)")
    let open = try json(try place.run("history", "--run", "1", "--json").output)
    #expect(open.first?["state"] as? String == "parked")
    #expect(open.first?["parked_until"] is String)
    first.signal(SIGKILL)
    try first.awaitExit()

    let second = try place.host("-v")
    try second.awaitLine { $0.contains("long #1") && $0.contains("parked for the event \"go\"") }
    // The end of a host does not wait for it.
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    #expect(done(place).filter { $0 != "" } == ["first", "second"])

    let third = try place.host("-v")
    try third.awaitLine(containing: "2 jobs")
    #expect(try place.run("trigger", "sender", "--wait").status == 0)
    try third.awaitLine { $0.contains("long #1") && $0.contains("succeeded") && $0.contains("→ 1") }
    #expect(done(place) == ["first", "second", "third 5"])
    third.signal(SIGTERM)
    try third.awaitExit()
  }

  @Test("the results of a run's steps are bounded, and the error names the bound")
  func bytes() throws {
    let place = try place(
      """
      job "big" { run = function(ctx)
        for n = 1, 10000 do
          local ok, why = pcall(ctx.step, ctx, tostring(n), function() return ("x"):rep(200000) end)
          if not ok then return { n, why } end
        end
      end }
      """)
    let ended = try place.run("exec", "big", "--json")
    let result = try #require(try json(ended.output).last?["result"] as? [Any])
    let count = try #require(result[0] as? Int)
    #expect(count > 80 && count <= 85, "16 MB of 200,000 bytes are 84")
    #expect((result[1] as? String)?.contains("have 16 MB of results, and a run has no more") == true, "\(result)")
  }

  @Test("a job whose parked run a host keeps is forgotten when the host has ended")
  func forgotten() throws {
    let place = try place(#"job "long" { run_at_start = true, run = function(ctx) ctx:wait_for("never") end }"#)
    let host = try place.host("-v")
    try host.awaitLine { $0.contains("parked for the event") }
    try place.save("a.lua", "job 'other' { every = '1h', run = print }")
    try host.awaitAnywhere("other")
    host.signal(SIGTERM)
    try host.awaitExit()
    let second = try place.host()
    try second.awaitLine(containing: "1 job")
    let refused = try place.run("forget", "long")
    #expect(refused.status == 1)
    #expect(
      refused.errors.joined().contains(
        "run 1 of long has begun, and the host that is up keeps it for its job: stop the host, and then forget long"),
      "\(refused)")
    second.signal(SIGTERM)
    try second.awaitExit()
    #expect(try place.run("forget", "long").status == 0)
    #expect(try place.run("list", "--orphans").output == ["every job that the store knows is declared by a script"])
  }

  @Test("a wait without its event ends at its timeout, a parked run can be cancelled, and counts as an instance")
  func waits() throws {
    let place = try place(
      """
      job "times out" { run_at_start = true, run = function(ctx)
        local data, why = ctx:wait_for("never", "1s")
        return { data == nil, why }
      end }
      job "for ever" { run_at_start = true, run = function(ctx) ctx:wait_for("never") end }
      """)
    let host = try place.host("-v")
    try host.awaitAnywhere("parked for the event \"never\", ")
    try host.awaitLine { $0.contains("times out #") && $0.contains(#"→ [true,"timeout"]"#) }
    let again = try place.run("trigger", "for ever")
    #expect(
      again.status == 1 && again.errors.joined().contains("maximum number of running instances reached (1)"), "\(again)"
    )
    let runs = try json(try place.run("history", "for ever", "--json").output)
    let id = try #require(runs.first?["id"] as? Int)
    #expect(try place.run("cancel", "\(id)").status == 0)
    try host.awaitLine { $0.contains("for ever #\(id)") && $0.contains("cancelled") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }
}
