import Foundation
import Glibc
import Testing

/// Each command on a host that is stopping, on one of another version, on something else, and over TCP.
@Suite("Commands by the state of the host, end to end", .serialized, .timeLimit(.minutes(5)))
struct HostStateTests {
  private static let script = """
    job "a" { run_at_start = true, run = function() log.info("done") end }
    job "daily" { cron = "30 4 * * *", run = function() end }
    job "waits" { run_at_start = true, run = function() log.warn("begun") wait("go") end }
    """

  /// Every command that talks to a host.
  private static let all = [
    ["status"], ["trigger", "a"], ["trigger", "a", "--wait"], ["pause", "a"], ["pause", "--all"], ["resume", "a"],
    ["resume", "--all"], ["cancel", "2"], ["retry", "1"], ["reload"], ["logs", "a"], ["logs", "2"],
    ["logs", "a", "-f"], ["upcoming"], ["schedule", "a", "--every", "1h", "--id", "s"], ["unschedule", "s"],
    ["backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-03"], ["top"], ["dashboard"], ["list"], ["history"],
    ["explain", "a"], ["upcoming", "--json"], ["status", "--json"], ["nodes"],
  ]

  @Test(
    "a store that cannot be written is the first thing that status says", .enabled(if: canLimit, "needs prlimit"))
  func unwritable() throws {
    let place = try Place()
    try place.save("a.lua", "job 'tick' { every = '100ms', run = function() print('tick') end }\n")
    let host = try HostProcess(["run", "scripts"], in: place.path, shell: "trap '' XFSZ")
    try host.awaitLine(containing: "tick")
    // A disk that takes nothing more.
    try limitFiles(of: host, "4096:")
    try host.awaitLine(containing: "its jobs stay due and are tried again every second")
    var status = try place.run("status")
    // The next fire time may be a tenth of a second away.
    for _ in 0..<50 where !status.output.contains(where: { $0.hasSuffix(", and waits for store default") }) {
      status = try place.run("status")
    }
    #expect(status.status == 1)
    #expect(
      status.output.first?.hasPrefix("problem    store default cannot be written: ") == true, "\(status.output)")
    #expect(
      status.output.contains { $0.hasPrefix("next ") && $0.hasSuffix(", and waits for store default") }, "\(status)")
    #expect(try place.run("status", "--json").output.joined().contains("\"next_due\":"))
    try limitFiles(of: host, "unlimited:")
    try host.awaitLine(containing: "the store can be written again")
    let recovered = try place.run("status")
    #expect(recovered.status == 0 && recovered.output.first?.hasPrefix("host ") == true, "\(recovered)")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  private static let canLimit = FileManager.default.isExecutableFile(atPath: "/usr/bin/prlimit")

  private func limitFiles(of host: HostProcess, _ size: String) throws {
    let ended = try HostProcess.run(
      ["--pid", "\(host.pid)", "--fsize=\(size)"], in: "/", program: ["/usr/bin/prlimit"])
    #expect(ended.status == 0, "\(ended)")
  }

  @Test("on a host that is stopping, questions are answered, and what would start something is refused at once")
  func stopping() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let host = try place.host("--grace", "5m", "--set", "http.listen=127.0.0.1:0")
    try host.awaitAnywhere("waits #2: begun")
    host.signal(SIGTERM)
    try host.awaitLine(containing: "stopping")
    let status = try place.said(["status"])
    #expect(status.status == 1 && status.output.contains("stopping"), "\(status)")
    for command in [
      ["logs", "a"], ["upcoming"], ["top"], ["list"], ["history"], ["explain", "a"], ["explain", "waits"],
      ["pause", "a", "--reason", "kept"], ["resume", "a"], ["dashboard"],
    ] {
      let said = try place.said(command)
      #expect(said.status == 0 && said.errors.isEmpty, "\(command): \(said)")
    }
    for command in [
      ["trigger", "a"], ["trigger", "a", "--wait"], ["retry", "1"], ["reload"],
      ["schedule", "a", "--every", "1h"], ["backfill", "daily", "--from", "2026-01-01", "--to", "2026-01-03"],
    ] {
      let said = try place.said(command)
      #expect(said.status == 1 && said.errors.hasPrefix("moondial: the host is stopping"), "\(command): \(said)")
      #expect(said.errors.split(separator: "\n").count == 1, "\(command): \(said)")
    }
    // Who follows is let go when the host ends; who waits for a run learns how it ended.
    let follower = try HostProcess(["logs", "waits", "-f"], in: place.path)
    try follower.awaitLine(containing: "begun")
    #expect(try place.said(["cancel", "2"]).output.contains("run 2"))
    #expect(try host.awaitExit() == 0)
    #expect([0, 1, 3].contains(try follower.awaitExit()))
    let history = try place.said(["history", "waits"])
    #expect(history.output.contains("cancelled"), "\(history)")
  }

  @Test("a host of another version is one sentence with both versions", arguments: all)
  func otherVersion(command: [String]) throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let fake = try FakeHost(at: place) { target in
      target.hasPrefix("/api/v1/status") ? (200, #"{"version":"9.9.9","state":"up"}"#) : (404, "{}")
    }
    defer { withExtendedLifetime(fake) {} }
    let said = try place.said(command)
    #expect(said.status == 1, "\(said)")
    #expect(said.output.isEmpty && said.errors.split(separator: "\n").count == 1, "\(said)")
    #expect(said.errors.contains("is Moondial 9.9.9 and this is "), "\(said)")
    #expect(said.errors.contains("use commands of the host's version"), "\(said)")
  }

  @Test(
    "what is no host is one sentence", arguments: all,
    [(200, "<html>"), (500, "oops"), (200, "[]")] as [(Int, String)])
  func noHost(command: [String], answer: (Int, String)) throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    let fake = try FakeHost(at: place) { _ in answer }
    defer { withExtendedLifetime(fake) {} }
    let said = try place.said(command)
    #expect(said.status == 1, "\(said)")
    #expect(said.output.isEmpty && said.errors.split(separator: "\n").count == 1, "\(said)")
    #expect(
      said.errors.contains("is no Moondial host") || said.errors.contains("status 500"), "\(said)")
  }

  @Test("over TCP every command works with a token; without a good one, or one that may only ask, it is a sentence")
  func tokens() throws {
    let place = try Place()
    try place.save("a.lua", Self.script)
    try Data("operator-token\n".utf8).write(to: URL(fileURLWithPath: place.path + "/o"))
    try Data("reader-token\n".utf8).write(to: URL(fileURLWithPath: place.path + "/r"))
    let configuration = """
      return { secrets = { directory = '.' }, http = { listen = "127.0.0.1:0", tokens = {
        o = { role = 'operate', secret = 'o' }, r = { role = 'read', secret = 'r' } } } }
      """
    try Data(configuration.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    // The environment of a test's processes turns TCP off.
    let host = try place.host("--set", "http.listen=127.0.0.1:0")
    try host.awaitAnywhere("waits #2: begun")
    let link = try place.said(["dashboard"])
    let server = String(link.output.prefix { $0 != "?" }.dropLast("/login".count))
    // Elsewhere, so that nothing is found by the state directory.
    let away = try Place()
    func said(_ command: [String], _ token: String?) throws -> Said {
      try away.said(command + ["--server", server] + (token.map { ["--token", $0] } ?? []))
    }
    let tells = ["trigger", "pause", "resume", "cancel", "retry", "reload", "schedule", "unschedule", "backfill"]
    for command in Self.all where command != ["logs", "a", "-f"] {
      for token in [nil, "wrong"] {
        let refused = try said(command, token)
        #expect(refused.status == 1 && refused.errors.split(separator: "\n").count == 1, "\(command): \(refused)")
        #expect(refused.errors.contains("--token"), "\(command): \(refused)")
      }
      let read = try said(command, "reader-token")
      let isOrder = tells.contains(command[0]) || command == ["dashboard"]
      #expect(read.status == (isOrder ? 1 : 0), "\(command): \(read)")
      if isOrder { #expect(read.errors.contains("operate"), "\(command): \(read)") }
      let done = try said(command, "operator-token")
      #expect(done.status == 0, "\(command): \(done)")
    }
    let unreachable = try away.said(["status", "--server", "http://127.0.0.1:1", "--token", "x"])
    #expect(unreachable.status == 3, "\(unreachable)")
    host.signal(SIGKILL)
  }
}
