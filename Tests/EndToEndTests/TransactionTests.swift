import Foundation
import Glibc
import ScriptFixtures
import Testing

/// Transactions and outboxes through the real host: what is asked for together lands together, or not at all.
@Suite("Transactions and outboxes, end to end", .serialized, .onBothExecutors, .timeLimit(.minutes(5)))
struct TransactionTests {
  private func place(_ script: String) throws -> Place {
    let place = try Place()
    try place.save("a.lua", script)
    return place
  }

  private func result(_ ended: HostProcess.Ended) throws -> Any? {
    for line in ended.output where line.hasPrefix("{") {
      let run = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      if let run, run["outcome"] is String { return run["result"] ?? run["error"] }
    }
    return nil
  }

  /// Triggers a job and answers its result as JSON.
  private func trigger(_ place: Place, _ job: String) throws -> String {
    let ended = try place.run("trigger", job, "--wait", "--json")
    let text = ended.output.joined()
    guard let start = text.firstRange(of: "\"result\":"), let end = text.firstRange(of: ",\"error\":") else {
      return "\(ended)"
    }
    let result = text[start.upperBound..<end.lowerBound]
    return result == "null" ? String(text[end.upperBound...].prefix(300)) : String(result)
  }

  static let script = """
    job "all" { run = function(ctx)
      kv.set("n", 5)
      local sum = ctx:transaction(function(tx)
        tx.kv.set("a", { 1 })
        tx.kv.set("gone", 1)
        tx.kv.delete("gone")
        tx.kv.update("n", function(n) return n + 1 end)
        tx.kv.update("n", function(n) return n * 10 end)
        tx.emit("paid", { by = "all" })
        tx.run("child", { by = "all" })
        tx.schedule("child", { at = "2031-01-01", id = "later" })
        return "landed"
      end)
      return { sum, kv.get("a"), kv.get("gone") == nil, kv.get("n") }
    end }
    job "undo" { run = function(ctx)
      local ok = ctx:transaction(function(tx) tx.unschedule("later") end)
      return { ok == nil }
    end }
    job "listener" { on = "paid", run = function(ctx) print("heard by " .. ctx.event.data.by) end }
    job "child" { run = function(ctx) print("child of " .. ctx.params.by) end }
    job "refused" { run = function(ctx)
      local done, why = ctx:transaction(function(tx)
        tx.kv.set("refused", 1)
        tx.emit("paid", { by = "refused" })
        tx.unschedule("nobody")
      end)
      return { done == nil, why, kv.get("refused") == nil }
    end }
    job "reason" { run = function(ctx)
      local done, why = ctx:transaction(function(tx) tx.kv.set("reason", 1) return nil, "no money" end)
      return { done == nil, why, kv.get("reason") == nil }
    end }
    job "raises" { run = function(ctx)
      local ok = pcall(ctx.transaction, ctx, function(tx) tx.kv.set("raises", 1) error("no") end)
      return { ok, kv.get("raises") == nil }
    end }
    job "waits" { run = function(ctx)
      local _, first = pcall(ctx.transaction, ctx, function(tx) sleep(1) end)
      local _, second = pcall(ctx.transaction, ctx, function(tx) kv.get("a") end)
      kv.get("a")
      return { first, second }
    end }
    job "unknown" { run = function(ctx) ctx:transaction(function(tx) tx.kv.set("unknown", 1) tx.run("nobody") end) end }
    job "late" { run = function(ctx)
      local kept
      ctx:transaction(function(tx) kept = tx end)
      kept.kv.set("late", 1)
    end }
    job "outbox" { retry = { max = 1, base = "1ms", jitter = false }, run = function(ctx)
      ctx.outbox.kv.set("tries", ctx.attempt)
      ctx.outbox.kv.update("total", function(total) return (total or 0) + 1 end)
      ctx.outbox.kv.update("total", function(total) return total + 1 end)
      ctx.outbox.emit("paid", { by = "outbox " .. ctx.attempt })
      ctx.outbox.run("child", { by = "outbox " .. ctx.attempt })
      if ctx.attempt == 1 then error("again") end
      return { kv.get("tries") == nil, kv.get("total") == nil }
    end }
    job "after" { run = function() return { kv.get("tries"), kv.get("total") } end }
    job "stale" { run = function(ctx)
      ctx.outbox.kv.update("stale", function(n) return (n or 0) + 1 end)
      kv.set("stale", 7)
    end }
    """

