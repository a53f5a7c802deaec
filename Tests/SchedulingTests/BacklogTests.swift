import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Instants that wait for an instance")
struct BacklogTests {
  /// Each instant gets a run, in order, one after the other.
  static func each(
    _ name: String = "a", every interval: Int64 = 10 * second, _ change: (inout JobDefinition) -> Void = { _ in }
  ) -> JobDefinition {
    definition(name, every: interval) {
      $0.overlap = .queue
      $0.coalesce = .all
      change(&$0)
    }
  }

  @Test("they are left due: no row, no decision, and the store is not told that the schedule passed them")
  func leftDue() {
    var f = Fixture([Self.each()])
    f.advance(to: 35)
    #expect(f.orders.map(\.scheduledAt) == [t(10)])
    #expect(f.rows.count == 1 && f.decisions.isEmpty)
    #expect(f.schedules["a"]?.nextFire == t(20))
    #expect(f.core.nextWake.wall == nil)
  }

  @Test("each runs when its turn has come, in the order of fire times")
  func inOrder() {
    var f = Fixture([Self.each()])
    f.advance(to: 35)
    f.endRun()
    f.endRun()
    #expect(f.orders.map(\.scheduledAt) == [t(30)])
    f.endRun()
    f.advance(to: 40)
    #expect(f.fires("a") == [10, 20, 30, 40])
    #expect(f.decisions.isEmpty)
  }

  @Test("with two instances two of them run at a time")
  func twoInstances() {
    var f = Fixture([Self.each { $0.maxInstances = 2 }])
    f.advance(to: 45)
    #expect(f.orders.map(\.scheduledAt) == [t(10), t(20)])
    f.endRun(1)
    #expect(f.orders.map(\.scheduledAt) == [t(10), t(30)])
  }

  @Test(
    "a thousand wait; of more the oldest are skipped, an eighth of a thousand and what is too much",
    arguments: [(1_001.0, 0), (1_002, 126)])
  func thousand(end: Double, skipped: Int) {
    var f = Fixture([Self.each(every: second)])
    f.advance(to: end)
    #expect(f.decisions.isEmpty)
    f.endRun()
    #expect(f.decided("a") == (skipped == 0 ? [] : ["skipped(limit) 2.0...\(Double(1 + skipped)) ×\(skipped)"]))
    #expect(f.orders.map(\.scheduledAt) == [t(Double(2 + skipped))])
  }

  @Test("catch_up_max is about what is found late, not about what falls due while the job is busy")
  func catchUp() {
    var f = Fixture([Self.each { $0.catchUpMax = 3 }])
    f.jump(to: 55)
    #expect(f.decided("a") == ["skipped(limit) 10.0...20.0 ×2"])
    f.advance(to: 95)
    f.endAll()
    #expect(f.fires("a") == [30, 40, 50, 60, 70, 80, 90])
    #expect(f.decisions.count == 1)
  }

  @Test("those that wait beyond their grace time are one misfired range")
  func grace() {
    var f = Fixture([Self.each { $0.misfireGraceTime = 15 * second }])
    f.advance(to: 52)
    f.endRun()
    #expect(f.decided("a") == ["misfired 20.0...30.0 ×2"])
    #expect(f.orders.map(\.scheduledAt) == [t(40)])
  }

  @Test("what was asked for goes before what is only due")
  func manualFirst() throws {
    var f = Fixture([Self.each()])
    f.advance(to: 35)
    _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions)
    f.settle()
    f.endRun()
    #expect(f.orders.map(\.scheduledAt) == [t(35)])
    f.endRun()
    f.endRun()
    #expect(f.orders.map(\.scheduledAt) == [t(30)])
  }

  @Test("a pause decides at once what waits")
  func paused() throws {
    var f = Fixture([Self.each()])
    f.advance(to: 35)
    try f.core.pause("a", into: &f.actions)
    f.settle()
    #expect(f.decided("a") == ["skipped(paused) 20.0...30.0 ×2"])
    f.endRun()
    try f.core.resume("a", at: f.now, into: &f.actions)
    f.advance(to: 40)
    #expect(f.fires("a") == [10, 40])
  }

  @Test("an edit of the schedule leaves what is due to the old one: it is accepted, with rows")
  func edited() {
    var f = Fixture([Self.each()])
    f.advance(to: 35)
    f.core.reconcile([Self.each(every: 7 * second)], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.rows.values.count { $0.claimedAt == nil } == 2)
    while f.orders.first.map({ $0.scheduledAt < t(36) }) == true { f.endRun() }
    #expect(f.fires("a") == [10, 20, 30])
  }

  @Test("the next host finds them due")
  func restart() {
    var f = Fixture([Self.each()])
    f.advance(to: 35)
    var next = f.restarted([Self.each()], at: 36)
    next.advance(to: 38)
    next.endAll()
    #expect(next.fires("a") == [10, 20, 30])
    #expect(next.decisions.isEmpty)
  }

  @Test(
    "whatever the trigger, every instant is a run or in a range, once and in order",
    arguments: ["every \"1s\"", "cron \"* * * * * *\""])
  func cron(text: String) throws {
    let trigger = try #require(readTrigger(text))
    var f = Fixture([Self.each { $0.trigger = trigger }])
    // Longer than a queue, by steps that are longer than one counting lasts.
    var decided = 0
    for step in 1...12 {
      f.advance(to: Double(step) * 150)
      for _ in 0..<60 where !f.orders.isEmpty { f.endRun() }
    }
    f.endAll()
    decided = f.fires("a").count + f.decisions.reduce(0) { $0 + $1.count }
    #expect(f.fires("a") == f.fires("a").sorted())
    #expect(decided == 1_800)
    #expect(f.decisions.allSatisfy { $0.reason == .limit && $0.kind == .skipped })
  }

  @Test("an overloaded host keeps one row for each run that it starts, and no more than its window of them")
  func overload() {
    var f = Fixture((0..<50).map { Self.each("job \($0)", every: 1_000_000) }, window: 16)
    for step in 1...200 {
      f.jump(to: Double(step) / 100)
      for _ in 0..<min(8, f.orders.count) { f.endRun() }
    }
    let unclaimed = f.rows.values.count { $0.claimedAt == nil }
    #expect(unclaimed <= 50)
    #expect(f.core.runs.count <= 50)
  }
}
