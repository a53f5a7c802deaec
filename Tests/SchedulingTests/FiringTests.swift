import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Due instants become decisions")
struct FiringTests {
  @Test("an interval fires one interval after its registration, and then on its grid")
  func grid() {
    var f = Fixture([definition("a")])
    f.advance(to: 9.9)
    #expect(f.orders.isEmpty)
    for k in 1...3 {
      f.advance(to: Double(k) * 10 + 0.5)
      f.endAll()
    }
    #expect(f.fires("a") == [10, 20, 30])
    #expect(f.outcomes("a") == [.succeeded, .succeeded, .succeeded])
    #expect(f.decided("a") == [])
  }

  @Test("three missed fire times become one run under coalesce latest, which counts the others")
  func coalesceLatest() {
    var f = Fixture([definition("a")])
    f.jump(to: 35)
    #expect(f.fires("a") == [30])
    #expect(f.orders.map(\.missed) == [2])
    #expect(f.decided("a") == ["coalesced 10.0...20.0 ×2"])
    #expect(f.decisions.map(\.run) == [f.orders[0].id])
  }

  @Test("coalesce earliest runs the first of them")
  func coalesceEarliest() {
    var f = Fixture([definition("a") { $0.coalesce = .earliest }])
    f.jump(to: 35)
    #expect(f.fires("a") == [10])
    #expect(f.decided("a") == ["coalesced 20.0...30.0 ×2"])
  }

  @Test("coalesce all runs each, the latest catch_up_max of them")
  func coalesceAll() {
    var f = Fixture([
      definition("a") {
        $0.coalesce = .all
        $0.catchUpMax = 3
        $0.maxInstances = 10
      }
    ])
    f.jump(to: 55)
    #expect(f.fires("a") == [30, 40, 50])
    #expect(f.decided("a") == ["skipped(limit) 10.0...20.0 ×2"])
  }

  @Test(
    "a fire later than its grace time is misfired, one within it runs",
    arguments: [(11.0, true), (12.0, true), (12.5, false)])
  func misfire(time: Double, runs: Bool) {
    var f = Fixture([definition("a") { $0.misfireGraceTime = 2 * second }])
    f.jump(to: time)
    #expect(f.fires("a") == (runs ? [10] : []))
    #expect(f.decided("a") == (runs ? [] : ["misfired 10.0...10.0 ×1"]))
  }

  @Test("of many due at once, those beyond the grace time are one misfired range and the rest coalesce")
  func misfireAndCoalesce() {
    var f = Fixture([definition("a") { $0.misfireGraceTime = 15 * second }])
    f.jump(to: 52)
    #expect(f.fires("a") == [50])
    #expect(f.decided("a") == ["misfired 10.0...30.0 ×3", "coalesced 40.0...40.0 ×1"])
  }

  @Test("a week of a job that runs every millisecond is decided at once, and the count says at least")
  func longDowntime() {
    var f = Fixture([definition("a", every: 1_000_000)])
    f.jump(to: 7 * 86_400)
    #expect(f.fires("a") == [7 * 86_400])
    #expect(f.decided("a") == ["coalesced 0.001...604799.999 ×10000+"])
    #expect(f.core.nextWake.wall == t(7 * 86_400 + 0.001))
  }

  @Test("a paused job records what falls due as skipped, and does not run it on resume")
  func paused() throws {
    var f = Fixture([definition("a")])
    try f.core.pause("a", into: &f.actions)
    f.advance(to: 25)
    try f.core.resume("a", at: f.now, into: &f.actions)
    f.advance(to: 31)
    #expect(f.fires("a") == [30])
    #expect(f.decided("a") == ["skipped(paused) 10.0...10.0 ×1", "skipped(paused) 20.0...20.0 ×1"])
  }

  @Test("a disabled job records what falls due as skipped (disabled)")
  func disabled() {
    var f = Fixture([definition("a") { $0.enabled = false }])
    f.jump(to: 25)
    #expect(f.decided("a") == ["skipped(disabled) 10.0...20.0 ×2"])
    #expect(f.fires("a") == [])
  }

  @Test("limit ends the schedule after so many fires")
  func limit() {
    var f = Fixture([definition("a") { $0.limit = 2 }])
    f.advance(to: 15)
    f.endAll()
    f.advance(to: 55)
    f.endAll()
    #expect(f.fires("a") == [10, 20])
    #expect(f.core.nextWake.wall == nil)
  }

  @Test("jitter delays the start and leaves the fire time nominal")
  func jitter() {
    var f = Fixture((0..<50).map { i in definition("job \(i)") { $0.jitter = 5 * second } })
    f.advance(to: 10)
    let atOnce = f.orders.count
    f.advance(to: 15)
    #expect(atOnce < 10)
    #expect(f.orders.count == 50)
    #expect(f.orders.allSatisfy { $0.scheduledAt == t(10) })
  }

