import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Reloads, restarts and clocks that are set")
struct RestartTests {
  /// What a store would give back.
  func snapshot(_ f: Fixture) -> StoreSnapshot {
    var snapshot = StoreSnapshot(nextRunID: RunID((f.rows.keys.max()?.number ?? 0) + 1), clockEpoch: f.core.clockEpoch)
    snapshot.schedules = f.schedules.values.sorted { $0.job < $1.job }
    snapshot.unfinished = f.rows.values.filter { $0.outcome == nil }.sorted { $0.id < $1.id }
    return snapshot
  }

  @Test("an unchanged job is left alone by a reload: same next fire, no event")
  func unchanged() {
    var f = Fixture([definition("a")])
    f.advance(to: 5)
    f.events = []
    let result = f.core.reconcile([definition("a")], at: f.now, into: &f.actions)
    f.settle()
    #expect(result.unchanged == 1 && result.changed == 0)
    #expect(f.events.isEmpty)
    #expect(f.core.nextWake.wall == t(10))
  }

  @Test(
    "an edited interval fires one new interval after the last fire when that is ahead, else one after now",
    arguments: [(15.0, 20, 30.0), (18.0, 5, 23.0)])
  func editedInterval(at: Double, interval: Int, expected: Double) {
    var f = Fixture([definition("a")])
    f.advance(to: at)
    f.endAll()
    f.core.reconcile([definition("a", every: Int64(interval) * second)], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.core.nextWake.wall == t(expected))
  }

  @Test("a removed job is orphaned, and what fell due meanwhile is one range when it returns")
  func orphan() {
    var f = Fixture([definition("a")])
    f.advance(to: 12)
    f.endAll()
    f.core.reconcile([], at: f.now, into: &f.actions)
    f.advance(to: 45)
    #expect(f.orders.isEmpty)
    f.core.reconcile([definition("a")], at: f.now, into: &f.actions)
    f.settle()
    f.advance(to: 50)
    #expect(f.fires("a") == [10, 50])
    #expect(f.decided("a") == ["skipped(orphaned) 20.0...40.0 ×3"])
  }

  @Test("after a restart a schedule goes on with its phase, and what was missed follows the late policies")
  func restart() {
    var f = Fixture([definition("a")])
    f.advance(to: 15)
    f.endAll()
    var g = Fixture.restarted([definition("a")], at: 47, snapshot: snapshot(f))
    #expect(g.fires("a") == [40])
    #expect(g.decided("a") == ["coalesced 20.0...30.0 ×2"])
    #expect(g.orders.map(\.id) == [RunID(2)])
    g.endAll()
    g.advance(to: 50)
    #expect(g.fires("a") == [40, 50])
  }

  @Test(
    "a claimed run of a dead host is interrupted, and run again only if the job asked to recover",
    arguments: [false, true])
  func interrupted(recover: Bool) {
    let job = definition("a") { $0.recover = recover }
    var f = Fixture([job])
    f.advance(to: 10)
    f.startRun()
    let g = Fixture.restarted([job], at: 12, snapshot: snapshot(f))
    #expect(g.rows[RunID(1)]?.outcome == .interrupted)
    #expect(g.orders.map(\.scheduledAt) == (recover ? [t(10)] : []))
    #expect(g.orders.isEmpty || g.rows[g.orders[0].id]?.recovers == RunID(1))
  }

  @Test("a waiting run of a dead host keeps its id and runs once")
  func waiting() {
    let job = definition("a") { $0.overlap = .queue }
    var f = Fixture([job])
    f.advance(to: 25)
    #expect(f.rows.count == 2)
    var g = Fixture.restarted([job], at: 26, snapshot: snapshot(f))
    #expect(g.orders.map(\.id) == [RunID(2)])
    g.endAll()
    #expect(g.rows[RunID(1)]?.outcome == .interrupted)
    #expect(g.rows[RunID(2)]?.outcome == .succeeded)
    #expect(g.decided("a") == [])
  }

  @Test("overdue jobs of a restart are spread: a hundred over one second")
  func spread() {
    let jobs = (0..<200).map { definition("job \($0)") }
    var f = Fixture(jobs)
    f.advance(to: 11)
    f.endAll()
    var g = Fixture.restarted(jobs, at: 25, snapshot: snapshot(f))
    #expect(g.orders.count == 1)
    g.advance(to: 26)
    #expect(g.orders.count == 101)
    g.advance(to: 27)
    #expect(g.orders.count == 200)
  }

  @Test("a clock set back by up to three hours repeats no fire time")
  func backALittle() {
    var f = Fixture([definition("a", every: 3600 * second)])
    f.advance(to: 3600 * 2)
    f.endAll()
    f.setClock(to: 3600 * 0.5)
    f.advance(to: 3600 * 2 + 10)
    #expect(f.fires("a") == [3600])
    f.endAll()
    f.advance(to: 3600 * 3)
    #expect(f.fires("a") == [3600, 10_800])
    #expect(Set(f.fires("a")).count == f.fires("a").count)
  }

