import Foundation
import Glibc
import Testing
import TestSupport

/// An endless stream of saves, good, bad and half-written, while jobs run every 10 ms.
///
/// `MOONDIAL_SAVES=60` makes it a minute; by default it is 5 seconds.
@Suite("A stream of saves", .serialized)
struct SaveStreamTests {
  /// The version stands at three places; a run that saw two of them would be of no generation.
  private func script(_ version: Int) -> String {
    """
    local first = "v\(version)"
    local words = { second = "v\(version)" }
    job "busy" {
      every = "10ms",
      run = function(ctx)
        local third = "v\(version)"
        if first ~= words.second or first ~= third then print("MIXED " .. first .. words.second .. third) end
        print("ran " .. third)
      end,
    }
    """
  }

  @Test("no crash, no lost job, no run of two versions, and the last good version is what runs in the end")
  func stream() throws {
    let seconds = ProcessInfo.processInfo.environment["MOONDIAL_SAVES"].flatMap(Double.init) ?? 5
    let seed = UInt64.random(in: 1...1_000_000)
    print("saves: seed \(seed), \(seconds) s")
    var random = SeededGenerator(seed)
    let place = try Place()
    try place.save("keeper.lua", "job 'keeper' { every = '200ms', run = function() print('kept') end }\n")
    try place.save("a.lua", script(0))
    let host = try place.host()
    try host.awaitLine(containing: "ran v0")
    let end = Date(timeIntervalSinceNow: seconds)
    var version = 0
    var saves = 0
    while Date() < end {
      version += 1
      saves += 1
      let whole = script(version)
      switch random.next() % 8 {
      case 0: try place.save("a.lua", "job 'busy' { every = 'often', run = print }\n")
      case 1: try place.save("a.lua", String(whole.prefix(Int(random.next() % UInt64(whole.count)))))
      case 2: try place.save("a.lua", "")
      case 3:
        try place.remove("a.lua")
        try place.save("a.lua", whole)
      case 4, 5: try place.replace("a.lua", whole)
      default: try place.save("a.lua", whole)
      }
      // The pace of a build tool gone wild: 0 to 40 ms between saves, spent looking whether the host lives.
      #expect(host.endWithin(Double(random.next() % 40) / 1_000) == nil, "the host ended")
    }
    try place.replace("a.lua", script(version + 1))
    try host.awaitLine(containing: "ran v\(version + 1)")
    try host.awaitLine(containing: "kept")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let lines = host.lines.map(\.text)
    #expect(!lines.contains { $0.contains("MIXED") })
    #expect(!lines.contains { $0.contains("Fatal error") })
    print("saves: \(saves), runs \(lines.count { $0.contains(": ran v") })")
  }
}