  @Test("run_at_start runs once at the start, beside the schedule")
  func runAtStart() {
    var f = Fixture([definition("a") { $0.runAtStart = true }])
    #expect(f.orders.map(\.scheduledAt) == [t(0)])
    f.endAll()
    f.advance(to: 10)
    #expect(f.fires("a") == [0, 10])
  }

  @Test(
    "fire times that were missed before a start are one run with it, unless each is asked for",
    arguments: [
      (CoalescePolicy.latest, nil, [35], [DecisionKind.coalesced], 3),
      (.earliest, nil, [10], [.coalesced], 2),
      (.all, nil, [35], [.skipped, .skipped, .skipped], 0),
      (.latest, 10 * second, [35], [.misfired, .coalesced], 1),
      (.earliest, 10 * second, [30], [.misfired], 0),
      (.latest, 0, [35], [.misfired], 0),
      (.earliest, 0, [35], [.misfired], 0),
    ])
  func missedBeforeStart(
    coalesce: CoalescePolicy, grace: Int64?, runs: [Double], decisions: [DecisionKind], missed: Int
  ) {
    let job = definition("a") {
      $0.runAtStart = true
      $0.coalesce = coalesce
      $0.misfireGraceTime = grace
    }
    var f = Fixture([job])
    f.endAll()
    var restarted = f.restarted([job], at: 35)
    restarted.advance(to: 36)
    #expect(restarted.orders.map(\.scheduledAt) == runs.map(t))
    #expect(restarted.orders.map { restarted.rows[$0.id]?.missed } == [missed])
    #expect(restarted.decisions.map(\.kind) == decisions)
    restarted.endAll()
    restarted.advance(to: 40)
    #expect(restarted.orders.map(\.scheduledAt) == [t(40)])
  }

  @Test("they count once for the limit, and are decided once", arguments: [CoalescePolicy.latest, .earliest])
  func missedBeforeStartOfLimited(coalesce: CoalescePolicy) {
    func job(_ limit: Int) -> JobDefinition {
      definition("a") {
        $0.runAtStart = true
        $0.coalesce = coalesce
        $0.limit = limit
      }
    }
    var f = Fixture([job(2)])
    f.endAll()
    var restarted = f.restarted([job(2)], at: 35)
    restarted.endAll()
    #expect(restarted.decisions.map(\.kind) == [.coalesced])
    for time in [45.0, 55, 65] {
      restarted.advance(to: time)
      restarted.endAll()
    }
    #expect(restarted.fires("a") == [0, coalesce == .latest ? 35 : 10, 40])
    // A limit that is lowered below what has fired lets nothing but the start run.
    var lowered = f.restarted([job(0)], at: 35)
    #expect(lowered.orders.map(\.scheduledAt) == [t(35)])
    #expect(lowered.orders.map { lowered.rows[$0.id]?.missed } == [0])
    #expect(lowered.decisions.allSatisfy { $0.kind != .coalesced || $0.run == nil }, "\(lowered.decisions)")
    lowered.endAll()
    lowered.advance(to: 60)
    #expect(lowered.fires("a") == [0, 35])
  }

  @Test("run_at_start runs at a restart, and at a takeover only what is new")
  func runAtTakeover() {
    let jobs = ["a", "b"].map { name in definition(name, every: 1_000 * second) { $0.runAtStart = true } }
    var f = Fixture([jobs[0]])
    f.endAll()
    var restarted = f.restarted([jobs[0]], at: 5)
    restarted.endAll()
    #expect(restarted.fires("a") == [0, 5])
    var next = restarted.restarted(jobs, at: 9, isTakeover: true)
    #expect(next.orders.map(\.job.definition.name) == ["b"])
    next.endAll()
    // A script that is edited afterwards is no start either.
    var edited = jobs
    edited[0].jitter = second
    next.core.reconcile(edited, at: next.now, into: &next.actions)
    next.settle()
    #expect(next.orders.isEmpty)
    next.advance(to: 1_001)
    #expect(next.orders.map(\.job.definition.name).contains("a"))
  }

  @Test("a job without a trigger runs only when asked, with the parameters given")
  func manual() throws {
    var f = Fixture([definition("a", every: nil)])
    f.advance(to: 100)
    #expect(f.orders.isEmpty)
    _ = try f.core.runNow("a", params: JSONText("{\"k\":1}"), at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.map { $0.context?.params?.text } == ["{\"k\":1}"])
    #expect(throws: (any Error).self) { try f.core.runNow("nope", params: nil, at: f.now, into: &f.actions) }
  }
}