  @Test("values, events, runs and schedules of a transaction land together, and what is refused lands not at all")
  func transactions() throws {
    let place = try place(Self.script)
    let host = try place.host("-v")
    try host.awaitLine(containing: "jobs from 1 script")
    #expect(try trigger(place, "all") == #"["landed",[1],true,60]"#)
    try host.awaitAnywhere("heard by all")
    try host.awaitAnywhere("child of all")
    #expect(try place.run("list", "--json").output.joined().contains("later"))
    #expect(try trigger(place, "undo") == "[true]")
    #expect(try !place.run("list", "--json").output.joined().contains("later"))
    #expect(
      try trigger(place, "refused") == #"[true,"unschedule(\"nobody\"): no schedule has the id \"nobody\"",true]"#)
    #expect(try trigger(place, "reason") == #"[true,"no money",true]"#)
    #expect(try trigger(place, "raises") == "[false,true]")
    let waits = try trigger(place, "waits")
    #expect(waits.contains("sleep waits, and the function of a transaction does not: call it before or after"))
    #expect(waits.contains("kv.get waits, and the function of a transaction does not"))
    #expect(try trigger(place, "unknown").contains(#"run(\"nobody\"): no job is named \"nobody\""#))
    #expect(try trigger(place, "late").contains("the transaction is over"))
    #expect(!host.text.contains("heard by refused"))
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("an outbox lands with the run's success, and is dropped with a failed attempt")
  func outboxes() throws {
    let place = try place(Self.script)
    let host = try place.host("-v")
    try host.awaitLine(containing: "jobs from 1 script")
    #expect(try trigger(place, "outbox") == "[true,true]")
    try host.awaitAnywhere("heard by outbox 2")
    try host.awaitAnywhere("child of outbox 2")
    #expect(try trigger(place, "after") == "[2,2]")
    #expect(!host.text.contains("outbox 1\n") && !host.text.contains("heard by outbox 1"))
    #expect(try trigger(place, "stale").contains("ctx.outbox: others have changed a value"))
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("exec commits values, and refuses what needs a scheduler as a whole")
  func alone() throws {
    let place = try place(
      """
      job "values" { run = function(ctx)
        ctx:transaction(function(tx) tx.kv.update("n", function(n) return (n or 0) + 1 end) end)
        ctx.outbox.kv.set("out", 1)
        return kv.get("n")
      end }
      job "events" { run = function(ctx)
        local done, why = ctx:transaction(function(tx) tx.kv.set("e", 1) tx.emit("x") end)
        return { done == nil, why, kv.get("e") == nil, kv.get("out") }
      end }
      """)
    #expect(try result(place.run("exec", "values", "--json")) as? Int == 1)
    #expect(try result(place.run("exec", "values", "--json")) as? Int == 2)
    let events = try #require(try result(place.run("exec", "events", "--json")) as? [Any])
    #expect(events[0] as? Bool == true && events[2] as? Bool == true && events[3] as? Int == 1)
    #expect((events[1] as? String)?.contains("needs a scheduler, and exec has none") == true)
  }

  @Test("jobs of another store are refused in one sentence")
  func stores() throws {
    let place = try place(
      """
      job "a" { run = function(ctx) ctx:transaction(function(tx) tx.kv.set("k", 1) tx.run("b") end) end }
      job "b" { store = "other", run = function() end }
      """)
    try Data("return { stores = { default = \"sqlite:moondial.db\", other = \"sqlite:other.db\" } }".utf8).write(
      to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    let host = try place.host()
    try host.awaitLine(containing: "2 jobs")
    let said = try trigger(place, "a")
    #expect(
      said.contains(#"job \"b\" is kept in the store \"other\", and this run in \"default\""#), "\(said)")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }
}
