import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Dynamic schedules")
struct DynamicScheduleTests {
  /// A job that only runs when somebody makes a schedule for it.
  static func send(_ change: (inout JobDefinition) -> Void = { _ in }) -> JobDefinition {
    definition("send", every: nil) { change(&$0) }
  }

  static func every(_ seconds: Int64) -> AnyTrigger { .every(nanoseconds: seconds * second) }

  @Test("a one-off runs once at its time, with its parameters, and is gone; its history stays")
  func oneOff() throws {
    var f = Fixture([Self.send()])
    let id = try f.schedule("send", .at([t(30)])) { $0.params = JSONText("{\"to\":\"ann\"}") }
    #expect(f.dynamic[id]?.nextFire == t(30))
    f.advance(to: 30)
    #expect(f.orders.map(\.context?.params?.text) == ["{\"to\":\"ann\"}"])
    #expect(f.orders.map(\.context?.schedule) == [id])
    #expect(f.dynamic[id]?.nextFire == nil, "it is kept while its run is under way")
    f.startRun()
    f.endRun()
    #expect(f.dynamic.isEmpty)
    #expect(f.core.dynamicSchedules.isEmpty)
    #expect(f.rows.values.map(\.schedule) == [id])
    #expect(f.outcomes("send") == [.succeeded])
    f.advance(to: 1_000)
    #expect(f.fires("send") == [30])
  }

