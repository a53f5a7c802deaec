import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

/// What a store must hold, whenever the host dies, for the next one to decide rightly.
@Suite("What the next host finds")
struct SurvivalTests {
  func snapshot(_ f: Fixture) -> StoreSnapshot { RestartTests().snapshot(f) }

  @Test(
    "a schedule that moves on while its fire waits for the window takes that fire's row along; else it stays due",
    arguments: ["pause", "reload", "orphan"])
  func recordsTakeRowsAlong(how: String) throws {
    let job = definition("a")
    var f = Fixture([definition("z", every: 1 * second) { $0.maxInstances = 9 }, job], window: 1)
    f.commits = false
    f.advance(to: 12)
    // `z` holds the window: `a` of second 10 is due, and neither decided nor written.
    #expect(f.fires("a").isEmpty)
    let others = [definition("z", every: 1 * second) { $0.maxInstances = 9 }]
    switch how {
    case "pause": try f.core.pause("a", into: &f.actions)
    case "reload": f.core.reconcile(others + [definition("a") { $0.priority = -1 }], at: f.now, into: &f.actions)
    default: f.core.reconcile(others, at: f.now, into: &f.actions)
    }
    f.settle()
    #expect(f.schedules["a"]?.nextFire == t(how == "pause" ? 10 : 20))
    #expect(f.fires("a") == (how == "pause" ? [] : [10]))
  }

  @Test("what is due and waits for the window, or for its store, has no row, and its instants become one run")
  func dueWhileFull() {
    var f = Fixture(
      [definition("z", every: 9 * second) { $0.priority = 1 }, definition("a", every: second)], window: 1)
    f.commits = false
    f.advance(to: 1)
    f.commitAll()
    f.advance(to: 5)
    // The order of second 1 has not started: seconds 2 to 5 stay due.
    #expect(f.fires("a") == [1])
    #expect(f.schedules["a"]?.nextFire == t(2))
    f.advance(to: 9)
    f.commits = true
    f.endAll()
    #expect(f.fires("z") == [9])
    #expect(f.fires("a") == [1, 9])
    #expect(f.decided("a") == ["coalesced 2.0...8.0 ×7"])
  }

  @Test(
    "a run that a stop interrupts is run again by the next host if the job asked to recover", arguments: [false, true])
  func recoverAfterStop(recover: Bool) {
    let job = definition("a") { $0.recover = recover }
    var f = Fixture([job])
    f.advance(to: 10)
    f.startRun()
    f.core.drain(at: f.now, into: &f.actions)
    f.core.interruptAll(at: f.now, into: &f.actions)
    f.settle()
    #expect(f.outcomes("a").first == .interrupted)
    let g = Fixture.restarted([job], at: 12, snapshot: snapshot(f))
    #expect(g.orders.map(\.scheduledAt) == (recover ? [t(10)] : []))
    #expect(g.orders.isEmpty || g.rows[g.orders[0].id]?.recovers == RunID(1))
  }

  @Test("a claim that is committed after the end is interrupted, never started")
  func lateCommit() {
    var f = Fixture([definition("a")])
    f.commits = false
    f.advance(to: 10)
    f.core.drain(at: f.now, into: &f.actions)
    f.core.interruptAll(at: f.now, into: &f.actions)
    f.commitAll()
    #expect(f.orders.isEmpty)
    #expect(f.outcomes("a") == [.interrupted])
  }

  @Test("a drain does not wait for a retry that would start after it")
  func drainAndRetry() {
    var f = Fixture([definition("a") { $0.retry = RetryPolicy(max: 3, base: 300 * second) }])
    f.advance(to: 10)
    f.startRun()
    f.endRun(0, .failed)
    #expect(f.core.claimedRuns == 1)
    f.core.drain(at: f.now, into: &f.actions)
    f.settle()
    #expect(f.core.claimedRuns == 0)
    #expect(f.outcomes("a") == [.interrupted])
  }

  @Test("a run that is replaced while it waits for its retry asks for a wake that a clock can wait for")
  func replacedRetry() {
    var f = Fixture([
      definition("a") {
        $0.overlap = .replace; $0.retry = RetryPolicy(max: 3, base: 300 * second)
      }
    ])
    f.advance(to: 10)
    f.startRun()
    f.endRun(0, .failed)
    f.jump(to: 20)
    #expect(f.core.nextWake.monotonic ?? 0 >= 0)
    f.jump(to: 21)
    #expect(f.outcomes("a").first == .cancelled)
    #expect(f.orders.map(\.scheduledAt) == [t(20)])
  }

