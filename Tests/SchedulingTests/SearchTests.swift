import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

/// A trigger that leaves out everything for so long that one search for its next fire breaks off.
@Suite("A search that breaks off goes on when its end comes near")
struct SearchTests {
  /// Every second, but not before `t(120_001)`: some 25,000 fires are looked at in one search.
  static let late: AnyTrigger = {
    let anchor = "anchor = \"2026-01-01T00:00:00Z\""
    let text = "except(every(\"1s\", { \(anchor) }), every(\"1s\", { \(anchor), end_date = \"2026-01-02T09:20:00Z\" }))"
    let context = TriggerContext(zones: TimeZoneDatabase())
    do { return try TriggerText.parse(text, context: context).trigger } catch { fatalError("\(text): \(error)") }
  }()

  static func definition() -> JobDefinition {
    SchedulingTests.definition("late") { $0.trigger = late }
  }

  @Test("one question does not find the next fire")
  func breaksOff() {
    guard case .unknown(let searched) = Self.late.nextFire(after: t(0)) else {
      Issue.record("the trigger is too easy for this suite")
      return
    }
    #expect(searched < t(60_000))
  }

  @Test("the schedule has not ended: it fires on time once the clock is there")
  func firesOnTime() {
    var f = Fixture([Self.definition()])
    #expect(f.core.jobs[0].nextFire == nil)
    #expect(f.core.nextWake.wall.map { $0 > t(1_000) } == true)
    f.advance(to: 120_000.5)
    #expect(f.fires("late") == [])
    #expect(f.core.jobs[0].nextFire == t(120_001))
    f.advance(to: 120_001)
    #expect(f.fires("late") == [120_001])
    #expect(f.schedules["late"]?.lastFire == t(120_001))
  }

  @Test("a restart begins the search again")
  func restart() {
    var f = Fixture([Self.definition()])
    f.advance(to: 60_000)
    var snapshot = StoreSnapshot()
    snapshot.schedules = Array(f.schedules.values)
    #expect(snapshot.schedules.map(\.nextFire) == [nil])
    var g = Fixture([], start: false, snapshot: snapshot)
    g.now = f.now
    g.core.reconcile([Self.definition()], at: g.now, into: &g.actions)
    g.start()
    g.advance(to: 120_001)
    #expect(g.fires("late") == [120_001])
  }

  @Test("after a long sleep the search catches up a little in each turn, and what it finds late follows the policies")
  func catchesUp() {
    var f = Fixture([Self.definition(), SchedulingTests.definition("other", every: 100_000 * second)])
    f.jump(to: 130_000)
    // The other job is not held up by it.
    #expect(f.fires("other") == [100_000])
    #expect(f.fires("late") == [])
    let wake = f.core.nextWake.wall
    #expect(wake.map { $0 > t(130_000) && $0 < t(130_001) } == true)
    f.advance(to: 130_001)
    #expect(f.fires("late").count == 1)
    #expect(f.decided("late").first?.hasPrefix("coalesced 120001.0") == true)
  }

  @Test("many of them share what a turn has for searches")
  func bounded() {
    var f = Fixture((0..<12).map { index in SchedulingTests.definition("late-\(index)") { $0.trigger = Self.late } })
    let before = f.core.jobs.map(\.searchedTo)
    f.jump(to: 100_000)
    let moved = zip(before, f.core.jobs.map(\.searchedTo)).count { $0 != $1 }
    #expect(moved == 4)
    f.advance(to: 120_001)
    #expect(f.core.jobs.allSatisfy { $0.lastFire == t(120_001) })
  }
}
