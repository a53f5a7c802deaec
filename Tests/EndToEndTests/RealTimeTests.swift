import Foundation
import Glibc
import Testing

@Suite(
  "Threads in real time, end to end",
  .enabled(if: ProcessThread.mayBeInRealTime, "the kernel does not let this process run in real time"))
struct RealTimeTests {
  @Test("who decides, records and runs little is in real time; a script that loops is not, and the others stay")
  func whoNeedsLittle() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      #"""
      job "ticks" { every = "20ms", run = function() end }
      job "loops" { on = "go", run = function() print("begins") while true do end end }
      job "hangs" { on = "go", run = function() local t = ("a"):rep(40) t:find(("a?"):rep(40) .. t) end }
      job "keeps" { on = "go", store = "quick", run = function() while true do kv.set("a", 1) end end }
      """#)
    let host = try place.host("--set", "executors.default.workers=4", "--set", "stores.quick=memory:")
    try place.ask(until: "all are at ease") {
      try ProcessThread.priorities(host, "moondial-loop") == [2]
        && ProcessThread.priorities(host, "store-writer") == [2]
        && ProcessThread.priorities(host, "moondial-w").contains(1)
    }
    #expect(try ProcessThread.priorities(host, "moondial-w").count == 4)
    #expect(try ProcessThread.priorities(host, "moondial-procs").allSatisfy { $0 == 0 })
    #expect(try ProcessThread.priorities(host, "moondial-contro").allSatisfy { $0 == 0 })
    #expect(try ProcessThread.priorities(host, "NIO").allSatisfy { $0 == 0 })
    #expect(try place.run("trigger", "loops").status == 0)
    #expect(try place.run("trigger", "hangs").status == 0)
    try host.awaitLine(containing: "begins")
    #expect(try place.run("trigger", "keeps").status == 0)
    // One loops, one is in C, one makes steps of microseconds without an end: they are as anybody else, and the fourth
    // has what falls due.
    try place.ask(until: "three workers are ordinary, one is in real time") {
      try ProcessThread.priorities(host, "moondial-w").sorted() == [0, 0, 0, 1]
        && ProcessThread.priorities(host, "moondial-loop") == [2]
        && ProcessThread.priorities(host, "store-writer") == [2]
    }
    host.signal(SIGKILL)
    try host.awaitExit()
  }

  @Test("a worker process is not, whatever its host may, and its programs keep its niceness")
  func workerProcess() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      #"""
      local n = 0
      job "ticks" { every = "20ms", state = "job", run = function(ctx)
        n = n + 1
        if n == 30 then print("it is " .. ctx.process .. " " .. io.popen("nice"):read("l")) wait("never") end
      end }
      """#)
    // As a unit's AmbientCapabilities= gives it to whoever is not root.
    let host = try place.host(
      "--set", "executors.default.type=process", "--set", "executors.default.nice=7",
      "--set", "executors.default.workers=1", "--set", "executors.default.libraries=all",
      prefix: ["setpriv", "--inh-caps=+sys_nice", "--ambient-caps=+sys_nice"])
    let words = try host.awaitLine(containing: "it is ").split(separator: " ")
    let own = Int(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
    #expect(words.last.map(String.init) == "\(min(19, own + 7))")
    let process = String(words[words.count - 2])
    let threads = try ProcessThread.all(of: process)
    #expect(threads.count > 1 && threads.allSatisfy { $0.realTimePriority == 0 }, "\(threads)")
    // Nor may what it executes: no CAP_SYS_NICE (bit 23), and nothing by RLIMIT_RTPRIO.
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8).split(separator: "\n")
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
      let bits = try #require(status.first { $0.hasPrefix(set) }?.split(separator: "\t").last)
      #expect(try #require(UInt64(bits, radix: 16)) & 1 << 23 == 0, "\(set)")
    }
    let limits = try String(contentsOfFile: "/proc/\(process)/limits", encoding: .utf8).split(separator: "\n")
    let limit = try #require(limits.first { $0.hasPrefix("Max realtime priority") })
    #expect(limit.split(separator: " ").filter { $0 == "0" }.count == 2, "\(limit)")
    host.signal(SIGKILL)
    try host.awaitExit()
  }
}
