import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Overlap, window and priority")
struct OverlapTests {
  @Test("skip: an instant that falls due while max_instances run is recorded, and the next one runs")
  func skip() {
    var f = Fixture([definition("a")])
    f.advance(to: 25)
    #expect(f.orders.count == 1)
    #expect(f.decided("a") == ["skipped(overlap) 20.0...20.0 ×1"])
    f.endAll()
    f.advance(to: 30)
    #expect(f.fires("a") == [10, 30])
  }

  @Test("max_instances = 2 runs two at a time")
  func two() {
    var f = Fixture([definition("a") { $0.maxInstances = 2 }])
    f.advance(to: 35)
    #expect(f.orders.count == 2)
    #expect(f.decided("a") == ["skipped(overlap) 30.0...30.0 ×1"])
  }

  @Test("queue: waiting instants run one after the other, in order")
  func queue() {
    var f = Fixture([definition("a") { $0.overlap = .queue }])
    f.advance(to: 35)
    #expect(f.orders.map(\.scheduledAt) == [t(10)])
    f.endRun()
    #expect(f.orders.map(\.scheduledAt) == [t(20)])
    f.endRun()
    #expect(f.orders.map(\.scheduledAt) == [t(30)])
    #expect(f.decided("a") == [])
  }

  @Test("queue_one: only the newest waits, the one it replaces is skipped")
  func queueOne() {
    var f = Fixture([definition("a") { $0.overlap = .queueOne }])
    f.advance(to: 35)
    f.endRun()
    #expect(f.orders.map(\.scheduledAt) == [t(30)])
    #expect(f.decided("a") == ["skipped(overlap) 20.0...20.0 ×1"])
  }

  @Test("replace: the running one is cancelled, and the new one starts when it has ended")
  func replace() {
    var f = Fixture([definition("a") { $0.overlap = .replace }])
    f.advance(to: 15)
    f.startRun()
    f.advance(to: 20)
    #expect(f.cancellations == [f.orders[0].token])
    #expect(f.orders.count == 1)
    f.endRun(0, .cancelled)
    #expect(f.orders.map(\.scheduledAt) == [t(20)])
    #expect(f.outcomes("a") == [.cancelled, nil])
  }

  @Test("a queue holds a thousand instants, further ones are skipped (limit)")
  func queueLimit() {
    var f = Fixture([definition("a", every: second) { $0.overlap = .queue }])
    f.advance(to: 1_002)
    #expect(f.decided("a") == ["skipped(limit) 1002.0...1002.0 ×1"])
  }

  @Test("no more than the window is claimed, and what waits is claimed by priority, then by fire time")
  func window() {
    var jobs = (0..<6).map { i in
      definition("job \(i)", every: Int64(10 + i) * second) { $0.priority = i == 5 ? 50 : 0 }
    }
    jobs.reverse()
    var f = Fixture(jobs, window: 2)
    f.jump(to: 15.5)
    #expect(f.orders.map { $0.job.definition.name } == ["job 5", "job 0"])
    f.startRun(0)
    #expect(f.orders.map { $0.job.definition.name } == ["job 5", "job 0", "job 1"])
  }

  @Test("lateness is judged at the claim: what waited for the window beyond its grace is misfired")
  func lateAtClaim() {
    var f = Fixture(
      [definition("hog", every: 9 * second) { $0.overlap = .queue }, definition("a") { $0.misfireGraceTime = second }],
      window: 1)
    f.advance(to: 12)
    #expect(f.orders.map { $0.job.definition.name } == ["hog"])
    f.endAll()
    #expect(f.decided("a") == ["misfired 10.0...10.0 ×1"])
  }

  @Test("an order that starts too late is misfired although it was claimed, and its row goes")
  func lateAtStart() {
    var f = Fixture([definition("a") { $0.misfireGraceTime = second }])
    f.advance(to: 10)
    let order = f.orders.removeFirst()
    #expect(order.startBefore == t(11))
    f.report(.late, order)
    #expect(f.fires("a") == [])
    #expect(f.decided("a") == ["misfired 10.0...10.0 ×1"])
    f.advance(to: 20)
    #expect(f.orders.count == 1)
  }

  @Test("a stuck run keeps its instance; when it returns after all it ends as stuck")
  func stuck() {
    var f = Fixture([definition("a")])
    f.advance(to: 15)
    f.startRun()
    f.report(.stuck, f.orders[0])
    f.advance(to: 20)
    #expect(f.decided("a") == ["skipped(overlap) 20.0...20.0 ×1"])
    f.endRun(0, .stuck)
    f.advance(to: 30)
    #expect(f.outcomes("a") == [.stuck, nil])
  }
}
