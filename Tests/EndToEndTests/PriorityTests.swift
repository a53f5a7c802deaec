import Foundation
import Glibc
import Testing

@Suite("Whose turn it is on a processor, end to end")
struct PriorityTests {
  @Test("who decides and records comes first, then runs, then what is asked of the host")
  func order() throws {
    let place = try Place()
    try place.save("a.lua", #"job "now" { run_at_start = true, run = function() print("it runs") end }"#)
    let host = try place.host()
    try host.awaitLine(containing: "it runs")
    _ = try place.run("status")
    let threads = try ProcessThread.all(of: host)
    let own = Int(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
    let loop = try #require(threads.first { $0.name == "moondial-loop" })
    let worker = try #require(threads.first { $0.name == "moondial-w0" })
    #expect(worker.nice == own)
    // Raising it needs a right.
    #expect(loop.nice == (geteuid() == 0 ? -10 : own))
    for name in ["moondial-contro", "NIO-ELT"] {
      let thread = try #require(threads.first { $0.name.hasPrefix(name) }, "\(threads)")
      #expect(thread.nice == min(19, own + 5), "\(name)")
    }
    // Linux 6.12 and later; a thread in real time has none.
    for slice in [worker.slice, loop.slice].compactMap(\.self) { #expect(slice == 100_000) }
    if let usual = threads.first(where: { $0.name == "moondial" })?.slice { #expect(usual > 100_000) }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test(
    "the session of a worker process has the niceness of its executor, beside other sessions",
    .enabled(if: geteuid() == 0 && FileManager.default.fileExists(atPath: "/proc/self/autogroup")))
  func session() throws {
    let place = try Place()
    let body = #"function(ctx) print("it is " .. ctx.process) wait("never") end"#
    try place.save("a.lua", #"job "now" { run_at_start = true, run = \#(body) }"#)
    let host = try place.host("--set", "executors.default.type=process", "--set", "executors.default.nice=7")
    let line = try host.awaitLine(containing: "it is ")
    let process = try #require(line.split(separator: " ").last)
    let session = try String(contentsOfFile: "/proc/\(process)/autogroup", encoding: .utf8)
    let own = Int(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
    #expect(session.hasSuffix(" nice \(min(19, own + 7))\n"), "\(session)")
    // Long turns of all its threads, where the kernel tells.
    let threads = try ProcessThread.all(of: String(process))
    #expect(threads.allSatisfy { $0.nice == min(19, own + 7) }, "\(threads)")
    #expect(threads.allSatisfy { ($0.slice ?? 4_000_000) == 4_000_000 }, "\(threads)")
    host.signal(SIGKILL)
    try host.awaitExit()
  }

  @Test("of claimed runs that wait for a worker process the one with the higher priority begins first")
  func waitingRuns() throws {
    let place = try Place()
    // The only worker is held until all others are claimed, the low ones first.
    try place.save(
      "a.lua",
      #"""
      for i = 1, 3 do job("low " .. i) { on = "low", run = function() print("turn") end } end
      job "high" { on = "high", priority = 10, run = function() print("turn") end }
      local function claimed(count, name)
        repeat
          local found = 0
          for _, job in ipairs(jobs.list()) do if job.name:find(name, 1, true) then found = found + job.running end end
        until found == count
      end
      job "holds" { run_at_start = true, run = function()
        emit("low") claimed(3, "low")
        emit("high") claimed(1, "high")
      end }
      """#)
    let host = try place.host("--set", "executors.default.type=process", "--set", "executors.default.workers=1")
    #expect(try host.awaitLine(containing: ": turn").contains(" high #"))
    for _ in 0..<3 { #expect(try host.awaitLine(containing: ": turn").contains(" low ")) }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }
}