  @Test("several schedules of one job run beside each other, each with its own parameters and instances")
  func several() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "a") { $0.params = JSONText("1") }
    try f.schedule("send", Self.every(10), id: "b") { $0.params = JSONText("2") }
    f.advance(to: 10)
    #expect(f.orders.map(\.context?.params?.text) == ["1", "2"])
    f.advance(to: 20)
    // Each has one instance, so each skips.
    #expect(f.orders.count == 2)
    #expect(f.decisions.map(\.schedule) == ["a", "b"])
    f.endAll()
    f.advance(to: 30)
    #expect(f.fires("send") == [10, 10, 30, 30])
  }

  @Test("a declared schedule and those made for its job leave each other alone")
  func besideDeclared() throws {
    var f = Fixture([definition("a", every: 10 * second)])
    try f.schedule("a", Self.every(10), id: "own")
    f.advance(to: 10)
    #expect(f.orders.count == 2)
    #expect(f.rows.values.map(\.schedule).sorted { ($0 ?? "") < ($1 ?? "") } == [nil, "own"])
  }

  @Test("a date that is past is due at once, and not late for it", arguments: [nil, 5 * second])
  func past(grace: Int64?) throws {
    var f = Fixture([Self.send { $0.misfireGraceTime = grace }])
    f.advance(to: 100)
    try f.schedule("send", .at([t(20)]))
    #expect(f.fires("send") == [20])
    f.endAll()
    #expect(f.decided("send") == [])
    #expect(f.core.dynamicSchedules.isEmpty)
  }

  @Test("its lateness counts from when it was made")
  func pastAndLate() throws {
    var f = Fixture([Self.send { $0.misfireGraceTime = 5 * second }], window: 1)
    f.advance(to: 100)
    f.commits = false
    try f.schedule("send", .at([t(20)]), id: "first")
    try f.schedule("send", .at([t(20)]), id: "second")
    f.jump(to: 106)
    f.commitAll()
    f.startRun()
    #expect(f.rows.values.map(\.schedule) == ["first"])
    #expect(f.decided("send") == ["misfired 20.0...20.0 ×1"])
    #expect(f.dynamic.keys.sorted() == ["first"])
  }

  @Test("past and future dates of one list: what is past runs now, coalesced, the rest in time")
  func mixedDates() throws {
    var f = Fixture([Self.send()])
    f.advance(to: 100)
    try f.schedule("send", .at([t(10), t(20), t(200)]))
    #expect(f.fires("send") == [20])
    #expect(f.decided("send") == ["coalesced 10.0...10.0 ×1"])
    f.endAll()
    f.advance(to: 200)
    #expect(f.fires("send") == [20, 200])
  }

  @Test("options of the call win over the job's")
  func options() throws {
    var f = Fixture([Self.send { $0.maxInstances = 1 }])
    try f.schedule("send", Self.every(10), id: "x") {
      $0.maxInstances = 2
      $0.misfireGraceTime = second
      $0.coalesce = .all
    }
    f.advance(to: 20)
    #expect(f.orders.count == 2)
    f.endAll()
    f.jump(to: 45)
    #expect(f.decided("send") == ["misfired 30.0...40.0 ×2"])
  }

  // MARK: Ids

  @Test("an id is made when none is given, and none twice")
  func ids() throws {
    var f = Fixture([Self.send()])
    let first = try f.schedule("send", .at([t(10)]))
    let second = try f.schedule("send", .at([t(10)]))
    #expect(first.hasPrefix("send-") && second.hasPrefix("send-") && first != second)
    f.advance(to: 10)
    f.endAll()
    let third = try f.schedule("send", .at([t(20)]))
    #expect(third != first && third != second)
  }

  @Test("what cannot be done is refused, and nothing is changed")
  func refused() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", .at([t(10)]), id: "x")
    let before = f.core.dynamicSchedules
    #expect(throws: SchedulerCore.Refusal.scheduleExists("x")) { try f.schedule("send", .at([t(20)]), id: "x") }
    #expect(throws: SchedulerCore.Refusal.unknownJob("sned")) { try f.schedule("sned", .at([t(20)])) }
    #expect(throws: SchedulerCore.Refusal.scheduleID("")) { try f.schedule("send", .at([t(20)]), id: "") }
    #expect(throws: SchedulerCore.Refusal.unknownSchedule("y")) { try f.unschedule("y") }
    let over = Self.every(60).bounded(from: nil, until: t(-100))
    #expect(throws: SchedulerCore.Refusal.self) { try f.schedule("send", over) }
    #expect(f.core.dynamicSchedules == before)
  }

  @Test(
    "replace_existing puts the new one in the old one's place: what was due of the old is skipped, what ran still counts"
  )
  func replace() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x") { $0.params = JSONText("1") }
    f.advance(to: 10)
    f.startRun()
    try f.schedule("send", Self.every(7), id: "x", replacing: true) { $0.params = JSONText("2") }
    f.advance(to: 17)
    #expect(f.decided("send") == ["skipped(overlap) 17.0...17.0 ×1"], "the old one's instance counts")
    f.endRun()
    f.advance(to: 24)
    #expect(f.orders.map(\.context?.params?.text) == ["2"])
    #expect(f.fires("send") == [10, 24])
    #expect(f.dynamic.keys.sorted() == ["x"])
  }

  @Test("an id may be given to another job's schedule")
  func replaceForAnotherJob() throws {
    var f = Fixture([Self.send(), definition("fetch", every: nil)])
    try f.schedule("send", .at([t(10)]), id: "x")
    try f.schedule("fetch", .at([t(20)]), id: "x", replacing: true)
    #expect(f.dynamic["x"]?.job == "fetch")
    f.advance(to: 30)
    #expect(f.fires("send") == [])
    #expect(f.fires("fetch") == [20])
    f.endAll()
    #expect(f.dynamic.isEmpty)
  }

  // MARK: Unschedule

  @Test("what is unscheduled does not fire, and an id is free again")
  func unschedule() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x")
    try f.unschedule("x")
    #expect(f.dynamic.isEmpty)
    f.advance(to: 60)
    #expect(f.fires("send") == [])
    try f.schedule("send", Self.every(10), id: "x")
    f.advance(to: 70)
    #expect(f.fires("send") == [70])
  }

  @Test("unscheduled and made again in one turn: the store keeps the new one")
  func unscheduleAndMake() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x")
    try f.core.unschedule("x", at: f.now, into: &f.actions)
    var request = ScheduleRequest(job: "send", id: "x", trigger: .at([t(90)]))
    request.options.priority = 5
    _ = try f.core.schedule(request, at: f.now, into: &f.actions)
    f.settle()
    #expect(f.dynamic["x"]?.nextFire == t(90))
    f.advance(to: 100)
    #expect(f.fires("send") == [90])
  }

  @Test("what was claimed goes on, what waits is skipped as unscheduled")
  func unscheduleWhileActive() throws {
    var f = Fixture([Self.send { $0.overlap = .queue }])
    try f.schedule("send", Self.every(10), id: "x")
    f.advance(to: 20)
    f.startRun()
    #expect(f.rows.count == 2)
    try f.unschedule("x")
    #expect(f.decided("send") == ["skipped(unscheduled) 20.0...20.0 ×1"])
    #expect(f.rows.count == 1)
    f.endRun()
    #expect(f.outcomes("send") == [.succeeded])
    #expect(f.orders.isEmpty)
  }

  @Test("a due instant that nobody looked at yet is decided when its schedule is taken away")
  func unscheduleWhenDue() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x")
    f.now.wall = t(25)
    f.now.monotonic = 25 * second
    try f.unschedule("x")
    #expect(f.decided("send") == ["skipped(unscheduled) 10.0...20.0 ×2"])
    #expect(f.fires("send") == [])
  }

  // MARK: Restart

  @Test("a restart brings every schedule back as it was, in its phase")
  func restart() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "beat") {
      $0.params = JSONText("1")
      $0.priority = 3
    }
    f.advance(to: 3)
    try f.schedule("send", .at([t(60)]), id: "once")
    f.advance(to: 12)
    f.endAll()
    var g = f.restarted([Self.send()], at: 15)
    #expect(g.core.dynamicSchedules == f.core.dynamicSchedules)
    g.advance(to: 20)
    #expect(g.orders.map(\.context?.params?.text) == ["1"])
    #expect(g.orders.map(\.job.definition.priority) == [3])
    g.endAll()
    g.advance(to: 60)
    #expect(g.rows.values.count { $0.schedule == "once" } == 1)
  }

  @Test("a one-off that fell due while the host was down is late, not lost")
  func lateOneOff() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", .at([t(60)]), id: "once")
    var g = f.restarted([Self.send()], at: 100)
    g.advance(to: 101)
    #expect(g.fires("send") == [60])
    g.endAll()
    #expect(g.dynamic.isEmpty)
  }

  @Test("a one-off whose run was cut off is interrupted and gone, or run again with recover", arguments: [false, true])
  func cutOff(recover: Bool) throws {
    let job = Self.send { $0.recover = recover }
    var f = Fixture([job])
    try f.schedule("send", .at([t(60)]), id: "once") { $0.params = JSONText("7") }
    f.advance(to: 60)
    f.startRun()
    var g = f.restarted([job], at: 100)
    #expect(g.orders.map(\.context?.params?.text) == (recover ? ["7"] : []))
    #expect(g.dynamic.isEmpty == !recover)
    g.endAll()
    #expect(g.dynamic.isEmpty)
    #expect(g.outcomes("send") == (recover ? [.interrupted, .succeeded] : [.interrupted]))
  }

  // MARK: The job

  @Test("when the job goes, its schedules are kept, marked, and come back with it", arguments: [false, true])
  func orphaned(restarts: Bool) throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "beat")
    try f.schedule("send", .at([t(25)]), id: "once")
    f.core.reconcile([], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.dynamic.values.map(\.orphanedAt) == [t(0), t(0)])
    if restarts { f = f.restarted([], at: 20) }
    f.advance(to: 55)
    #expect(f.fires("send") == [])
    #expect(f.core.dynamicSchedules.map(\.id) == ["beat", "once"])
    f.core.reconcile([Self.send()], at: f.now, into: &f.actions)
    f.settle()
    // What repeats has skipped; what fires only once is late.
    #expect(f.decided("send") == ["skipped(orphaned) 10.0...50.0 ×5"])
    #expect(f.fires("send") == [25])
    f.endAll()
    f.advance(to: 60)
    #expect(f.fires("send") == [25, 60])
    #expect(f.dynamic["beat"]?.orphanedAt == nil)
  }

  @Test(
    "a schedule of a job that is not there can be taken away, before and after a restart", arguments: [false, true])
  func unscheduleOrphan(restarts: Bool) throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x")
    f.core.reconcile([], at: f.now, into: &f.actions)
    f.settle()
    if restarts { f = f.restarted([], at: 5) }
    try f.unschedule("x")
    #expect(f.dynamic.isEmpty)
    #expect(f.core.dynamicSchedules.isEmpty)
  }

  @Test("a job's edit reaches its schedules; their triggers and own options stay")
  func edit() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x") { $0.maxInstances = 1 }
    f.core.reconcile(
      [
        Self.send {
          $0.priority = 9; $0.maxInstances = 5
        }
      ], at: f.now, into: &f.actions)
    f.settle()
    f.advance(to: 20)
    #expect(f.orders.map(\.job.definition.priority) == [9])
    #expect(f.decided("send") == ["skipped(overlap) 20.0...20.0 ×1"])
  }

  @Test("a pause of the job is a pause of its schedules, over a restart too")
  func paused() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x")
    try f.core.pause("send", into: &f.actions)
    f.advance(to: 10)
    f = f.restarted([Self.send()], at: 15)
    f.advance(to: 20)
    #expect(f.fires("send") == [])
    try f.core.resume("send", at: f.now, into: &f.actions)
    f.advance(to: 30)
    #expect(f.fires("send") == [30])
    #expect(f.decided("send") == ["skipped(paused) 10.0...10.0 ×1", "skipped(paused) 20.0...20.0 ×1"])
  }

  @Test("a trigger that cannot be read here keeps its schedule, which does not fire")
  func unreadable() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", Self.every(10), id: "x")
    f.dynamic["x"]?.trigger = "cron(\"* * * * *\", { timezone = \"Mars/Olympus\" })"
    f = f.restarted([Self.send()], at: 15)
    f.advance(to: 100)
    #expect(f.fires("send") == [])
    #expect(f.core.dynamicSchedules.map(\.id) == ["x"])
    try f.unschedule("x")
    #expect(f.dynamic.isEmpty)
  }

  @Test("a clock set far back arms them anew, like declared ones")
  func clock() throws {
    var f = Fixture([Self.send()])
    f.advance(to: 10 * 3600)
    try f.schedule("send", Self.every(3600), id: "x")
    f.advance(to: 11 * 3600)
    f.endAll()
    f.setClock(to: 0)
    #expect(f.dynamic["x"]?.nextFire.map { $0 <= t(3600) } == true)
    #expect(f.dynamic["x"]?.clockEpoch == ClockEpoch(1))
  }

  @Test("a clock that is set far back while a one-off is due does not lose it")
  func clockBackOverOneOff() throws {
    var f = Fixture([Self.send()])
    f.advance(to: 40 * 3600)
    try f.schedule("send", .at([t(41 * 3600)]), id: "once")
    // The host was down from before the one-off until after it, and the clock is far behind what it was.
    var snapshot = f.snapshot
    snapshot.schedules[0].lastFire = t(80 * 3600)
    var g = Fixture([], start: false, snapshot: snapshot)
    g.now = ClockReading(wall: t(60 * 3600), monotonic: 1)
    g.dynamic = f.dynamic
    g.core.reconcile([Self.send()], at: g.now, into: &g.actions)
    g.start()
    g.advance(to: 60 * 3600 + 5)
    #expect(g.fires("send") == [41 * 3600])
  }

  @Test("places are used again: ten thousand one-offs, one after another, need one")
  func places() throws {
    var f = Fixture([Self.send()])
    for number in 1...10_000 {
      try f.schedule("send", .at([t(Double(number))]))
      f.advance(to: Double(number))
      f.endAll()
    }
    #expect(f.core.jobs.count == 2)
    #expect(f.rows.count == 10_000)
    #expect(f.dynamic.isEmpty)
  }

  @Test("a drain refuses new schedules and leaves the others to the next host")
  func drain() throws {
    var f = Fixture([Self.send()])
    try f.schedule("send", .at([t(10)]), id: "x")
    f.core.drain(at: f.now, into: &f.actions)
    #expect(throws: SchedulerCore.Refusal.draining) { try f.schedule("send", .at([t(20)])) }
    f.jump(to: 20)
    var g = f.restarted([Self.send()], at: 30)
    g.advance(to: 31)
    #expect(g.fires("send") == [10])
  }
}
