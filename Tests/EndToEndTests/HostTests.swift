import Foundation
import Glibc
import Testing

@Suite("A running host, end to end", .serialized)
struct HostTests {
  @Test("an edit shows its new behaviour without a restart; a broken one says why and the old one goes on")
  func edit() throws {
    let place = try Place()
    try place.save("a.lua", "job 'tick' { every = '50ms', run = function() print('version one') end }\n")
    let host = try place.host()
    try host.awaitLine(containing: "version one")
    try place.replace("a.lua", "job 'tick' { every = '50ms', run = function() print('version two') end }\n")
    try host.awaitLine(containing: "version two")
    try place.save("a.lua", "job 'tick' { every = '50ms', run = function() print('version three') en }\n")
    try host.awaitLine(containing: "a.lua:1: ")
    try host.awaitLine(containing: "version two")
    try place.save("a.lua", "job 'tick' { every = '50ms', run = function() print('version four') end }\n")
    try host.awaitLine(containing: "version four")
    try place.remove("a.lua")
    try host.awaitLine(containing: "tick: its script is gone")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("SIGINT drains: what runs finishes, nothing new starts, the exit code is 0")
  func drain() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "long" { run_at_start = true, run = function() print("begun") sleep("700ms") print("finished") end }
      """)
    let host = try place.host()
    try host.awaitLine(containing: "begun")
    host.signal(SIGINT)
    try host.awaitLine(containing: "stopping: waiting for 1 running")
    try host.awaitLine(containing: "finished")
    try host.awaitLine(containing: "stopped")
    #expect(try host.awaitExit() == 0)
    #expect(try place.run("history", "--json").output.joined().contains("succeeded"))
  }

  @Test("a second SIGINT stops at once, and the run is recorded as interrupted")
  func second() throws {
    let place = try Place()
    try place.save(
      "a.lua", "job \"endless\" { run_at_start = true, run = function() print('begun') sleep('1h') end }\n")
    let host = try place.host("--grace", "10m")
    try host.awaitLine(containing: "begun")
    host.signal(SIGINT)
    try host.awaitLine(containing: "stopping: waiting for 1 running")
    host.signal(SIGINT)
    #expect(try host.awaitExit(within: 20) == 0)
    #expect(try place.run("history", "--json").output.joined().contains("interrupted"))
  }

  @Test("the second host on one store refuses to start and names the one that holds it")
  func twoHosts() throws {
    let place = try Place()
    try place.save("a.lua", "job 'tick' { every = '1h', run = print }\n")
    let first = try place.host()
    try first.awaitLine(containing: "1 job from 1 script")
    let second = try place.run("run", "scripts")
    #expect(second.status == 1)
    #expect(second.errors.count == 1, "\(second.errors)")
    #expect(second.errors.first?.contains("another host schedules from this store (process \(first.pid) on ") == true)
    first.signal(SIGTERM)
    #expect(try first.awaitExit() == 0)
  }

  @Test("a job longer than its interval skips with max_instances 1, in the words people search for, and goes on")
  func oneInstance() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "slow" { every = "100ms", run = function(ctx) print("begin") sleep("350ms") print("end") end }
      """)
    let host = try place.host()
    try host.awaitLine(
      containing: #"Execution of job "slow" skipped: maximum number of running instances reached (1)"#)
    for _ in 1...2 {
      try host.awaitLine(containing: "slow #")
      try host.awaitLine(containing: ": begin")
    }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    // Never two at a time.
    var running = 0
    for line in host.lines.map(\.text) where line.contains("slow #") {
      if line.contains(": begin") { running += 1 }
      if line.contains(": end") { running -= 1 }
      #expect(running <= 1)
    }
  }

  @Test("with max_instances 2 two run at a time, on two threads, each in a state of its own")
  func twoInstances() throws {
    let place = try Place()
    // Each instance keeps its thread busy until the other one is there.
    try place.save(
      "a.lua",
      """
      seen = 0
      job "pair" {
        every = "100ms", max_instances = 2,
        run = function(ctx)
          seen = seen + 1
          fs.append("\(place.path)/here", ctx.id .. "\\n")
          for _ = 1, 400 do
            local _, lines = fs.read("\(place.path)/here"):gsub("\\n", "")
            if lines >= 2 then break end
            sleep("5ms")
          end
          print("thread " .. ctx.thread .. " seen " .. seen)
          local stop = time.now() + 0.3
          while time.now() < stop do end
          print("done " .. ctx.id)
        end,
      }
      """)
    let host = try place.host("--allow-all", "--set", "executors.default.workers=2")
    for _ in 1...2 { try host.awaitLine(containing: "done ") }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    var running = 0
    var most = 0
    let lines = host.lines.map(\.text).filter { $0.contains("pair #") }
    for line in lines {
      if line.contains(": thread ") { running += 1 }
      if line.contains(": done ") { running -= 1 }
      most = max(most, running)
    }
    #expect(most == 2, "\(lines)")
    let firsts = lines.filter { $0.contains(": thread ") }.prefix(2)
    #expect(firsts.allSatisfy { $0.contains(" seen 1") }, "a global of one state is not seen by the other: \(firsts)")
    let threads = firsts.map { line in line.components(separatedBy: "thread ")[1].prefix { $0 != " " } }
    #expect(Set(threads).count == 2, "\(firsts)")
  }
}
