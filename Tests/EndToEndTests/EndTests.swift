import Foundation
import Glibc
import ScriptFixtures
import Testing

@Suite(
  "An end ends, whatever a script, a child or a limit does", .onBothExecutors, .serialized, .timeLimit(.minutes(5)))
struct EndTests {
  private static let tick = "job 'tick' { every = '20ms', run = function() print('tick') end }\n"

  @Test("jobs run while a script loads that never ends; the log says which; SIGTERM ends the host")
  func endlessScript() throws {
    let place = try Place()
    try place.save("a.lua", Self.tick)
    try place.save("endless.lua", "while true do end\n")
    let host = try place.host()
    try host.awaitLine(containing: "endless.lua: it has been loading for 2000 ms; the other scripts do not wait for it")
    try host.awaitLine(containing: "1 script still loading: endless.lua")
    try host.awaitLine(containing: "tick")
    // An edit of another script is live while that one still loads.
    try place.save("b.lua", "job 'b' { every = '20ms', run = function() print('tock') end }\n")
    try host.awaitLine(containing: "tock")
    host.signal(SIGTERM)
    #expect(try host.awaitExit(within: 20) == 0)
    #expect(host.text.contains("stopped"))
  }

  @Test(
    "SIGTERM ends a host that is still starting, at once",
    arguments: [
      ("scripts/a.lua", "while true do end\n"),
      ("moondial.lua", "while true do end\n"),
      ("scripts/a.lua", "string.rep('a', 40):find(string.rep('a?', 40) .. string.rep('a', 40))\n"),
    ])
  func starting(file: String, text: String) throws {
    let place = try Place()
    try Data(text.utf8).write(to: URL(fileURLWithPath: place.path + "/" + file))
    let host = try place.host("-v")
    // It is loading when it burns time.
    try host.awaitBusy()
    host.signal(SIGTERM)
    #expect(try host.awaitExit(within: 15) == 0)
    #expect(host.text.contains("stopped"))
  }

  @Test(
    "SIGTERM ends a host with a run that will not end, within its grace and the margin",
    arguments: [
      "while true do end",
      "local function r(n) if n == 0 then while true do end end return 1 + r(n - 1) end r(150)",
      "pcall(function() while true do end end)",
      "string.rep('a', 30):find(string.rep('a?', 30) .. string.rep('a', 30))",
      "exec { '/bin/sh', '-c', 'trap \"\" TERM; while :; do sleep 0.1; done' }",
      "sleep('1h')",
    ])
  func running(body: String) throws {
    let place = try Place()
    try place.save("a.lua", "job 'held' { run_at_start = true, run = function() print('begun') \(body) end }\n")
    let host = try place.host("--grace", "500ms", "--allow-all")
    try host.awaitLine(containing: "begun")
    host.signal(SIGTERM)
    #expect(try host.awaitExit(within: 30) == 0)
    let history = try place.run("history", "--json").output.joined()
    #expect(history.contains("cancelled") || history.contains("interrupted"), "\(history)")
  }

  @Test(
    "limits of descriptors and threads are one sentence at the start, with the limit's name", arguments: [12, 16, 24])
  func descriptors(limit: Int) throws {
    let place = try Place()
    try place.save("a.lua", Self.tick)
    let ended = try HostProcess.run(
      ["run", "scripts"], in: place.path, prefix: ["prlimit", "--nofile=\(limit)"])
    #expect(ended.status == 1)
    #expect(ended.errors.count == 1, "\(ended.errors)")
    let message = ended.errors.first ?? ""
    #expect(message.contains("file descriptors") && message.contains("RLIMIT_NOFILE is \(limit)"), "\(message)")
  }

  // The superuser has no limit of threads, so the host runs as another user; only the superuser can have it so.
  @Test("so is a limit of threads", .enabled(if: geteuid() == 0), arguments: [1, 2, 3, 5, 9, 16])
  func threads(limit: Int) throws {
    let place = try Place()
    try place.save("a.lua", Self.tick)
    // A number that no account has: its threads are this host's alone.
    let user = "\(61_000 + limit)"
    let ended = try HostProcess.run(
      ["run", "scripts", "--state", place.path + "/state-\(limit)"], in: place.path,
      prefix: [
        "setpriv", "--reuid", user, "--clear-groups", "prlimit", "--nproc=\(limit)",
      ])
    #expect(ended.status == 1)
    #expect(ended.errors.count == 1, "\(ended.errors)")
    let message = ended.errors.first ?? ""
    #expect(message.contains("threads") && message.contains("RLIMIT_NPROC is \(limit)"), "\(message)")
  }
}
