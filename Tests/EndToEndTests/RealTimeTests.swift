import Foundation
import Glibc
import Testing

/// Tried on a thread of its own, which ends with it.
private let isPermitted: Bool = {
  var thread = pthread_t()
  unsafe pthread_create(
    &thread, nil,
    { _ in
      var priority = sched_param(sched_priority: 2)
      return unsafe sched_setscheduler(0, SCHED_RR, &priority) == 0 ? UnsafeMutableRawPointer(bitPattern: 1) : nil
    }, nil)
  var answer: UnsafeMutableRawPointer?
  unsafe pthread_join(thread, &answer)
  return unsafe answer != nil
}()

@Suite(
  "Threads in real time, end to end",
  .enabled(if: isPermitted, "the kernel does not let this process run in real time"))
struct RealTimeTests {
  /// The real-time priorities of a host's threads of that name; 0 of an ordinary one.
  private func priorities(_ host: HostProcess, _ prefix: String) throws -> [Int] {
    try priorities("\(host.pid)", prefix)
  }

  private func priorities(_ process: String, _ prefix: String) throws -> [Int] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").compactMap { task in
      // One that has ended meanwhile is none.
      guard let stat = try? String(contentsOfFile: "/proc/\(process)/task/\(task)/stat", encoding: .utf8),
        let open = stat.firstIndex(of: "("), let close = stat.lastIndex(of: ")"),
        stat[stat.index(after: open)..<close].hasPrefix(prefix)
      else { return nil }
      // proc(5): what follows the name begins with field 3; field 40 is the priority.
      let fields = stat[close...].split(separator: " ").dropFirst()
      return Int(fields.dropFirst(37).first ?? "")
    }
  }

  private func expectSoon(_ what: String, _ isSo: () throws -> Bool) throws {
    for _ in 0..<3_000 {
      if try isSo() { return }
      usleep(10_000)
    }
    Issue.record("not within 30 s: \(what)")
  }

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
    try expectSoon("all at ease") {
      try priorities(host, "moondial-loop") == [2] && priorities(host, "store-writer") == [2]
        && priorities(host, "moondial-w").contains(1)
    }
    #expect(try priorities(host, "moondial-w").count == 4)
    #expect(try priorities(host, "moondial-procs").allSatisfy { $0 == 0 })
    #expect(try priorities(host, "moondial-contro").allSatisfy { $0 == 0 })
    #expect(try priorities(host, "NIO").allSatisfy { $0 == 0 })
    #expect(try place.run("trigger", "loops").status == 0)
    #expect(try place.run("trigger", "hangs").status == 0)
    try host.awaitLine(containing: "begins")
    #expect(try place.run("trigger", "keeps").status == 0)
    // One loops, one is in C, one makes steps of microseconds without an end: they are as anybody else, and the fourth
    // has what falls due.
    try expectSoon("three ordinary workers, one in real time") {
      try priorities(host, "moondial-w").sorted() == [0, 0, 0, 1] && priorities(host, "moondial-loop") == [2]
        && priorities(host, "store-writer") == [2]
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
    let host = try place.host(
      "--set", "executors.default.type=process", "--set", "executors.default.nice=7",
      "--set", "executors.default.workers=1", "--set", "executors.default.libraries=all")
    let words = try host.awaitLine(containing: "it is ").split(separator: " ")
    let own = Int(getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0))
    #expect(words.last.map(String.init) == "\(min(19, own + 7))")
    let priorities = try priorities(String(words[words.count - 2]), "")
    #expect(priorities.count > 1 && priorities.allSatisfy { $0 == 0 }, "\(priorities)")
    host.signal(SIGKILL)
    try host.awaitExit()
  }
}