  @Test("a job missing at the start is orphaned from then on: what fell due is skipped when a reload brings it back")
  func orphanedAtStart() {
    var f = Fixture([definition("a")])
    f.advance(to: 10)
    f.endAll()
    var g = Fixture.restarted([], at: 25, snapshot: snapshot(f))
    #expect(g.schedules["a"]?.orphanedAt == t(25))
    g.jump(to: 45)
    g.core.reconcile([definition("a")], at: g.now, into: &g.actions)
    g.settle()
    #expect(g.orders.isEmpty)
    #expect(g.decided("a") == ["skipped(orphaned) 20.0...40.0 ×3"])
  }

  @Test("a clock set far back while the host was down re-arms every schedule, in its phase")
  func clockWhileDown() {
    let day = 86_400.0
    var f = Fixture([definition("a", every: 3600 * second)])
    f.advance(to: day)
    f.endAll()
    var g = Fixture.restarted([definition("a", every: 3600 * second)], at: 3600 * 5 + 7, snapshot: snapshot(f))
    #expect(g.core.clockEpoch == ClockEpoch(1))
    #expect(g.core.nextWake.wall == t(3600 * 6))
    #expect(g.schedules["a"]?.clockEpoch == ClockEpoch(1))
    // And once more: the epoch is known now.
    g.advance(to: 3600 * 6)
    g.endAll()
    let h = Fixture.restarted([definition("a", every: 3600 * second)], at: 3600 * 6.5, snapshot: snapshot(g))
    #expect(h.core.clockEpoch == ClockEpoch(1))
    #expect(h.core.nextWake.wall == t(3600 * 7))
  }

  @Test("a clock set back beyond an interval's anchor keeps its phase and does not silence it")
  func clockBeforeAnchor() {
    var f = Fixture([definition("a", every: 600 * second)])
    f.advance(to: 700)
    f.endAll()
    f.setClock(to: -86_400 + 100)
    #expect(f.core.nextWake.wall == t(-86_400 + 600))
  }

  @Test("a restart that changes nothing writes no schedule")
  func quietRestart() {
    var f = Fixture([definition("a"), definition("b", every: 50 * second)])
    f.advance(to: 20)
    f.endAll()
    var core = SchedulerCore(configuration: .init(), stores: ["default"], executors: ["default"])
    var actions = Evaluation(stores: 1, executors: 1)
    let now = ClockReading(wall: t(25), monotonic: 1)
    core.restore(snapshot(f), store: 0, reading: readTrigger)
    core.reconcile([definition("a"), definition("b", every: 50 * second)], at: now, into: &actions)
    core.start(at: now, into: &actions)
    core.advance(to: now, into: &actions)
    #expect(actions.stores[0].batch.isEmpty)
  }

  @Test("debounced events survive a crash as one run, which does not wait again")
  func debounce() {
    let job = definition("a", every: nil) {
      $0.events = ["ping"]
      $0.debounce = 60 * second
    }
    var f = Fixture([job])
    for second in [1.0, 2, 3] {
      f.advance(to: second)
      f.core.emit("ping", data: JSONText("\(Int(second))"), at: f.now, into: &f.actions)
      f.settle()
    }
    #expect(f.orders.isEmpty)
    let g = Fixture.restarted([job], at: 10, snapshot: snapshot(f))
    #expect(g.orders.map { $0.context?.event?.text } == [#"{"name":"ping","data":3}"#])
    #expect(g.orders.first?.missed == 2)
  }

  @Test("a job that a reload moves to another store leaves its active run, and an orphaned record, where they were")
  func moved() {
    var core = SchedulerCore(configuration: .init(), stores: ["default", "other"], executors: ["default"])
    var actions = Evaluation(stores: 2, executors: 1)
    core.reconcile([definition("a")], at: ClockReading(wall: t(0), monotonic: 0), into: &actions)
    core.start(at: ClockReading(wall: t(0), monotonic: 0), into: &actions)
    let now = ClockReading(wall: t(10), monotonic: 10 * second)
    core.advance(to: now, into: &actions)
    core.committed(actions.stores[0].claims, at: now, into: &actions)
    let order = actions.orders[0][0]
    actions.removeAll()
    core.reconcile([definition("a") { $0.store = "other" }], at: now, into: &actions)
    core.report(
      [RunReport(token: order.token, kind: .ended, outcome: .succeeded, startedAt: t(10), duration: 1)], at: now,
      into: &actions)
    core.advance(to: now, into: &actions)
    #expect(actions.stores[0].batch.finished.map(\.id) == [order.id])
    #expect(actions.stores[0].batch.schedules.map(\.orphanedAt) == [t(10)])
    #expect(actions.stores[1].batch.schedules.map(\.nextFire) == [t(20)])
    #expect(actions.stores[1].batch.finished.isEmpty)
  }
}
