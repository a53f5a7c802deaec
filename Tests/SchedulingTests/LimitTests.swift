import Chronology
import JobModel
import Scheduling
import Testing
import Triggers

@Suite("Groups")
struct LimitTests {
  static func rate(_ count: Int, _ seconds: Double) -> RateLimit {
    RateLimit(count: count, window: Int64(seconds * 1e9), text: "\(count)/\(seconds)s")
  }

  static func member(
    _ name: String, every seconds: Int64? = 10, group: String? = "db",
    _ change: (inout JobDefinition) -> Void = { _ in }
  ) -> JobDefinition {
    definition(name, every: seconds.map { $0 * second }) {
      $0.group = group
      change(&$0)
    }
  }

  /// A job that queues whatever it is asked for.
  static func flood(_ name: String, group: String? = "db", _ change: (inout JobDefinition) -> Void = { _ in })
    -> JobDefinition
  {
    member(name, every: nil, group: group) {
      $0.maxInstances = 1_000
      change(&$0)
    }
  }

  // MARK: max

  @Test("no more runs of a group than max are under way; the next one starts when one ends")
  func max() {
    var f = Fixture(["a", "b", "c"].map { Self.member($0) }, groups: ["db": GroupLimit(max: 2)])
    f.advance(to: 10)
    #expect(f.orders.map(\.job.definition.name) == ["a", "b"])
    f.startRun(0)
    f.startRun(1)
    f.advance(to: 15)
    #expect(f.orders.count == 2)
    f.endRun()
    #expect(f.orders.map(\.job.definition.name) == ["b", "c"])
    #expect(f.decisions.isEmpty)
  }

  @Test("a run that waits has its row, so that a crash does not lose it")
  func rows() {
    var f = Fixture(["a", "b"].map { Self.member($0) }, groups: ["db": GroupLimit(max: 1)])
    f.advance(to: 10)
    #expect(f.rows.values.filter { $0.claimedAt == nil }.map(\.job) == ["b"])
    var g = f.restarted(["a", "b"].map { Self.member($0) }, at: 12)
    #expect(g.orders.map(\.job.definition.name) == ["b"])
    g.endAll()
  }

  @Test("waiting costs no wake: a full group asks for nothing until a run ends")
  func noWake() {
    var f = Fixture([Self.member("a", every: nil), Self.member("b", every: nil)], groups: ["db": GroupLimit(max: 1)])
    for name in ["a", "b"] { _ = try? f.core.runNow(name, params: nil, at: f.now, into: &f.actions) }
    f.settle()
    #expect(f.orders.count == 1)
    #expect(f.core.nextWake.monotonic == nil && f.core.nextWake.wall == nil)
    f.endRun()
    #expect(f.orders.map(\.job.definition.name) == ["b"])
  }

  @Test("higher priority first, whoever came first")
  func priority() throws {
    var f = Fixture(
      [Self.flood("low"), Self.flood("high") { $0.priority = 5 }, Self.flood("first")],
      groups: ["db": GroupLimit(max: 1)])
    for name in ["first", "low", "low", "high", "high"] {
      _ = try f.core.runNow(name, params: nil, at: f.now, into: &f.actions)
    }
    f.settle()
    var order: [String] = []
    while !f.orders.isEmpty {
      #expect(f.orders.count == 1)
      order.append(f.orders[0].job.definition.name)
      f.endRun()
    }
    #expect(order == ["high", "high", "first", "low", "low"] || order == ["high", "high", "low", "first", "low"])
  }

