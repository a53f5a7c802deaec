import Basics
import TestSupport
import Testing

@Suite("A thread's share in real time")
struct RealTimeShareTests {
  private static let ms: Int64 = 1_000_000

  /// A thread that works for `busy` nanoseconds, then sleeps for `idle`, and is looked at between the two.
  private struct Thread {
    var now: Int64 = 5_000_000_000
    var used: Int64 = 77
    /// Nanoseconds of work that were done in real time.
    var urgent: Int64 = 0
    var share = RealTimeShare(now: 5_000_000_000, used: 77)

    mutating func turn(busy: Int64, idle: Int64) {
      now += busy
      used += busy
      if share.isRealTime { urgent += busy }
      if share.isDue(now) { share.decide(now: now, used: used) }
      now += idle
    }
  }

  @Test(
    "who needs less than a quarter of a processor gets it, who needs more than half loses it",
    arguments: [(10, 990), (100, 900), (240, 760), (300, 700), (450, 550), (600, 400), (1_000, 0)] as [(Int64, Int64)])
  func byShare(busy: Int64, idle: Int64) {
    for begins in [false, true] {
      var thread = Thread()
      if begins {
        for _ in 0..<200 { thread.turn(busy: 1_000, idle: Self.ms) }
        #expect(thread.share.isRealTime)
      }
      for _ in 0..<2_000 { thread.turn(busy: busy * 1_000, idle: idle * 1_000) }
      #expect(thread.share.isRealTime == (busy < 250 || (begins && busy < 500)))
    }
  }

  @Test("a burst after silence is found out within 10 ms and a turn, however long the silence was")
  func burst() {
    for silence: Int64 in [0, 1, 1_000, 3_600_000] {
      var thread = Thread()
      for _ in 0..<200 { thread.turn(busy: 1_000, idle: Self.ms) }
      thread.turn(busy: 1_000, idle: silence * Self.ms)
      thread.urgent = 0
      for _ in 0..<1_000 { thread.turn(busy: Self.ms, idle: 0) }
      #expect(!thread.share.isRealTime)
      #expect(thread.urgent <= 2 * RealTimeShare.busySpan + 2 * Self.ms, "after \(silence) ms")
    }
  }

  @Test(
    "whatever it does, in real time it has half a processor at most, and 20 ms and a turn",
    arguments: 0..<20 as Range<UInt64>)
  func bounded(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<10 {
      var thread = Thread()
      let begin = thread.now
      let most = Int64.random(in: 1...20, using: &random) * Self.ms
      for _ in 0..<2_000 {
        thread.turn(busy: .random(in: 0...most, using: &random), idle: .random(in: 0...most, using: &random))
        let half = (thread.now - begin) / 2
        #expect(thread.urgent <= half + 2 * RealTimeShare.busySpan + most)
      }
    }
  }
}
