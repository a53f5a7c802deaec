import Foundation
import Glibc
import Testing

// The superuser has no limit of threads, so the host runs as another user; only the superuser can have it so, and
// change the limit of a running process.
@Suite("Threads refused to a running host", .serialized, .enabled(if: geteuid() == 0))
struct ThreadLimitTests {
  @Test("each refusal is one sentence, and so is its end; jobs go on")
  func refusedLater() throws {
    let place = try Place()
    // Its state is another user's.
    try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: place.path)
    try place.save("tick.lua", "job 'tick' { every = '20ms', run = function() print('tick') end }\n")
    let host = try place.host(
      "--grace", "1s", "--allow-all", "--set", "executors.default.workers=1", "--set", "stores.other=sqlite:other.db",
      prefix: Self.asAnother)
    try host.awaitLine(containing: "tick")

    try limit(host, in: place, threads: 1)
    try place.save("kv.lua", Self.value("before"))
    try host.awaitLine(containing: "kv of store \"other\" is refused: thread")
    try host.awaitLine(containing: "before: false")
    try place.save("a.lua", Self.program("first"))
    try host.awaitLine(containing: "files, programs and secrets of scripts are refused or wait: thread")
    try host.awaitLine(containing: "first: nil the system gives the host no thread for it; try again later")
    // A call that cannot give way holds the only worker, and another thread should take its place.
    try place.save(
      "held.lua",
      """
      job "held" { run_at_start = true, timeout = "60s", run = function()
        print("held begins")
        string.rep("a", 40):find(string.rep("a?", 40) .. string.rep("a", 40))
      end }
      """)
    try host.awaitLine(containing: "executor \"default\" has fewer workers than configured")

    try limit(host, in: place, threads: 1_000)
    try host.awaitLine(containing: "executor \"default\" has all its workers again")
    try host.awaitLine(containing: "tick")
    try place.save("kv.lua", Self.value("later"))
    try host.awaitLine(containing: "kv of store \"other\" is served again")
    try host.awaitLine(containing: "later: true")
    try place.save("b.lua", Self.program("second"))
    try host.awaitLine(containing: "files, programs and secrets of scripts are served again")
    try host.awaitLine(containing: "second: table")
    #expect(host.lines.count { $0.text.contains("has fewer workers than configured") } == 1)
    host.signal(SIGTERM)
    #expect(try host.awaitExit(within: 30) == 0)
  }

  private static func value(_ name: String) -> String {
    "job '\(name)' { store = 'other', run_at_start = true, run = function() print('\(name): ' .. tostring((pcall(kv.get, 'k')))) end }\n"
  }

  private static func program(_ name: String) -> String {
    """
    job "\(name)" { run_at_start = true, run = function()
      local ended, why = exec { "/bin/true" }
      print("\(name): " .. (ended and "table" or "nil " .. why))
    end }
    """
  }

  @Test("a host to which all threads are refused ends within its grace", .timeLimit(.minutes(2)))
  func end() throws {
    let place = try Place()
    try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: place.path)
    try place.save("tick.lua", "job 'tick' { every = '20ms', run = function() kv.set('k', 1) print('tick') end }\n")
    let host = try place.host("--grace", "5s", prefix: Self.asAnother)
    try host.awaitLine(containing: "tick")
    try limit(host, in: place, threads: 1)
    try host.awaitLine(containing: "tick")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(host.text.contains("stopped"))
    #expect(!host.text.contains("did not end within its grace"))
  }

  /// A number that no account has: its threads are this host's alone.
  private static let asAnother = ["setpriv", "--reuid", "61099", "--clear-groups"]

  /// Changes how many threads the host's user may have, as that user.
  private func limit(_ host: HostProcess, in place: Place, threads: Int) throws {
    let ended = try HostProcess(
      program: Self.asAnother + ["prlimit", "--pid", "\(host.pid)", "--nproc=\(threads):"], [], in: place.path)
    #expect(try ended.awaitExit() == 0, "\(ended.text)")
  }
}
