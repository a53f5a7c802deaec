import Chronology
import JobModel
import Testing
import Triggers

@testable import Scheduling

@Suite("Parked runs")
struct ParkingTests {
  private func step(
    _ f: Fixture, _ kind: RunStep.Kind = .sleep, _ name: String = "", until seconds: Double?, position: Int32 = 1
  ) -> RunStep {
    let order = f.orders[0]
    var step = RunStep(
      run: order.id, position: position, kind: kind, name: name, attempt: order.attempt, startedAt: f.now.wall)
    step.until = seconds.map { t($0) }
    return step
  }

  private func park(
    _ f: inout Fixture, _ kind: RunStep.Kind = .sleep, _ name: String = "", until seconds: Double?,
    position: Int32 = 1
  ) {
    let step = step(f, kind, name, until: seconds, position: position)
    f.endRun(0, .cancelled, details: AttemptDetails(park: step))
  }

  private func run(_ f: inout Fixture, _ job: String = "a") throws -> RunID {
    let id = try f.core.runNow(job, params: nil, at: f.now, into: &f.actions)
    f.settle()
    return id
  }

  @Test("a parked run has no claim, is executed again at its time as the same attempt, and ends as one run")
  func wakes() throws {
    var f = Fixture([definition("a", every: nil)])
    let id = try run(&f)
    park(&f, until: 100)
    #expect(f.rows[id]?.park == RunPark(position: 1, until: t(100), event: nil))
    #expect(f.rows[id]?.claimedAt == nil && f.rows[id]?.attempts == 0)
    #expect(f.steps.count == 1)
    #expect(f.core.claimedRuns == 0 && f.core.runTotals.parked == 1)
    f.advance(to: 99)
    #expect(f.orders.isEmpty)
    f.advance(to: 100)
    #expect(f.orders.map(\.id) == [id] && f.orders[0].attempt == 1)
    #expect(f.rows[id]?.park == nil && f.rows[id]?.claimedAt == t(100))
    #expect(f.steps.last == .end(StepEnd(run: id, position: 1, finishedAt: t(100))))
    f.endAll()
    #expect(f.rows[id]?.outcome == .succeeded && f.rows[id]?.attempts == 1)
  }

  @Test("an event wakes the runs that wait for it, with its data, and no run before its call")
  func events() throws {
    var f = Fixture([definition("a", every: nil) { $0.maxInstances = 3 }])
    f.core.emit("go", data: JSONText("0"), at: f.now, into: &f.actions)
    f.advance(to: 1)
    let id = try run(&f)
    park(&f, .wait, "go", until: nil)
    #expect(f.orders.isEmpty)
    f.core.emit("other", data: nil, at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.isEmpty)
    f.core.emit("go", data: JSONText("7"), at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.map(\.id) == [id])
    #expect(f.steps.last == .end(StepEnd(run: id, position: 1, finishedAt: t(1), result: JSONText("7"))))
    f.core.emit("go", data: JSONText("8"), at: f.now, into: &f.actions)
    f.settle()
    #expect(f.steps.count == 2, "it waits no more")
  }

  @Test("an event that comes between the call and the park is not lost")
  func early() throws {
    var f = Fixture([definition("a", every: nil)])
    let id = try run(&f)
    let step = step(f, .wait, "go", until: 50)
    f.advance(to: 1)
    f.core.emit("go", data: nil, at: f.now, into: &f.actions)
    f.endRun(0, .cancelled, details: AttemptDetails(park: step))
    #expect(f.orders.map(\.id) == [id])
    #expect(f.steps.last == .end(StepEnd(run: id, position: 1, finishedAt: t(1), result: JSONText("true"))))
    #expect(f.rows[id]?.park == nil)
  }

  @Test("an event in the very evaluation in which the run parks is not lost, and neither is one before many others")
  func sameEvaluation() throws {
    var f = Fixture([definition("a", every: nil)])
    _ = try run(&f)
    f.advance(to: 1)
    let step = step(f, .wait, "go", until: 50)
    f.core.emit("go", data: JSONText("1"), at: f.now, into: &f.actions)
    for _ in 0..<999 { f.core.emit("other", data: nil, at: f.now, into: &f.actions) }
    f.endRun(0, .cancelled, details: AttemptDetails(park: step))
    #expect(f.orders.count == 1)
    #expect(f.steps.last == .end(StepEnd(run: f.orders[0].id, position: 1, finishedAt: t(1), result: JSONText("1"))))
  }

