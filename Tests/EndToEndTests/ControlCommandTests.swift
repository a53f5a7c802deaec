import Foundation
import Testing

/// The commands that talk to a host, through its socket, as people use them.
@Suite("Commands for a running host", .serialized, .timeLimit(.minutes(5)))
struct ControlCommandTests {
  private static let script = """
    job "echo" { run = function(ctx) log.info("said", ctx.params) return ctx.params end }
    job "often" { every = "50ms", run = function() end }
    job "daily" { cron = "30 4 * * *", run = function() end }
    job "fails" { run = function() error("disk on fire") end }
    job "waits" { run = function(ctx) log.warn("begun") wait("go") end }
    """

  private func host(_ place: Place) throws -> HostProcess {
    try place.save("a.lua", Self.script)
    let host = try place.host("--set", "http.listen=false")
    try host.awaitLine { $0.contains("5 jobs from") }
    return host
  }

  @Test("status, trigger, retry, logs, cancel: a run is asked for, waited for, tried again and ended")
  func runs() throws {
    let place = try Place()
    let host = try host(place)
    let status = try place.said(["status", "--json"])
    #expect(status.status == 0, "\(status)")
    #expect(status.output.contains("\"total\":5"))
    let plain = try place.said(["status"])
    #expect(plain.output.contains("5 jobs"))
    let done = try place.said(["trigger", "echo", "--param", "a=1", "--wait", "--json"])
    #expect(done.status == 0, "\(done)")
    #expect(done.output.contains("\"outcome\":\"succeeded\""))
    #expect(done.output.contains("\"params\":{\"a\":1}"))
    let followed = try place.said(["trigger", "echo", "--param", "b=2", "--follow"])
    #expect(followed.status == 0, "\(followed)")
    #expect(followed.output.contains("said"))
    #expect(followed.output.contains("succeeded"))
    let failed = try place.said(["trigger", "fails", "--wait"])
    #expect(failed.status == 1, "\(failed)")
    #expect(failed.output.contains("disk on fire"))
    let id = try #require(failed.errors.split(separator: " ").dropFirst().first)
    let again = try place.said(["retry", "\(id)", "--wait"])
    #expect(again.status == 1, "\(again)")
    let lines = try place.said(["logs", "echo"])
    #expect(lines.status == 0, "\(lines)")
    #expect(lines.output.split(separator: "\n").count == 2)
    let history = try place.said(["history", "echo", "--log"])
    #expect(history.output.split(separator: "\n").count { $0.contains("info  said {") } == 2, "\(history)")
    #expect(try place.said(["history", "echo", "--log", "--json"]).output.contains("\"log\":[{\"at\":"))
    let open = try place.said(["trigger", "waits"])
    let run = try #require(open.output.split(separator: " ").dropFirst().first)
    let ended = try place.said(["cancel", "\(run)"])
    #expect(ended.status == 0, "\(ended)")
    #expect(try place.said(["cancel", "999999"]).status == 1)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("pause and resume, of a job and of everything, are kept over a kill with their reason")
  func pauses() throws {
    let place = try Place()
    var host = try host(place)
    let paused = try place.said(["pause", "often", "--reason", "the disk is full"])
    #expect(paused.status == 0, "\(paused)")
    #expect(try place.said(["pause", "--all", "--reason", "moving"]).status == 0)
    host.signal(SIGKILL)
    _ = try host.awaitExit()
    host = try place.host("--set", "http.listen=false")
    try host.awaitLine { $0.contains("5 jobs from") }
    let status = try place.said(["status"])
    #expect(status.output.contains("moving"), "\(status)")
    let list = try place.said(["list"])
    #expect(list.output.contains("paused: the disk is full"), "\(list)")
    #expect(try place.said(["resume", "--all"]).status == 0)
    #expect(try place.said(["resume", "often"]).output.contains("often is resumed"))
    let unknown = try place.said(["pause", "oftn"])
    #expect(unknown.status == 1)
    #expect(unknown.errors.contains("no job is named \"oftn\""), "\(unknown)")
    #expect(try place.said(["pause"]).status == 2)
    host.signal(SIGTERM)
    _ = try host.awaitExit()
  }

  @Test("a host that is killed between a pause and its answer has the pause with its reason, or neither")
  func killedPauses() throws {
    let place = try Place()
    for round in 0..<12 {
      let host = try host(place)
      let reason = "round \(round)"
      let order = try HostProcess(["pause", "often", "--reason", reason], in: place.path)
      // A random moment of the order's way: from before the command has connected to after its answer.
      _ = host.endWithin(Double.random(in: 0...0.06))
      host.signal(SIGKILL)
      _ = try host.awaitExit()
      let isAnswered = try order.awaitExit() == 0
      let list = try place.said(["list", "--json"]).output
      let isPaused = list.contains("\"paused\":true")
      #expect(isPaused == list.contains("\"reason\":\"\(reason)\""), "\(list)")
      #expect(isPaused || !isAnswered, "round \(round) was answered and is gone: \(list)")
      guard isPaused else { continue }
      let next = try self.host(place)
      #expect(try place.said(["resume", "often"]).status == 0)
      next.signal(SIGTERM)
      _ = try next.awaitExit()
    }
  }

  @Test("upcoming, schedule, unschedule, backfill, reload and top say what they did")
  func others() throws {
    let place = try Place()
    let host = try host(place)
    let upcoming = try place.said(["upcoming"])
    #expect(upcoming.status == 0, "\(upcoming)")
    #expect(upcoming.output.contains("daily"))
    #expect(upcoming.output.contains("often"))
    // The strip: one bar, for the one fire that is not of a frequent job.
    let strip = try #require(upcoming.output.split(separator: "\n").first)
    #expect(strip.count { $0 == "█" } == 1 && strip.hasSuffix("|  at most 1 in 30m"), "\(upcoming)")
    let made = try place.said(["schedule", "echo", "--every", "1h", "--id", "hourly", "--param", "x=1"])
    #expect(made.output.hasPrefix("hourly: "), "\(made)")
    #expect(try place.said(["unschedule", "hourly"]).output == "hourly is gone\n")
    #expect(try place.said(["unschedule", "hourly"]).status == 1)
    let plan = try place.said(["backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-04", "--dry-run"])
    #expect(plan.output.contains("3 fire times: nothing was run"), "\(plan)")
    let filled = try place.said(["backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-04"])
    #expect(filled.output.contains("3 fire times: runs"), "\(filled)")
    #expect(try place.said(["reload"]).status == 0)
    try place.save("b.lua", "job (")
    let broken = try place.said(["reload"])
    #expect(broken.status == 1, "\(broken)")
    #expect(broken.errors.contains("b.lua:"))
    let top = try place.said(["top"])
    #expect(top.status == 0, "\(top)")
    #expect(top.output.contains("RUN"))
    let words = try place.said(["---completion", "pause", "--", "positional@0", "1", "5", "moondial", "pause", "of"])
    #expect(words.output.contains("often"), "\(words)")
    host.signal(SIGTERM)
    _ = try host.awaitExit()
  }

  @Test(
    "without a host each command is one sentence with exit code 3",
    arguments: [
      ["status"], ["trigger", "a"], ["pause", "a"], ["pause", "--all"], ["resume", "a"], ["cancel", "1"],
      ["retry", "1"], ["reload"], ["logs", "a"], ["upcoming"], ["schedule", "a", "--every", "1h"],
      ["unschedule", "a"], ["backfill", "a", "--from", "2026-01-01", "--to", "2026-01-02"], ["top"], ["dashboard"],
      ["status", "--server", "http://127.0.0.1:9"],
    ])
  func noHost(command: [String]) throws {
    let place = try Place()
    let answer = try place.said(command)
    #expect(answer.status == 3, "\(answer)")
    #expect(answer.errors.split(separator: "\n").count == 1, "\(answer)")
    #expect(answer.errors.hasPrefix("moondial: no host"), "\(answer)")
  }
}
