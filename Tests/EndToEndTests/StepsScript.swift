import Glibc
import Testing

/// A job with a step, a wait and a transaction, for stores of every kind; and what becomes of it.
enum StepsScript {
  private static let text = """
    job "long" { run_at_start = true, run = function(ctx)
      if kv.get("began") and ctx.id ~= kv.get("began") then return "a newer one" end
      kv.set("began", ctx.id)
      ctx:step("pay", function() print("paid once") return 1 end)
      ctx:sleep("1s")
      local data = ctx:wait_for("ready", "1h")
      ctx:transaction(function(tx)
        tx.kv.set("n", data.n)
        tx.run("child", { n = data.n })
      end)
      ctx.outbox.emit("done", { n = data.n })
      return { n = kv.get("n") }
    end }
    job "child" { run = function(ctx) print("child " .. ctx.params.n) end }
    job "listener" { on = "done", run = function(ctx) print("heard " .. ctx.event.data.n) end }
    job "sender" { run = function() assert(emit("ready", { n = 7 })) end }
    """

  /// Kills a host while the run is parked; the next one goes on with it, and what is asked for is done once.
  ///
  /// - Parameter executor: where its jobs run, as its `moondial.lua` names it.
  static func live(in place: Place, on executor: String = "default") throws {
    try place.save("a.lua", "job_defaults { executor = '\(executor)' }\n" + text)
    let first = try place.host("-v")
    try first.awaitAnywhere("paid once")
    try first.awaitLine { $0.contains("long #1") && $0.contains("parked for the event \"ready\"") }
    // Said when it is decided, and a moment later durable.
    while try !place.run("history", "--run", "1", "--json", "--stored").output.joined().contains("\"parked\"") {}
    first.signal(SIGKILL)
    try first.awaitExit()
    let second = try place.host("-v")
    try second.awaitLine(containing: "4 jobs")
    #expect(try place.run("trigger", "sender", "--wait").status == 0)
    try second.awaitAnywhere("child 7")
    try second.awaitAnywhere("heard 7")
    #expect(!second.text.contains("paid once"), "a step is not done again")
    second.signal(SIGTERM)
    #expect(try second.awaitExit() == 0)
    let history = try place.run("history", "--run", "1").output
    #expect(history.contains { $0.hasPrefix("step 1") && $0.contains("pay") }, "\(history)")
    #expect(history.contains { $0.hasPrefix("step 4") && $0.contains("transaction") }, "\(history)")
    for job in ["child", "listener"] {
      let runs = try place.run("history", job, "--json").output
      #expect(runs.count == 1 && runs[0].contains("\"succeeded\""), "\(job): \(runs)")
    }
  }
}
