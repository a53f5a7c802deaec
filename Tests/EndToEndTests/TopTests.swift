import Foundation
import Glibc
import Testing

/// `moondial top` on a terminal.
@Suite("top on a terminal, end to end", .serialized, .timeLimit(.minutes(3)))
struct TopTests {
  /// The second begins after the first: the screen has them in that order.
  private static let script = """
    job "one" { run_at_start = true, run = function(ctx)
      ctx:progress("half") log.info("begun") emit("second") wait("go")
    end }
    job "two" { on = "second", run = function() log.info("begun") wait("go") end }
    """

  private func host(_ place: Place) throws -> HostProcess {
    try place.save("a.lua", Self.script)
    let host = try place.host()
    try host.awaitAnywhere("one #1: begun")
    try host.awaitAnywhere("two #2: begun")
    return host
  }

  @Test("keys choose, pause, resume and cancel; the window may change its size; q ends, and the terminal is as it was")
  func keys() throws {
    let place = try Place()
    let host = try host(place)
    let top = try PseudoTerminal(["top"], in: place.path)
    try top.await("two runs") { screen in
      screen.contains { $0.contains(" one ") && $0.contains("half") } && screen.contains { $0.contains(" two ") }
    }
    top.press("j")
    try top.await("the second one chosen") { $0.contains { $0.hasPrefix(">") && $0.contains("two") } }
    top.press("p")
    try top.await("a pause") { $0.contains("two is paused") }
    #expect(try place.said(["list", "--status", "paused"]).output.contains("two"))
    top.press("p")
    try top.await("the end of the pause") { $0.contains("two is resumed") }
    top.resize(rows: 6, columns: 30)
    try top.await("a small screen") { $0.count <= 6 && $0.allSatisfy { $0.count <= 30 } }
    top.resize(rows: 40, columns: 200)
    try top.await("a large screen") { $0.contains { $0.count > 80 } }
    top.press("\u{1b}[A")
    try top.await("the first one chosen") { $0.contains { $0.hasPrefix(">") && $0.contains("one") } }
    top.press("c")
    try top.await("a cancellation") { $0.contains { $0.hasPrefix("run 1 is ") } }
    try top.await("one run less") { screen in !screen.contains { $0.contains(" one ") && $0.contains("running") } }
    top.press("q")
    let end = try top.awaitExit()
    #expect(end.status == 0 && end.text.hasSuffix("\u{1b}[?25h\u{1b}[?1049l"), "\(end)")
    #expect(try place.said(["history", "one"]).output.contains("cancelled"))
    host.signal(SIGKILL)
  }

  @Test("parked runs and those between two attempts are counted, and told with what they wait for")
  func waiting() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "parks" { run_at_start = true, run = function(ctx) ctx:wait_for("a sign", "1d") end }
      job "retries" { run_at_start = true, retry = { max = 1, base = "1h" }, run = function() error("no") end }
      """)
    let host = try place.host("-v")
    try host.awaitAnywhere("parked for the event")
    try host.awaitAnywhere("next attempt in")
    let top = try place.said(["top"])
    #expect(top.output.contains(" 1 retrying, 1 parked "), "\(top)")
    #expect(top.output.contains("for a sign until ") && top.output.contains("next attempt 2"), "\(top)")
    // What has ended waits for nothing any more.
    let id = try #require(top.output.split(separator: "\n").first { $0.contains("a sign") }?.firstMatch(of: #/\d+/#))
    #expect(try place.said(["history", "--run", String(id.output)]).output.contains("wait for a sign, parked until "))
    #expect(try place.said(["cancel", String(id.output)]).status == 0)
    let ended = try place.said(["history", "--run", String(id.output)]).output
    #expect(ended.contains("wait for a sign, not over when the run ended") && !ended.contains("parked"), "\(ended)")
  }

  @Test("a host that is lost is one sentence below a terminal that is as it was")
  func lost() throws {
    let place = try Place()
    let host = try host(place)
    let top = try PseudoTerminal(["top"], in: place.path)
    try top.await("two runs") { $0.contains { $0.contains(" two ") } }
    host.signal(SIGKILL)
    let end = try top.awaitExit()
    #expect([1, 3].contains(end.status), "\(end)")
    let after = try #require(end.text.components(separatedBy: "\u{1b}[?1049l").last)
    #expect(after.hasPrefix("moondial: ") && after.split(separator: "\r\n").count == 1, "\(end)")
  }
}
