import Foundation
import HTTPFixtures
import Testing

/// What people ask the host that leads about a run that another host executes.
extension PlacedRunTests {
  private static let far = """
    job "far" { on = "go", on_nodes = "gpu", run = function(ctx)
      log.warn("begun " .. ctx.params.n)
      if ctx.params.n == 1 then error("disk on fire") end
      kv.set("n", ctx.params.n)
      while kv.get("end") ~= ctx.params.n and not ctx:cancelled() do sleep("20ms") end
      return ctx.params.n
    end }
    """

  /// Commands about runs that have begun on another host, and what they say there as anywhere.
  private static let open: [(command: [String], says: String)] = [
    (["status"], "1 running"),
    (["status", "--json"], "\"running\":1"),
    (["list"], "far"),
    (["explain", "far"], "on host second"),
    (["history", "far"], "running"),
    (["history", "--run", "3"], "second"),
    (["history", "--run", "3", "--stored"], "second"),
    (["logs", "3"], "begun 2"),
    (["logs", "far", "--level", "warn"], "begun 2"),
    (["nodes"], "second"),
  ]

  @Test("commands and HTTP about a run on another host say what they say of any run")
  func commands() throws {
    try place.save("a.lua", Self.far)
    let first = try leader()
    let second = try host("second", "gpu")
    try awaitAnswer("SELECT count(*) FROM moondial.members WHERE takes", "1")
    func said(_ command: [String]) throws -> HostProcess.Ended {
      try HostProcess.run(command + ["--state", ".first"], in: place.path)
    }
    let listener = try RawClient(socket: place.path + "/.first/host.sock")
    listener.send("GET /api/v1/events?job=far&type=run_started,run_finished HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(try listener.head().status == 200)
    // One that fails there, and is tried again by hand.
    let failed = try said(["trigger", "far", "--param", "n=1", "--wait"])
    #expect(failed.status == 1 && failed.output.joined().contains("disk on fire"), "\(failed)")
    let again = try said(["retry", "1", "--wait"])
    #expect(again.status == 1 && again.output.joined().contains("disk on fire"), "\(again)")
    let history = try said(["history", "far", "--log"]).output
    #expect(history.count { $0.contains("begun 1") } == 2, "\(history)")
    // One that goes on there.
    #expect(try said(["trigger", "far", "--param", "n=2"]).status == 0)
    try second.awaitLine(containing: "far #3: begun 2")
    try awaitExplained("far", "on host second")
    // The leader hears of the beginning a moment after it.
    let events = try listener.chunks { $0.contains("\"run\":3") && $0.contains("run_started") }
    #expect(events.contains("run_finished") && events.contains("\"outcome\":\"failed\""), "\(events)")
    for (command, words) in Self.open {
      let ended = try said(command)
      #expect(ended.status == 0 && ended.output.contains { $0.contains(words) }, "\(command): \(ended)")
    }
    try http()
    #expect(try said(["cancel", "3"]).status == 0)
    try awaitAnswer("SELECT outcome FROM moondial.runs WHERE id = 3", "cancelled")
    #expect(try listener.chunks { $0.contains("\"outcome\":\"cancelled\"") }.contains("run_finished"))
    #expect(!first.text.contains("begun"))
    try end(second, first)
  }

  private func http() throws {
    let client = try RawClient(socket: place.path + "/.first/host.sock")
    let run = try client.request("GET", "/api/v1/runs/3")
    #expect(run.status == 200 && run.body.contains("\"state\":\"running\""), "\(run.body)")
    #expect(run.body.contains("\"node\":\"second\""), "\(run.body)")
    #expect(try client.request("GET", "/api/v1/runs?open=true").body.contains("\"node\":\"second\""))
    #expect(!(try client.request("GET", "/api/v1/runs/1").body.contains("\"node\"")))
    #expect(try client.request("GET", "/api/v1/runs/3/log").body.contains("begun 2"))
    #expect(try client.request("GET", "/api/v1/runs?job=far").body.contains("disk on fire"))
  }

  @Test("who follows the lines of runs has those of runs on other hosts, once each, in their order")
  func follows() throws {
    try place.save(
      "a.lua",
      """
      job "far" { on = "go", on_nodes = "gpu", retry = { max = 1, base = "10ms" }, run = function(ctx)
        for i = 1, ctx.params and ctx.params.n or 30 do
          print("line " .. ctx.attempt .. "." .. i .. ";")
          sleep("100ms")
        end
        if ctx.attempt == 1 then error("again") end
      end }
      """)
    let first = try leader()
    let second = try host("second", "gpu")
    try awaitAnswer("SELECT count(*) FROM moondial.members WHERE takes", "1")
    #expect(try place.run("trigger", "far", "--state", ".first").status == 0)
    try second.awaitLine(containing: "line 1.1;")
    let stream = try RawClient(socket: place.path + "/.first/host.sock")
    stream.send("GET /api/v1/log/stream?run=1 HTTP/1.1\r\nHost: x\r\n\r\n")
    #expect(try stream.head().status == 200)
    let logs = try HostProcess(["logs", "1", "-f", "--state", ".first"], in: place.path)
    try logs.awaitLine(containing: "line 2.30;")
    let told = try stream.chunks { $0.contains("line 2.30;") }
    let lines = (1...2).flatMap { attempt in (1...30).map { "line \(attempt).\($0);" } }
    func places(in text: String) -> [Int] {
      lines.compactMap { text.range(of: $0).map { text.utf8.distance(from: text.startIndex, to: $0.lowerBound) } }
    }
    #expect(places(in: logs.text).count == 60 && places(in: logs.text) == places(in: logs.text).sorted())
    #expect(places(in: told) == places(in: told).sorted() && places(in: told).count >= 30)
    for line in lines { #expect(logs.text.components(separatedBy: line).count == 2, "\(line): \(logs.text)") }
    try awaitAnswer("SELECT outcome FROM moondial.runs WHERE id = 1", "succeeded")
    // One that begins while somebody follows, and is over before the store is asked again.
    let followed = try HostProcess.run(
      ["trigger", "far", "--param", "n=1", "--follow", "--state", ".first"], in: place.path)
    #expect(followed.status == 0 && followed.output.count { $0.contains("line 2.1;") } == 1, "\(followed)")
    logs.signal(SIGKILL)
    try logs.awaitExit()
    try end(second, first)
  }

  @Test("a run that waits, claimed under a version that no host has any more, runs under the newest one")
  func newVersion() throws {
    try place.save("a.lua", "job \"it\" { on = 'go', on_nodes = 'gpu', run = function() print('one') end }")
    let first = try leader()
    #expect(try place.run("trigger", "it", "--state", ".first").status == 0)
    try awaitExplained("it", "first (this host) has no label \"gpu\"")
    let other = place.path + "/other"
    try FileManager.default.createDirectory(atPath: other, withIntermediateDirectories: true)
    let text = "job \"it\" { on = 'go', on_nodes = 'gpu', run = function() print('two') end }"
    try Data(text.utf8).write(to: URL(fileURLWithPath: other + "/a.lua"))
    let second = try host("second", "gpu", scripts: "other")
    try awaitExplained("it", "second has another version of the job")
    try place.save("a.lua", text)
    try second.awaitLine(containing: "it #1: two")
    try awaitAnswer("SELECT outcome || attempts FROM moondial.runs", "succeeded1")
    try awaitAnswer("SELECT count(*) FROM moondial.placed_runs", "0")
    try end(second, first)
  }
}