  @Test("a run that was parked and loses its place ends as cancelled, and its row stays")
  func rejected() throws {
    var f = Fixture([definition("a", every: nil) { $0.overlap = .replace }])
    let id = try run(&f)
    f.startRun()
    park(&f, until: 10)
    f.commits = false
    f.advance(to: 10)
    let newer = try run(&f)
    f.commits = true
    f.commitAll()
    #expect(f.rows[id]?.outcome == .cancelled, "\(String(describing: f.rows[id]))")
    #expect(f.orders.map(\.id) == [newer])
  }

  @Test("times of runs that events have woken do not pile up")
  func sweeps() throws {
    var f = Fixture([definition("a", every: nil)])
    _ = try run(&f)
    for _ in 0..<3_000 {
      park(&f, .wait, "go", until: 1_000_000)
      f.core.emit("go", data: nil, at: f.now, into: &f.actions)
      f.settle()
      f.now.wall = f.now.wall.advanced(byNanoseconds: 1)
      f.now.monotonic += 1
    }
    #expect(f.core.runs.parked.times.count <= 1_001)
  }

  @Test("a wait ends at its timeout without a result")
  func timeout() throws {
    var f = Fixture([definition("a", every: nil)])
    let id = try run(&f)
    park(&f, .wait, "go", until: 5)
    f.advance(to: 5)
    #expect(f.orders.map(\.id) == [id])
    #expect(f.steps.last == .end(StepEnd(run: id, position: 1, finishedAt: t(5))))
    f.core.emit("go", data: nil, at: f.now, into: &f.actions)
    #expect(f.steps.count == 2)
  }

  @Test("a parked run counts as an instance, holds no slot of its group, and is not late when it goes on")
  func limits() throws {
    var f = Fixture(
      [
        definition("a", every: nil) { $0.group = "g" }, definition("b", every: nil) { $0.group = "g" },
        definition("c", every: 10 * second) {
          $0.misfireGraceTime = second
          $0.group = "g"
        },
      ], groups: ["g": GroupLimit(max: 1)])
    _ = try run(&f)
    park(&f, until: 1_000)
    #expect(throws: SchedulerCore.Refusal.overlap("a", maxInstances: 1)) { try run(&f) }
    _ = try run(&f, "b")
    #expect(f.orders.map(\.job.definition.name) == ["b"])
    f.endAll()
    f.advance(to: 10)
    #expect(f.orders.map(\.job.definition.name) == ["c"])
    park(&f, until: 200)
    f.advance(to: 205)
    #expect(f.orders.map(\.job.definition.name) == ["c"] && f.orders[0].scheduledAt == t(10))
    #expect(f.decided("c").allSatisfy { $0.hasPrefix("skipped(overlap)") }, "\(f.decided("c"))")
  }

  @Test("a cancelled parked run ends at once, and a run that was cancelled does not park")
  func cancel() throws {
    var f = Fixture([definition("a", every: nil)])
    let id = try run(&f)
    park(&f, .wait, "go", until: nil)
    try f.core.cancel(id, at: f.now, into: &f.actions)
    f.settle()
    #expect(f.rows[id]?.outcome == .cancelled && f.core.runs.count == 0)
    let other = try run(&f)
    try f.core.cancel(other, at: f.now, into: &f.actions)
    f.settle()
    park(&f, until: 100)
    #expect(f.rows[other]?.outcome == .cancelled && f.rows[other]?.park == nil)
  }

  @Test("overlap = replace takes the place of a parked run")
  func replace() throws {
    var f = Fixture([definition("a", every: nil) { $0.overlap = .replace }])
    let id = try run(&f)
    park(&f, until: 100)
    let next = try run(&f)
    #expect(f.rows[id]?.outcome == .cancelled)
    #expect(f.orders.map(\.id) == [next])
  }