  @Test("a flood of one job does not keep the others of its group waiting", arguments: [1, 3])
  func fair(places: Int) throws {
    var f = Fixture([Self.flood("flood"), Self.flood("b"), Self.flood("c")], groups: ["db": GroupLimit(max: places)])
    for _ in 0..<300 { _ = try f.core.runNow("flood", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    for _ in 0..<10 {
      for name in ["b", "c"] { _ = try f.core.runNow(name, params: nil, at: f.now, into: &f.actions) }
    }
    f.settle()
    var started: [String] = []
    for _ in 0..<30 + places { started.append(f.endRun().job.definition.name) }
    // After the first, which were under way, each has every third place.
    #expect(started.filter { $0 == "b" }.count >= 9)
    #expect(started.filter { $0 == "c" }.count >= 9)
    f.endAll()
    #expect(f.outcomes("flood").count == 300)
  }

  @Test("fair even when many places come free at once")
  func fairBurst() throws {
    var f = Fixture([Self.flood("flood"), Self.flood("b")], groups: ["db": GroupLimit(rate: Self.rate(10, 60))])
    for _ in 0..<100 { _ = try f.core.runNow("flood", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    f.endAll()
    f.advance(to: 30)
    for _ in 0..<5 { _ = try f.core.runNow("b", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    f.advance(to: 60)
    #expect(f.orders.filter { $0.job.definition.name == "b" }.count == 5)
    #expect(f.orders.count == 10)
  }

  @Test("dynamic schedules share their job's turn and rate")
  func schedulesShare() throws {
    var f = Fixture([Self.flood("send"), Self.flood("b")], groups: ["db": GroupLimit(max: 1)])
    for _ in 0..<20 { try f.schedule("send", .at([t(0)])) }
    _ = try f.core.runNow("b", params: nil, at: f.now, into: &f.actions)
    f.settle()
    f.endRun()
    #expect(f.orders.map(\.job.definition.name) == ["b"])
    f.endAll()
    #expect(f.dynamic.isEmpty)
    #expect(f.outcomes("send").count == 20)
  }

  @Test("a run that waits for its next attempt gives its place away, and takes one again for it")
  func retry() {
    var f = Fixture(
      [
        Self.member("a", every: 100) {
          $0.retry = RetryPolicy(max: 1, backoff: .fixed, base: 5 * second, jitter: false)
        }, Self.member("b", every: 101),
      ],
      groups: ["db": GroupLimit(max: 1)])
    f.advance(to: 100)
    f.startRun()
    f.endRun(0, .failed)
    f.advance(to: 101)
    #expect(f.orders.map(\.job.definition.name) == ["b"])
    f.startRun()
    f.advance(to: 110)
    #expect(f.orders.count == 1, "the second attempt waits for its place")
    f.endRun()
    #expect(f.orders.map(\.attempt) == [2])
    f.endAll()
    #expect(f.outcomes("a") == [.succeeded])
  }

  // MARK: Grace

  @Test(
    "what waits beyond its grace time is misfired at that moment, with what it waited for", arguments: [true, false])
  func expires(byRate: Bool) {
    let limit = byRate ? GroupLimit(rate: Self.rate(1, 1_000)) : GroupLimit(max: 1)
    var f = Fixture(
      [Self.member("a", every: 10), Self.member("b", every: 11) { $0.misfireGraceTime = 5 * second }],
      groups: ["db": limit])
    f.advance(to: 10)
    f.startRun()
    if byRate { f.endRun() }
    f.advance(to: 16)
    #expect(f.decided("b") == [])
    f.advance(to: 16.5)
    #expect(f.decided("b") == ["misfired(\(byRate ? "rate" : "group")) 11.0...11.0 ×1"])
    #expect(f.rows.values.filter { $0.job == "b" }.isEmpty)
    #expect(f.decisions.last?.decidedAt == t(16).advanced(byNanoseconds: 1))
  }

  @Test("a run that waits for its next attempt has been claimed, and is not misfired for it")
  func retryBeyondGrace() throws {
    var f = Fixture(
      [
        Self.member("a", every: 100) {
          $0.misfireGraceTime = 60 * second
          $0.retry = RetryPolicy(max: 1, backoff: .fixed, base: 5 * second, jitter: false)
        },
        Self.member("b", every: 101),
        Self.member("holder", every: nil, group: "other"),
        // Its deadline, at 155, stands before that of `a`, at 160, which is thus still known after `a` was claimed.
        Self.member("earlier", every: 10, group: "other") { $0.misfireGraceTime = 145 * second },
      ], groups: ["db": GroupLimit(max: 1), "other": GroupLimit(max: 1)])
    _ = try f.core.runNow("holder", params: nil, at: f.now, into: &f.actions)
    f.settle()
    f.startRun()
    f.advance(to: 100)
    let first = try #require(f.orders.firstIndex { $0.job.definition.name == "a" })
    f.startRun(first)
    f.endRun(first, .failed)
    f.advance(to: 101)
    let other = try #require(f.orders.firstIndex { $0.job.definition.name == "b" })
    f.startRun(other)
    f.advance(to: 170)
    #expect(f.decided("a") == [])
    f.endRun(other)
    let again = try #require(f.orders.firstIndex { $0.job.definition.name == "a" })
    #expect(f.orders[again].attempt == 2)
    f.startRun(again)
    f.endRun(again)
    #expect(f.outcomes("a") == [.succeeded])
  }

  @Test("a run that had its turn leaves no wake behind")
  func noWakeLeft() {
    var f = Fixture(
      [Self.member("a", every: 10) { $0.misfireGraceTime = 3_600 * second }], groups: ["db": GroupLimit(max: 1)])
    f.advance(to: 10)
    #expect(f.core.nextWake.wall == t(20))
    f.endAll()
  }

  // MARK: Cancelling, unscheduling

  @Test("a waiting run can be cancelled, and is not missed when its turn comes")
  func cancel() throws {
    var f = Fixture([Self.flood("a")], groups: ["db": GroupLimit(max: 1)])
    var ids: [RunID] = []
    for _ in 0..<3 { ids.append(try f.core.runNow("a", params: nil, at: f.now, into: &f.actions)) }
    f.settle()
    try f.core.cancel(ids[1], at: f.now, into: &f.actions)
    f.settle()
    f.endRun()
    #expect(f.orders.map(\.id) == [ids[2]])
    f.endAll()
    #expect(f.rows[ids[1]]?.outcome == .cancelled)
  }

  @Test("replace does not wait for a slot to cancel what waits for one")
  func replace() {
    var f = Fixture(
      [Self.member("a", every: 1_000), Self.member("b", every: 10) { $0.overlap = .replace }],
      groups: ["db": GroupLimit(max: 1)])
    _ = try? f.core.runNow("a", params: nil, at: f.now, into: &f.actions)
    f.settle()
    f.startRun()
    f.advance(to: 45)
    #expect(f.rows.values.count { $0.job == "b" && $0.outcome == nil } == 1)
    f.endRun()
    #expect(f.orders.map(\.scheduledAt) == [t(40)])
  }

  @Test("unscheduling takes a waiting one-off out of its limiter queue")
  func unschedule() throws {
    var f = Fixture([Self.flood("send")], groups: ["db": GroupLimit(max: 1)])
    for id in ["x", "y", "z"] { try f.schedule("send", .at([t(0)]), id: id) }
    try f.unschedule("y")
    f.endRun()
    #expect(f.orders.map(\.context?.schedule) == ["z"])
    #expect(f.decisions.map(\.schedule) == ["y"])
  }

  // MARK: Stores

  @Test("a store that cannot be written does not hold up its group's jobs of other stores")
  func failedStore() throws {
    var core = SchedulerCore(configuration: .init(), stores: ["bad", "good"], executors: ["default"])
    var actions = Evaluation(stores: 2, executors: 1)
    let now = ClockReading(wall: t(0), monotonic: 0)
    core.setGroups(["db": GroupLimit(max: 1)])
    core.reconcile(
      [Self.flood("a") { $0.store = "bad" }, Self.flood("b") { $0.store = "good" }], at: now, into: &actions)
    core.start(at: now, into: &actions)
    for name in ["a", "a", "b"] { _ = try core.runNow(name, params: nil, at: now, into: &actions) }
    core.advance(to: now, into: &actions)
    let tokens = actions.stores[0].claims
    #expect(tokens.count == 1)
    actions.removeAll()
    core.claimsFailed(tokens, store: 0, error: StoreError(.full, "full"), at: now, into: &actions)
    core.advance(to: now, into: &actions)
    #expect(actions.stores[0].claims.isEmpty)
    #expect(actions.stores[1].claims.count == 1, "b has the place that a cannot use")
    core.committed(actions.stores[1].claims, at: now, into: &actions)
    let order = actions.orders[0][0]
    actions.removeAll()
    core.storeRecovered(0, into: &actions)
    core.report(
      [RunReport(token: order.token, kind: .ended, startedAt: now.wall, duration: 1)], at: now, into: &actions)
    core.advance(to: now, into: &actions)
    #expect(actions.stores[0].claims.count == 1)
  }

  // MARK: Reload

  @Test("a reload raises and lowers max at once; what runs goes on")
  func reloadMax() throws {
    var f = Fixture([Self.flood("a")], groups: ["db": GroupLimit(max: 3)])
    for _ in 0..<6 { _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    #expect(f.orders.count == 3)
    f.core.setGroups(["db": GroupLimit(max: 1)])
    f.settle()
    f.endRun()
    f.endRun()
    #expect(f.orders.count == 1)
    f.core.setGroups(["db": GroupLimit(max: 2)])
    f.settle()
    #expect(f.orders.count == 2)
    f.core.setGroups([:])
    f.settle()
    #expect(f.orders.count == 4, "a group without limits has none")
  }

  @Test("a job that joins a group brings its runs along, one that leaves takes them away")
  func moves() throws {
    var f = Fixture([Self.flood("a", group: nil), Self.flood("b")], groups: ["db": GroupLimit(max: 2)])
    for name in ["a", "a"] { _ = try f.core.runNow(name, params: nil, at: f.now, into: &f.actions) }
    f.settle()
    f.core.reconcile([Self.flood("a"), Self.flood("b")], at: f.now, into: &f.actions)
    _ = try f.core.runNow("b", params: nil, at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.count == 2, "both places are taken by the runs that came along")
    f.core.reconcile([Self.flood("a", group: nil), Self.flood("b")], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.count == 3)
    f.endAll()
    #expect(f.rows.values.allSatisfy { $0.outcome == .succeeded })
  }

  @Test("a job that is limited no more lets all that waited go")
  func freed() throws {
    var f = Fixture([Self.flood("a")], groups: ["db": GroupLimit(max: 1)])
    for _ in 0..<5 { _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    f.core.reconcile([Self.flood("a", group: nil)], at: f.now, into: &f.actions)
    f.settle()
    #expect(f.orders.count == 5)
  }

  @Test("a hundred thousand that wait make no turn slower")
  func manyWait() throws {
    var f = Fixture(
      [Self.flood("a") { $0.maxInstances = 100_000 }, definition("other", every: second)],
      groups: ["db": GroupLimit(max: 1)])
    for _ in 0..<20_000 { _ = try f.core.runNow("a", params: nil, at: f.now, into: &f.actions) }
    f.settle()
    f.startRun()
    var touched = 0
    for number in 1...50 {
      f.advance(to: Double(number))
      touched += f.orders.count - 1
      f.endRun(1)
    }
    #expect(touched == 50)
    #expect(f.orders.count == 1)
  }
}
