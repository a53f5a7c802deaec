import JobModel
@testable import Scheduling
import Testing

@Suite("A rate holds in every window")
struct StartLogTests {
  static func rate(_ count: Int, _ window: Int64) -> RateLimit {
    RateLimit(count: count, window: window, text: "\(count)/…")
  }

  @Test("as many starts as it says, then one for each that leaves the window")
  func exact() {
    var isOpen: Bool
    var log = StartLog(Self.rate(3, 10 * second))
    for at in [0, 1, 2] as [Int64] {
      isOpen = log.isOpen(at: at * second)
      #expect(isOpen)
      log.reserve()
      log.start(at: at * second)
    }
    isOpen = log.isOpen(at: 9 * second)
    #expect(!isOpen)
    #expect(log.opensAt() == 10 * second)
    isOpen = log.isOpen(at: 10 * second)
    #expect(isOpen)
    log.reserve()
    log.start(at: 10 * second)
    isOpen = log.isOpen(at: 10 * second)
    #expect(!isOpen)
    #expect(log.opensAt() == 11 * second)
  }

  @Test("a reserved start counts before it takes place, and has no time of its own")
  func reserved() {
    var isOpen: Bool
    var log = StartLog(Self.rate(1, 10 * second))
    log.reserve()
    isOpen = log.isOpen(at: 100 * second)
    #expect(!isOpen)
    #expect(log.opensAt() == nil)
    log.release()
    isOpen = log.isOpen(at: 100 * second)
    #expect(isOpen)
    log.reserve()
    log.start(at: 101 * second)
    #expect(log.opensAt() == 111 * second)
  }

  @Test("a lower rate waits for as many to leave as are too many")
  func lowered() {
    var isOpen: Bool
    var log = StartLog(Self.rate(4, 10 * second))
    for at in 0..<4 as Range<Int64> {
      log.reserve()
      log.start(at: at * second)
    }
    log.change(to: Self.rate(2, 10 * second))
    #expect(log.opensAt() == 12 * second)
    isOpen = log.isOpen(at: 11 * second)
    #expect(!isOpen)
    isOpen = log.isOpen(at: 12 * second)
    #expect(isOpen)
  }

  @Test(
    "no window holds more, whatever the rate, the load and the delays",
    arguments: [
      (1, 1_000_000), (3, 5_000_000), (10, 1_000_003), (1_000, 5_000_000), (1_001, 100_000_000), (5_000, 2_000_000),
    ] as [(Int, Int64)])
  func invariant(count: Int, window: Int64) {
    var log = StartLog(Self.rate(count, window))
    var seed: UInt64 = 7
    func random(_ bound: Int64) -> Int64 {
      seed = seed &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int64(seed >> 33) % max(1, bound)
    }
    var now: Int64 = 0
    var starts: [Int64] = []
    var onTheWay: [Int64] = []
    var longestWait: Int64 = 0
    for _ in 0..<40_000 {
      now += random(window / Int64(count) + 2)
      // Some reserved starts take place, with a delay of up to a quarter of the window.
      for at in onTheWay.filter({ $0 <= now }) {
        starts.append(at)
        log.start(at: now)
      }
      onTheWay.removeAll { $0 <= now }
      if log.isOpen(at: now) {
        log.reserve()
        onTheWay.append(now + random(window / 4))
      } else if let opens = log.opensAt() {
        guard opens > now else {
          Issue.record("it opens at \(opens), which was before \(now)")
          return
        }
        longestWait = max(longestWait, opens - now)
      }
    }
    #expect(longestWait <= window + window / 512 + 1)
    starts.sort()
    #expect(starts.count > count)
    for index in starts.indices.dropFirst(count) where starts[index] - starts[index - count] < window {
      Issue.record("\(count + 1) starts within \(starts[index] - starts[index - count]) of \(window)")
      return
    }
  }
}
