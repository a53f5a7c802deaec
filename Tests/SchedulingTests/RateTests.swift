import Chronology
import JobModel
import Scheduling
import Testing

@Suite("Rates")
struct RateTests {
  /// Two runs that are wanted at 0 under a rate of one in 10 s, of which one has an order; it is 8 s.
  private static func two() throws -> Fixture {
    var f = Fixture([LimitTests.flood("a", group: nil) { $0.rate = LimitTests.rate(1, 10) }])
    for _ in 0..<2 { _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    f.advance(to: 8)
    return f
  }

  @Test("at most so many starts in any window, to the moment")
  func rate() throws {
    var f = Fixture([LimitTests.flood("a", group: nil) { $0.rate = LimitTests.rate(3, 10) }])
    for _ in 0..<8 { _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    #expect(f.orders.count == 3)
    f.endAll()
    #expect(f.core.nextWake.monotonic == 10 * second)
    f.advance(to: 9.999)
    #expect(f.orders.isEmpty)
    f.advance(to: 10)
    #expect(f.orders.count == 3)
    f.endAll()
    f.advance(to: 20)
    #expect(f.orders.count == 2)
    f.endAll()
    f.advance(to: 100)
    #expect(f.core.nextWake.monotonic == nil && f.core.nextWake.wall == nil, "nobody waits, so nobody is woken")
  }

  @Test("a window counts from the start, not from the claim")
  func lateStarts() throws {
    var f = try Self.two()
    #expect(f.core.nextWake.monotonic == nil, "when the first one starts is not known")
    f.startRun()
    #expect(f.core.nextWake.monotonic == 18 * second)
    f.endRun()
    f.advance(to: 17)
    #expect(f.orders.isEmpty)
    f.advance(to: 18)
    #expect(f.orders.count == 1)
  }

  @Test("a claim that comes to nothing gives its start back", arguments: [true, false])
  func givenBack(fails: Bool) throws {
    var f = Fixture([LimitTests.flood("a", group: nil) { $0.rate = LimitTests.rate(1, 100) }])
    f.commits = false
    let id = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions)
    _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions)
    f.settle()
    if fails {
      f.failAll()
      f.core.storeRecovered(0, into: &f.actions)
    } else {
      try f.core.cancel(id, at: f.now, into: &f.actions)
    }
    f.commits = true
    f.commitAll()
    #expect(f.orders.count == 1)
  }

  @Test("a retry is a start")
  func retryIsAStart() {
    var f = Fixture([
      LimitTests.member("a", every: 1_000, group: nil) {
        $0.rate = LimitTests.rate(1, 60)
        $0.retry = RetryPolicy(max: 1, backoff: .fixed, base: second, jitter: false)
      }
    ])
    f.advance(to: 1_000)
    f.startRun()
    f.endRun(0, .failed)
    f.advance(to: 1_059)
    #expect(f.orders.isEmpty)
    f.advance(to: 1_060)
    #expect(f.orders.map(\.attempt) == [2])
  }

  @Test("a job's own rate holds it back without holding its group back")
  func both() throws {
    var f = Fixture(
      [LimitTests.flood("slow") { $0.rate = LimitTests.rate(1, 100) }, LimitTests.flood("quick")],
      groups: ["db": GroupLimit(max: 1)])
    for name in ["slow", "slow", "quick", "quick"] {
      _ = try f.core.runNow(name, params: nil, at: f.now, into: &f.actions)
    }
    f.settle()
    var order: [String] = []
    while !f.orders.isEmpty { order.append(f.endRun().job.definition.name) }
    #expect(order == ["slow", "quick", "quick"])
    f.advance(to: 100)
    #expect(f.orders.map(\.job.definition.name) == ["slow"])
  }

  @Test("a changed rate keeps the starts that were")
  func reloadRate() throws {
    var f = Fixture([LimitTests.flood("a", group: nil) { $0.rate = LimitTests.rate(2, 10) }])
    for _ in 0..<4 { _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    f.endAll()
    f.core.reconcile(
      [LimitTests.flood("a", group: nil) { $0.rate = LimitTests.rate(3, 10) }], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.count == 1)
  }

  @Test("a run whose host has gone counts as a start: it may have begun without anybody having heard of it")
  func lostHost() throws {
    var f = try Self.two()
    f.report(.lost, f.orders.removeFirst(), .interrupted)
    #expect(f.outcomes("a").contains(.interrupted) && f.orders.isEmpty)
    #expect(f.rows.values.first { $0.outcome == .interrupted }?.attempts == 1, "so the next restart counts it")
    f.advance(to: 17)
    #expect(f.orders.isEmpty)
    f.advance(to: 18)
    #expect(f.orders.count == 1)
  }
}
