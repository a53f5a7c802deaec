import Chronology
import JobModel
import Scheduling
import Testing

@Suite("A rate holds over restarts")
struct RateRestartTests {
  private static func limited(_ name: String, every seconds: Int64 = 10, _ rate: RateLimit?, group: String? = nil)
    -> JobDefinition
  {
    definition(name, every: seconds * second) {
      $0.rate = rate
      $0.group = group
    }
  }

  /// Instants at which orders came, up to `end`; each run ends at once.
  private static func starts(_ f: inout Fixture, to end: Int) -> [Int] {
    var starts: [Int] = []
    for instant in Int(f.now.wall.nanoseconds(since: t(0)) / second)...end {
      f.advance(to: Double(instant))
      starts += f.orders.map { _ in instant }
      f.endAll()
    }
    return starts
  }

  @Test("starts of the host before count until they have left the window")
  func ofJob() {
    let job = Self.limited("a", LimitTests.rate(2, 60))
    var f = Fixture([job])
    #expect(Self.starts(&f, to: 25) == [10, 20])
    var g = f.restarted([job], at: 30)
    #expect(Self.starts(&g, to: 100) == [70, 80])
  }

  @Test("those of all jobs of a group count together")
  func ofGroup() {
    let groups = ["api": GroupLimit(rate: LimitTests.rate(3, 100))]
    let jobs = [Self.limited("a", every: 20, nil, group: "api"), Self.limited("b", every: 30, nil, group: "api")]
    var f = Fixture(jobs, groups: groups)
    #expect(Self.starts(&f, to: 45) == [20, 30, 40])
    var g = f.restarted(jobs, at: 50, groups: groups)
    #expect(Self.starts(&g, to: 145) == [120, 130, 140])
  }

  @Test("a start that is older than the window counts no more, and one of a job without a rate never did")
  func old() {
    let job = Self.limited("a", LimitTests.rate(1, 60))
    var f = Fixture([job, definition("b")])
    f.advance(to: 10)
    f.endAll()
    var g = f.restarted([job, definition("b")], at: 80)
    g.advance(to: 81)
    #expect(Set(g.orders.map(\.job.definition.name)) == ["a", "b"])
  }

  @Test("a run that a crash interrupted counts as started at the restart: nobody knows when it was")
  func interrupted() {
    let job = Self.limited("a", LimitTests.rate(1, 60))
    var f = Fixture([job])
    f.advance(to: 10)
    f.startRun()
    var g = f.restarted([job], at: 30)
    #expect(Self.starts(&g, to: 95) == [90])
  }

  @Test("every attempt counts; a retry starts when its row tells of the attempts before it")
  func attempts() {
    var job = Self.limited("a", every: 1_000, LimitTests.rate(3, 100))
    job.retry = RetryPolicy(max: 5, backoff: .fixed, base: second, jitter: false)
    var f = Fixture([job])
    f.advance(to: 1_000)
    f.commits = false
    f.endRun(0, .failed)
    f.advance(to: 1_001)
    #expect(f.orders.isEmpty && f.uncommitted.count == 1)
    #expect(f.rows.values.map(\.attempts) == [1])
    f.commitAll()
    #expect(f.orders.map(\.attempt) == [2])
    f.startRun()
    // It dies in its second attempt. The first is known; for the second, the restart is assumed.
    var g = f.restarted([job], at: 1_010)
    _ = try? g.core.runNow("a", params: nil, at: g.now, into: &g.actions)
    g.settle()
    #expect(g.orders.count == 1)
    g.endAll()
    _ = try? g.core.runNow("a", params: nil, at: g.now, into: &g.actions)
    g.advance(to: 1_099)
    #expect(g.orders.isEmpty)
    g.advance(to: 1_100)
    #expect(g.orders.count == 1)
  }

  @Test("a retry whose row cannot be written waits, and keeps its claim")
  func failedStore() {
    var job = Self.limited("a", every: 1_000, LimitTests.rate(3, 100))
    job.retry = RetryPolicy(max: 5, backoff: .fixed, base: second, jitter: false)
    var f = Fixture([job])
    f.advance(to: 1_000)
    f.commits = false
    f.endRun(0, .failed)
    f.advance(to: 1_001)
    f.failAll()
    #expect(f.orders.isEmpty)
    #expect(f.rows.values.allSatisfy { $0.claimedAt != nil && $0.attempts == 1 })
    f.core.storeRecovered(0, into: &f.actions)
    f.settle()
    f.commitAll()
    #expect(f.orders.map(\.attempt) == [2])
    f.endAll()
    #expect(f.outcomes("a") == [.succeeded])
  }
}
