import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

/// A commit may have taken place although its answer says that it failed. `Fixture` keeps every batch, whatever the
/// test answers.
@Suite("An instant has one decision, also when an answer of the store was lost")
struct LostAnswerTests {
  /// A claim of second 10 that the store keeps and calls failed, after which nothing can be claimed.
  private func refused(_ change: (inout JobDefinition) -> Void = { _ in }) -> Fixture {
    var f = Fixture([definition("a", change)])
    f.commits = false
    f.advance(to: 10)
    f.failAll()
    return f
  }

  @Test("a claim that may be there is written over, so that nobody takes its run for one that started")
  func writtenOver() {
    let f = refused()
    #expect(f.rows.values.map(\.claimedAt) == [nil])
    let g = f.restarted([definition("a")], at: 12)
    #expect(g.orders.map(\.id) == [RunID(1)])
    #expect(g.decided("a") == [])
  }

  @Test("it is dropped when its run is misfired")
  func misfired() {
    var f = refused { $0.misfireGraceTime = 5 * second }
    f.core.storeRecovered(0, into: &f.actions)
    f.jump(to: 16)
    #expect(f.fires("a") == [])
    #expect(f.decided("a") == ["misfired 10.0...10.0 ×1"])
  }

  @Test("it is dropped in the same turn that hears of the failure")
  func misfiredAtOnce() {
    var f = Fixture([LimitTests.member("a") { $0.misfireGraceTime = 5 * second }], groups: ["db": GroupLimit(max: 1)])
    f.commits = false
    f.advance(to: 10)
    let claims = f.uncommitted.removeFirst()
    f.core.claimsFailed(claims, store: 0, error: StoreError(.io, "the answer was lost"), at: f.now, into: &f.actions)
    f.jump(to: 16)
    #expect(f.fires("a") == [])
    #expect(f.decided("a") == ["misfired(group) 10.0...10.0 ×1"])
  }

  @Test("a run that is cancelled before it was ever written takes its schedule past its instant")
  func cancelledUnwritten() throws {
    var f = Fixture([definition("a", every: nil)])
    try f.schedule("a", .every(nanoseconds: 10 * second), id: "s")
    // A reload, a fire that is due and a cancel, all in one turn.
    f.now = ClockReading(wall: t(10), monotonic: f.now.monotonic + 10 * second)
    f.core.declare(definition("a", every: nil) { $0.priority = 1 }, at: f.now, into: &f.actions)
    let slot = try #require(f.core.runs.activeSlots.first)
    try f.core.cancel(f.core.runs.slots[slot].record.id, at: f.now, into: &f.actions)
    f.settle()
    #expect(f.outcomes("a") == [.cancelled])
    #expect(f.dynamic["s"]?.nextFire == t(20))
  }

  @Test("a recovery that waits for a job that has gone ends as cancelled; its instant keeps its one decision")
  func recoveryOfAGoneJob() {
    let job = definition("a") { $0.recover = true }
    var f = Fixture([job])
    f.advance(to: 10)
    f.startRun()
    f.core.drain(at: f.now, into: &f.actions)
    f.core.interruptAll(at: f.now, into: &f.actions)
    f.settle()
    #expect(f.outcomes("a") == [.interrupted, nil])
    let g = f.restarted([], at: 12)
    #expect(g.outcomes("a") == [.interrupted, .cancelled])
    #expect(g.rows[RunID(2)]?.error?.message == "its job had gone when the host started again")
    #expect(g.decisions.isEmpty)
  }

  @Test("waiting runs of a job that has gone become rows of their own: nobody knows what was decided between them")
  func leftOversStayApart() {
    let job = definition("a") { $0.overlap = .queue }
    var f = Fixture([job])
    f.advance(to: 45)
    let g = f.restarted([], at: 50)
    #expect(g.decided("a").count == 3)
    #expect(g.decisions.allSatisfy { $0.continues == nil })
  }
}