  @Test("a clock set back further starts a new epoch, and schedules are armed anew")
  func backFar() {
    var f = Fixture([definition("a", every: 3600 * second)])
    f.advance(to: 3600 * 10)
    f.endAll()
    f.setClock(to: 3600 * 2 + 5)
    #expect(f.core.clockEpoch == ClockEpoch(1))
    #expect(f.core.nextWake.wall == t(3600 * 3))
    #expect(f.decided("a").last == "clock 7205.0...7205.0 ×1")
  }

  @Test("a clock set forward makes one late run, never a flood")
  func forward() {
    var f = Fixture([definition("a")])
    f.setClock(to: 86_400)
    #expect(f.fires("a") == [86_400])
  }

  @Test(
    "a job whose script loads after the start goes on where the store knows it to be, and is not orphaned meanwhile")
  func lateScript() {
    var f = Fixture([definition("a") { $0.recover = true }, definition("gone")])
    f.advance(to: 10)
    // The host dies at 12 with both runs claimed.
    var g = Fixture(start: false, snapshot: snapshot(f))
    g.now = ClockReading(wall: t(35), monotonic: 0)
    g.core.start(at: g.now, isWhole: false, into: &g.actions)
    g.settle()
    #expect(!g.events.contains { if case .jobOrphaned = $0 { true } else { false } })
    let step = SchedulerCore.ReloadStep(declared: [definition("a") { $0.recover = true }], removed: [], isLast: true)
    #expect(g.core.reload(step, at: g.now, into: &g.actions).added == 1)
    g.core.completeStart(at: g.now, into: &g.actions)
    g.settle()
    g.advance(to: 36)
    #expect(g.rows.values.filter { $0.outcome == .interrupted }.count == 2)
    #expect(g.rows.values.contains { $0.cause == .recovery && $0.job == "a" })
    #expect(g.decided("a").allSatisfy { !$0.contains("orphaned") }, "what it missed is late, not lost")
    let orphans = g.events.compactMap { if case .jobOrphaned(let name) = $0 { name } else { nil } }
    #expect(orphans == ["gone"])
  }

  @Test("a reload in steps comes to what a reload at once comes to", arguments: 0..<20)
  func steps(seed: UInt64) {
    // A linear congruential generator (Knuth's constants); its high bits are good enough for four cases.
    var state = seed &* 6_364_136_223_846_793_005 &+ 1
    let first = (0..<30).map { definition("j\($0)") }
    var whole = Fixture(first)
    var parts = Fixture(first)
    let edited = (0..<40).compactMap { (number: Int) -> JobDefinition? in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      switch state >> 62 {
      case 0: return nil
      case 1: return definition("j\(number)", every: 20 * second)
      case 2: return definition("j\(number)") { $0.after = ["j0"] }
      default: return definition("j\(number)")
      }
    }
    whole.advance(to: 25)
    parts.advance(to: 25)
    let expected = whole.core.reconcile(edited, at: whole.now, into: &whole.actions)
    var result = SchedulerCore.Reconciliation()
    let names = Set(edited.map(\.name))
    var removed = first.map(\.name).filter { !names.contains($0) }[...]
    var rest = edited[...]
    repeat {
      let step = SchedulerCore.ReloadStep(
        declared: rest.prefix(7), removed: removed.prefix(3), isLast: rest.count <= 7 && removed.count <= 3)
      rest = rest.dropFirst(7)
      removed = removed.dropFirst(3)
      let part = parts.core.reload(step, at: parts.now, into: &parts.actions)
      result.added += part.added
      result.changed += part.changed
      result.unchanged += part.unchanged
      result.orphaned += part.orphaned
    } while !rest.isEmpty || !removed.isEmpty
    #expect(result == expected)
    whole.settle()
    parts.settle()
    whole.advance(to: 60)
    parts.advance(to: 60)
    #expect(whole.schedules.keys.sorted() == parts.schedules.keys.sorted())
    for (name, record) in whole.schedules {
      #expect(
        parts.schedules[name]?.nextFire == record.nextFire && parts.schedules[name]?.orphanedAt == record.orphanedAt)
    }
    #expect(whole.core.nextWake.wall == parts.core.nextWake.wall)
  }
}

extension Fixture {
  static func restarted(_ definitions: [JobDefinition], at seconds: Double, snapshot: StoreSnapshot) -> Fixture {
    var fixture = Fixture([], start: false)
    fixture.now = ClockReading(wall: t(seconds), monotonic: Int64(seconds * 1e9))
    fixture.adopt(snapshot, definitions)
    return fixture
  }

  private mutating func adopt(_ snapshot: StoreSnapshot, _ definitions: [JobDefinition]) {
    core.restore(snapshot, store: 0, reading: readTrigger)
    for record in snapshot.schedules { schedules[record.job] = record }
    for record in snapshot.unfinished { rows[record.id] = record }
    core.reconcile(definitions, at: now, into: &actions)
    start()
  }
}
