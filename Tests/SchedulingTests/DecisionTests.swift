import Basics
import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("What decisions say, and what they do not claim")
struct DecisionTests {
  /// The ranges as a store keeps them: merged where the scheduler lets it.
  func kept(_ f: Fixture, _ job: String) -> [String] {
    var rows: [DecisionRange] = []
    for range in f.decisions where range.job == job {
      if let newest = rows.last, newest.isContinued(by: range) {
        rows[rows.count - 1] = newest.extended(by: range)
      } else {
        rows.append(range)
      }
    }
    return rows.map { range in
      let first = Double(range.first.nanoseconds(since: t(0))) / 1e9
      let last = Double(range.last.nanoseconds(since: t(0))) / 1e9
      return "\(range.reason?.rawValue ?? range.kind.rawValue) \(first)...\(last) ×\(range.count)"
    }
  }

  @Test("neighbouring fire times that are skipped become one row, and a run between them makes it two")
  func runBetween() {
    var f = Fixture([definition("a")])
    f.advance(to: 35)
    f.endAll()
    f.advance(to: 45)
    f.advance(to: 65)
    #expect(f.fires("a") == [10, 40])
    #expect(kept(f, "a") == ["overlap 20.0...30.0 ×2", "overlap 50.0...60.0 ×2"])
  }

  @Test("a skipped event says nothing about the fire times around it")
  func eventsApart() {
    var f = Fixture([definition("a") { $0.events = ["ping"] }])
    f.advance(to: 22)
    f.core.emit("ping", data: nil, at: f.now, into: &f.actions)
    f.advance(to: 25)
    f.core.emit("ping", data: nil, at: f.now, into: &f.actions)
    f.advance(to: 35)
    #expect(kept(f, "a") == ["overlap 20.0...20.0 ×1", "overlap 22.0...25.0 ×2", "overlap 30.0...30.0 ×1"])
  }

  @Test("events that an accepted run lies between are two rows")
  func acceptedBetween() {
    var f = Fixture([definition("a", every: nil) { $0.events = ["ping"] }])
    for second in [1.0, 2, 3] {
      f.advance(to: second)
      f.core.emit("ping", data: nil, at: f.now, into: &f.actions)
      f.settle()
    }
    f.endAll()
    for second in [4.0, 5] {
      f.advance(to: second)
      f.core.emit("ping", data: nil, at: f.now, into: &f.actions)
      f.settle()
    }
    #expect(kept(f, "a") == ["overlap 2.0...3.0 ×2", "overlap 5.0...5.0 ×1"])
  }

  @Test(
    "an event, or an upstream's success, that finds its job paused or disabled is a recorded skip",
    arguments: [SkipReason.paused, .disabled])
  func unheard(reason: SkipReason) throws {
    let listener = definition("b", every: nil) {
      $0.events = ["ping"]
      $0.after = ["a"]
      $0.enabled = reason != .disabled
    }
    var f = Fixture([definition("a"), listener])
    if reason == .paused { try f.core.pause("b", into: &f.actions) }
    f.advance(to: 10)
    f.endAll()
    #expect(f.core.emit("ping", data: nil, at: f.now, into: &f.actions) == 0)
    f.settle()
    #expect(f.fires("b").isEmpty)
    #expect(f.decisions.filter { $0.job == "b" }.map(\.reason) == [reason, reason])
  }

  @Test("jitter delays a fire time, and its grace counts from there: what is due within it runs")
  func graceAndJitter() {
    var job = definition("a", every: 100 * second) {
      $0.jitter = 60 * second
      $0.misfireGraceTime = 5 * second
    }
    job.name = (0..<1_000).lazy.map { "a\($0)" }.first { name in
      Jitter.offsetNanoseconds(
        schedule: StableHash.of(name), fireTime: t(200), jitter: 60 * second, nextFireTime: t(300)) > 50 * second
    }!
    var f = Fixture([job])
    let offset = Jitter.offsetNanoseconds(
      schedule: StableHash.of(job.name), fireTime: t(200), jitter: 60 * second, nextFireTime: t(300))
    f.jump(to: 200 + Double(offset) / 1e9 + 1)
    #expect(f.fires(job.name) == [200])
    #expect(f.decided(job.name) == ["misfired 100.0...100.0 ×1"])
  }

  @Test("another jitter does not lose the fire time whose delay is under way")
  func editedJitter() {
    let trigger = AnyTrigger.every(nanoseconds: 100 * second)
    func job(_ jitter: Int64) -> JobDefinition {
      definition("a") {
        $0.trigger = trigger
        $0.jitter = jitter
      }
    }
    var f = Fixture([job(99 * second)])
    let offset = Jitter.offsetNanoseconds(
      schedule: StableHash.of("a"), fireTime: t(100), jitter: 99 * second, nextFireTime: t(200))
    f.advance(to: 100 + Double(offset) / 2e9)
    f.core.reconcile([job(0)], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.fires("a") == [100])
  }

  @Test("a limit that is raised lets an ended schedule go on; one that is lowered ends it with one skip")
  func editedLimit() {
    func job(_ limit: Int) -> JobDefinition {
      definition("a") {
        $0.limit = limit; $0.maxInstances = 9
      }
    }
    var f = Fixture([job(2)])
    f.advance(to: 45)
    #expect(f.fires("a") == [10, 20])
    f.core.reconcile([job(3)], at: f.now, into: &f.actions)
    f.advance(to: 75)
    #expect(f.fires("a") == [10, 20, 50])
    f.core.reconcile([job(9)], at: f.now, into: &f.actions)
    f.core.reconcile([job(1)], at: f.now, into: &f.actions)
    f.advance(to: 175)
    #expect(f.decided("a") == ["skipped(limit) 80.0...80.0 ×1"])
  }
}
