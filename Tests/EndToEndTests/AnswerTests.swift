import Foundation
import Glibc
import Testing

/// Answers that wait for their runs: the host's memory stays bounded, and other jobs go on.
@Suite("Answers under way, end to end", .serialized, .timeLimit(.minutes(5)))
struct AnswerTests {
  /// The most resident memory that a process had, in megabytes.
  private static func peak(of process: Int32) throws -> Int {
    let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") })
    return try #require(Int(line.split(separator: " ")[1])) / 1024
  }

  private static let canary = "job 'canary' { every = '50ms', run = function() print('sings at ' .. time.now()) end }\n"

  /// The longest time between two runs of the canary. Seconds.
  private static func longestPause(in lines: [HostProcess.Line]) -> Double {
    let times = lines.compactMap { line -> Double? in
      guard let start = line.text.range(of: "sings at ") else { return nil }
      return Double(line.text[start.upperBound...].prefix { $0.isNumber || $0 == "." })
    }
    return zip(times, times.dropFirst()).map { $1 - $0 }.max() ?? .infinity
  }

  @Test("5,000 values of a megabyte at once: served when they are let go, out_of_memory when they are kept")
  func values() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      local function many(body)
        kv.set("k", ("x"):rep(1000000))
        local list = {}
        for i = 1, 5000 do list[i] = i end
        return all(list, body, { limit = 5000 })
      end
      job "served" { run_at_start = true, memory = "64MB", run = function()
        local sum = 0
        for _, r in ipairs(many(function() return #kv.get("k") end)) do sum = sum + r.value end
        print("served " .. sum // 1000000)
      end }
      job "kept" { after = "served", memory = "64MB", run = function()
        many(function(i) return kv.get("k") .. i end)
      end, on_error = function(ctx, e) print("kept ended: " .. e.outcome) end }
      """ + Self.canary)
    let host = try place.host()
    try host.awaitLine(within: 240, containing: "served 5000")
    try host.awaitLine(containing: "kept ended: out_of_memory")
    let peak = try Self.peak(of: host.pid)
    #expect(peak < 256)
    #expect(Self.longestPause(in: host.lines) < 3)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }

  @Test("one event of a megabyte to 100 branches and 1,000 runs: kept once, and the other jobs go on")
  func fanOut() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      job "branches" { run_at_start = true, memory = "64MB", run = function()
        local list = {}
        for i = 1, 100 do list[i] = i end
        local sum = 0
        for _, r in ipairs(all(list, function() return #wait("e").data end)) do sum = sum + r.value end
        print("branches " .. sum // 1000000)
      end }
      job "receiver" { max_instances = 1000, state = "run", run = function()
        local size = #wait("e").data
        print("received " .. size)
      end }
      job "listener" { on = "e", state = "run", run = function(ctx) print("listened " .. #ctx.event.data) end }
      job "starter" { run_at_start = true, run = function()
        for _ = 1, 1000 do jobs.run("receiver") end
        print("started")
      end }
      job "emitter" { every = "2s", run = function() emit("e", ("x"):rep(1000000)) end }
      """ + Self.canary)
    let host = try place.host()
    // An event every two seconds, because nobody knows when the last one waits.
    var left = (received: 1_000, branches: 1, listened: 1)
    while left.received > 0 || left.branches > 0 || left.listened > 0 {
      let line = try host.awaitLine {
        $0.contains("received 1000000") || $0.contains("branches 100") || $0.contains("listened 1000000")
      }
      if line.contains("received") { left.received -= 1 }
      if line.contains("branches") { left.branches -= 1 }
      if line.contains("listened") { left.listened -= 1 }
    }
    let peak = try Self.peak(of: host.pid)
    #expect(peak < 400)
    #expect(Self.longestPause(in: host.lines) < 3)
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
  }
}
