import Foundation
import Glibc
import Testing

/// `list`, `history` and `explain`: the host tells while one is up, the stores when none is, and it looks the same.
@Suite("Answers with and without a host, end to end", .serialized, .timeLimit(.minutes(5)))
struct HostAnswerTests {
  private static let script = """
    job "echo" { tags = { "loud" }, description = "Says it again", run = function(ctx) log.info("said", ctx.params) end }
    job "daily" { cron = "30 4 * * *", tags = { "calm", "loud" }, run = function() end }
    job "fails" { run_at_start = true, run = function() error("disk on fire") end }
    job "long" { run_at_start = true, run = function() return ("x"):rep(20000) end }
    job "waits" { run_at_start = true, max_instances = 1, overlap = "queue",
      run = function(ctx) ctx:progress(0.25) log.warn("begun") wait("go") end }
    """

  /// A host whose job `waits` has begun and logged.
  private func host(_ place: Place) throws -> HostProcess {
    try place.save("a.lua", Self.script)
    try place.save("b.lua", "job \"sometimes\" { every = \"1h\", run = function() end }")
    let host = try place.host()
    try host.awaitAnywhere("disk on fire")
    try host.awaitAnywhere("waits #3: begun")
    // What it says is written before it answers the next question about it.
    _ = try place.said(["trigger", "echo", "--param", "loudly=1", "--wait"])
    _ = try place.said(["history"])
    return host
  }

  @Test("the same question gets the same answer from both")
  func same() throws {
    let questions = [
      ["list", "--tag", "loud"], ["list", "--text", "again"], ["list", "--file", "b.lua"],
      ["list", "--status", "failing"], ["list", "--limit", "2"],
      ["list", "--after", "echo", "--tag", "calm"], ["list", "--orphans"],
      ["history", "--outcome", "failed"], ["history", "--text", "DISK on"], ["history", "--text", "said"],
      ["history", "--tag", "loud", "--log"], ["history", "--run", "1"], ["history", "--run", "2", "--json"],
      ["history", "--limit", "1", "--after", "3", "--json"], ["history", "echo", "--log", "--json"],
      ["history", "long", "--json"], ["history", "--until", "2020-01-01"], ["explain", "fails"],
      ["explain", "fails", "--json"], ["explain", "daily"], ["explain", "echo", "--at", "2020-01-01"],
    ]
    let place = try Place()
    let host = try host(place)
    defer { host.signal(SIGKILL) }
    for question in questions {
      let told = try place.said(question)
      let read = try place.said(question + ["--stored"])
      #expect(told.status == 0, "\(question): \(told)")
      #expect(told.output == read.output && told.errors == read.errors, "\(question): \(told) \(read)")
      #expect(!told.output.isEmpty || question.contains("2020-01-01"), "\(question)")
    }
    #expect(host.endWithin(0) == nil, "the host was there all the time")
  }

  @Test("what only a host knows is in its list: what runs and how far, scripts' problems, the pause of everything")
  func onlyHost() throws {
    let place = try Place()
    let host = try host(place)
    #expect(try place.said(["trigger", "waits"]).status == 0)
    let row = try #require(try place.said(["list", "--text", "waits"]).output.split(separator: "\n").last)
    #expect(row.contains("1 running, 1 waiting: 25 %"), "\(row)")
    #expect(try place.said(["history", "--open"]).output.split(separator: "\n").count == 3)
    #expect(try place.said(["explain", "waits"]).output.contains("waits in the queue of its job"))
    #expect(try place.said(["pause", "--all", "--reason", "moving"]).status == 0)
    let paused = try place.said(["list"])
    #expect(paused.errors.contains("everything is paused by "), "\(paused)")
    #expect(paused.errors.contains(": moving"), "\(paused)")
    #expect(paused.output.contains("paused with everything"), "\(paused)")
    #expect(try place.said(["explain", "daily"]).output.contains("everything is paused by "))
    #expect(try place.said(["list", "--json"]).output.contains("\"paused_with_everything\":true"))
    try place.save("b.lua", "job (")
    #expect(try place.said(["reload"]).status == 1)
    let broken = try place.said(["list"])
    #expect(broken.status == 1, "\(broken)")
    #expect(broken.errors.contains("moondial: b.lua:"), "\(broken)")
    #expect(broken.output.contains("sometimes"), "its last good version is in force: \(broken)")
    host.signal(SIGKILL)
  }

  @Test("filters and pages that cannot be meant are one sentence, with and without a host")
  func mistakes() throws {
    let place = try Place()
    let host = try host(place)
    let commands = [
      ["list", "--limit", "0"], ["list", "--orphans", "--status", "paused"], ["list", "--status", "odd"],
      ["list", "--server", "http://127.0.0.1:1", "--stored"], ["history", "--after", "x"], ["history", "--limit", "0"],
      ["history", "--open", "--outcome", "failed"], ["history", "--since", "2026-01-02", "--until", "2026-01-01"],
      ["explain", "daily", "--limit", "0"], ["explain", "daily", "--limit", "5000"],
    ]
    for command in commands { #expect(try place.said(command).status == 2, "\(command)") }
    for command in [["history", "ecko"], ["explain", "ecko"], ["history", "--run", "999"]] {
      let told = try place.said(command)
      #expect(told.status == 1 && told.errors.split(separator: "\n").count == 1, "\(told)")
      let read = try place.said(command + ["--stored"])
      #expect(read.status == 1 && read.errors.split(separator: "\n").count == 1, "\(read)")
    }
    host.signal(SIGKILL)
    _ = try host.awaitExit()
    for command in commands { #expect(try place.said(command).status == 2, "\(command)") }
    // Who asks for a host by name wants its answer, and no other.
    #expect(try place.said(["history", "--server", "http://127.0.0.1:1"]).status == 3)
    #expect(try place.said(["history", "fails"]).output.contains("disk on fire"))
  }

  @Test("orphans are found through a host, with what the stores keep of them")
  func orphans() throws {
    let place = try Place()
    var host = try host(place)
    try place.remove("b.lua")
    #expect(try place.said(["reload"]).status == 0)
    let told = try place.said(["list", "--orphans"])
    #expect(told.output.contains("sometimes"), "\(told)")
    #expect(try place.said(["list", "--orphans", "--stored"]).output == told.output)
    #expect(try !place.said(["list"]).output.contains("sometimes"))
    host.signal(SIGKILL)
    _ = try host.awaitExit()
    host = try place.host()
    try host.awaitAnywhere("disk on fire")
    #expect(try place.said(["list", "--status", "orphaned"]).output == told.output)
    host.signal(SIGKILL)
  }

  @Test("a host of other scripts is not asked about these, and one that stands still is not waited for")
  func others() throws {
    let place = try Place()
    let host = try host(place)
    try FileManager.default.createDirectory(atPath: place.path + "/others", withIntermediateDirectories: true)
    try Data("job 'elsewhere' { run = print }".utf8).write(to: URL(fileURLWithPath: place.path + "/others/x.lua"))
    let other = try place.said(["list", "others"])
    #expect(other.output.contains("elsewhere") && !other.output.contains("daily"), "\(other)")
    #expect(try place.said(["list", "./scripts/"]).output.contains("daily"))
    host.signal(SIGSTOP)
    let history = try place.said(["history", "fails"])
    host.signal(SIGKILL)
    host.signal(SIGCONT)
    #expect(history.status == 0 && history.output.contains("disk on fire"), "\(history)")
    #expect(history.errors.contains("the stores are read instead"), "\(history)")
  }
}