  @Test("a drain leaves parked runs alone, and the next host goes on with them; a late one at once")
  func restarts() throws {
    let jobs = [definition("a", every: nil) { $0.maxInstances = 2 }]
    var f = Fixture(jobs)
    let first = try run(&f)
    park(&f, until: 100)
    let second = try run(&f)
    park(&f, .wait, "go", until: nil, position: 4)
    f.core.drain(at: f.now, into: &f.actions)
    f.settle()
    f.core.cancelAll(at: f.now, into: &f.actions)
    f.core.interruptAll(at: f.now, into: &f.actions)
    f.settle()
    #expect(f.rows.values.allSatisfy { $0.outcome == nil && $0.park != nil })
    var next = f.restarted(jobs, at: 200)
    #expect(next.orders.map(\.id) == [first])
    #expect(throws: SchedulerCore.Refusal.overlap("a", maxInstances: 2)) { try run(&next) }
    next.endAll()
    next.core.emit("go", data: nil, at: next.now, into: &next.actions)
    next.settle()
    #expect(next.orders.map(\.id) == [second])
    #expect(
      next.steps.last == .end(StepEnd(run: second, position: 4, finishedAt: t(200), result: JSONText("true"))))
  }

  @Test("at a restart parked runs are instances before anything that was accepted earlier gets a place")
  func instances() throws {
    let jobs = [
      definition("a", every: nil) {
        $0.events = ["e"]
        $0.debounce = 10 * second
        $0.recover = true
      }
    ]
    var f = Fixture(jobs)
    f.core.emit("e", data: nil, at: f.now, into: &f.actions)
    f.settle()
    let parked = try run(&f)
    park(&f, until: 1_000)
    #expect(f.rows.values.filter { $0.outcome == nil }.map(\.id).min()! < parked)
    var next = f.restarted(jobs, at: 5)
    #expect(next.orders.isEmpty, "its one instance is the parked run")
    next.advance(to: 1_000)
    #expect(next.orders.map(\.id) == [parked])
    next.endRun()
    #expect(next.orders.count == 1 && next.orders[0].id < parked)

    // Also before a run that makes good for an interrupted one.
    let two = [definition("a", every: nil) { ($0.maxInstances, $0.recover) = (2, true) }]
    var g = Fixture(two)
    _ = try run(&g)
    g.startRun()
    let later = try run(&g)
    let order = g.orders.remove(at: 1)
    g.orders.insert(order, at: 0)
    park(&g, until: 1_000)
    let one = [definition("a", every: nil) { ($0.maxInstances, $0.recover) = (1, true) }]
    let again = g.restarted(one, at: 5)
    #expect(again.rows[later]?.park != nil && again.orders.isEmpty)
  }

  @Test("a parked run of a job that is not declared waits in the store, and goes on when the job is back")
  func orphans() throws {
    var f = Fixture([definition("a", every: nil)])
    let id = try run(&f)
    park(&f, until: 10)
    var next = f.restarted([], at: 100)
    #expect(next.rows[id]?.park != nil && next.rows[id]?.outcome == nil)
    next.core.reconcile([definition("a", every: nil)], at: next.now, into: &next.actions)
    next.settle()
    #expect(next.orders.map(\.id) == [id])
  }

  @Test("retries before the park count after it, and after a restart")
  func retries() throws {
    let jobs = [
      definition("a", every: nil) {
        $0.retry = RetryPolicy(max: 1, backoff: .fixed, base: second, jitter: false)
      }
    ]
    var f = Fixture(jobs)
    let id = try run(&f)
    f.endRun(0, .failed)
    f.advance(to: 1)
    #expect(f.orders[0].attempt == 2)
    park(&f, until: 50)
    var next = f.restarted(jobs, at: 60)
    #expect(next.orders[0].attempt == 2)
    next.endRun(0, .failed)
    #expect(next.rows[id]?.outcome == .failed && next.rows[id]?.attempts == 2)
  }

  @Test("who makes good for an interrupted run inherits its steps, and so does who tries a failed one again")
  func inherits() throws {
    let jobs = [definition("a", every: nil) { $0.recover = true }]
    var f = Fixture(jobs)
    let id = try run(&f)
    f.startRun()
    let next = f.restarted(jobs, at: 10)
    let heir = next.orders[0].id
    #expect(next.rows[heir]?.recovers == id)
    #expect(next.steps.contains(.inherit(StepInheritance(from: id, to: heir))))

    f.endRun(0, .failed)
    let again = try f.core.retry(f.rows[id]!, at: f.now, into: &f.actions)
    f.settle()
    #expect(f.steps.contains(.inherit(StepInheritance(from: id, to: again))))
    f.endAll()
    let third = try f.core.retry(f.rows[again]!, at: f.now, into: &f.actions)
    f.settle()
    #expect(!f.steps.contains(.inherit(StepInheritance(from: again, to: third))), "it succeeded: all is done anew")
  }
}
