import Chronology
import JobModel
import Scheduling
import Triggers

/// Code that never differs.
final class NullPayload: JobPayload {
  func difference(from other: any JobPayload) -> PayloadDifference { .none }
}

let second: Int64 = 1_000_000_000
/// Reads what triggers print, as a host does.
func readTrigger(_ text: String) -> AnyTrigger? {
  try? TriggerText.parse(text, context: TriggerContext(zones: TimeZoneDatabase())).trigger
}

/// 2026-01-01T00:00:00Z: "t(5)" is five seconds later.
func t(_ seconds: Double) -> Instant {
  Instant(seconds: 1_767_225_600).advanced(byNanoseconds: Int64(seconds * 1e9))
}

func definition(
  _ name: String, every interval: Int64? = 10 * second, _ change: (inout JobDefinition) -> Void = { _ in }
) -> JobDefinition {
  var definition = JobDefinition(name: name, source: SourceLocation(file: "test.lua", line: 1), payload: NullPayload())
  definition.trigger = interval.map { .every(nanoseconds: $0) }
  change(&definition)
  return definition
}

/// The real core under a clock that the test moves, with a store that commits when told (by default at once) and an
/// executor that the test plays.
struct Fixture {
  var core: SchedulerCore
  var now = ClockReading(wall: t(0), monotonic: 0)
  var actions = Evaluation(stores: 1, executors: 1)
  var commits = true

  /// What the store was told, in order.
  var schedules: [String: ScheduleRecord] = [:]
  /// Dynamic ones, by id.
  var dynamic: [String: ScheduleRecord] = [:]
  var rows: [RunID: RunRecord] = [:]
  var decisions: [DecisionRange] = []
  /// What is remembered of files, by job and path.
  var files: [String: [String: FileMark]] = [:]
  var events: [Event] = []
  /// Successes that wait for the commit of their outbox.
  var commitsOfRuns: [RunCommit] = []
  /// Names of events that transactions have emitted.
  var emitted: [String] = []
  /// Changes of steps, in order.
  var steps: [StepChange] = []
  /// Orders that were dispatched and not reported on.
  var orders: [RunOrder] = []
  var cancellations: [RunToken] = []
  var uncommitted: [[RunToken]] = []

  init(
    _ definitions: [JobDefinition] = [], window: Int = 1_024, start: Bool = true, snapshot: StoreSnapshot? = nil,
    groups: [String: GroupLimit] = [:]
  ) {
    var configuration = SchedulerCore.Configuration()
    configuration.window = window
    core = SchedulerCore(configuration: configuration, stores: ["default"], executors: ["default"])
    core.setGroups(groups)
    if let snapshot { core.restore(snapshot, store: 0, reading: readTrigger) }
    core.reconcile(definitions, at: now, into: &actions)
    if start { self.start() }
  }

  mutating func start() {
    core.start(at: now, into: &actions)
    settle()
  }

  /// Moves both clocks to `t(seconds)`, stopping at every wake on the way.
  mutating func advance(to seconds: Double) {
    let end = t(seconds)
    while true {
      let wake = core.nextWake
      let byWall = wake.wall.map { max($0, now.wall) } ?? end
      let byDelay = wake.monotonic.map { now.wall.advanced(byNanoseconds: max(0, $0 - now.monotonic)) } ?? end
      let next = min(byWall, byDelay, end)
      move(to: next)
      settle()
      if next == end { return }
    }
  }

  /// Moves both clocks at once: a busy machine, a suspend, a long pause.
  mutating func jump(to seconds: Double) {
    move(to: t(seconds))
    settle()
  }

  /// Sets the wall clock; the monotonic one goes on by a second.
  mutating func setClock(to seconds: Double) {
    now = ClockReading(wall: t(seconds), monotonic: now.monotonic + second)
    settle()
  }

  private mutating func move(to instant: Instant) {
    now.monotonic += instant.nanoseconds(since: now.wall)
    now.wall = instant
  }

  /// Evaluates, plays the store, until nothing more happens.
  mutating func settle() {
    repeat {
      core.advance(to: now, into: &actions)
      let claims = actions.stores[0].claims
      absorb()
      guard !claims.isEmpty else { return }
      guard commits else {
        uncommitted.append(claims)
        return
      }
      core.committed(claims, at: now, into: &actions)
    } while true
  }

  mutating func commitAll() {
    for claims in uncommitted { core.committed(claims, at: now, into: &actions) }
    uncommitted = []
    settle()
  }

  mutating func failAll(_ error: StoreError = StoreError(.full, "the disk is full")) {
    for claims in uncommitted { core.claimsFailed(claims, store: 0, error: error, at: now, into: &actions) }
    uncommitted = []
    settle()
  }

  mutating func absorb() {
    let batch = actions.stores[0].batch
    for record in batch.schedules {
      if let id = record.id { dynamic[id] = record } else { schedules[record.job] = record }
    }
    for fire in batch.fires {
      if let id = fire.schedule {
        dynamic[id]?.nextFire = fire.nextFire
        dynamic[id]?.lastFire = fire.lastFire
        dynamic[id]?.fireCount = fire.fireCount
        continue
      }
      schedules[fire.job]?.nextFire = fire.nextFire
      schedules[fire.job]?.lastFire = fire.lastFire
      schedules[fire.job]?.fireCount = fire.fireCount
    }
    for record in batch.waiting + batch.claims + batch.finished { rows[record.id] = record }
    for id in batch.dropped { rows[id] = nil }
    steps += batch.steps
    decisions += batch.decisions
    for mark in batch.files { files[mark.job, default: [:]][mark.path] = mark.version == nil ? nil : mark }
    for id in batch.unscheduled { dynamic[id] = nil }
    orders += actions.orders[0]
    cancellations += actions.cancellations.map(\.token)
    events += actions.events
    for action in actions.outbox {
      switch action {
      case .commit(let commit): commitsOfRuns.append(commit)
      case .emitted(let name, _): emitted.append(name)
      }
    }
    actions.removeAll()
  }

  // MARK: Dynamic schedules

  @discardableResult
  mutating func schedule(
    _ job: String, _ trigger: AnyTrigger, id: String? = nil, replacing: Bool = false,
    _ change: (inout ScheduleOptions) -> Void = { _ in }
  ) throws -> String {
    var request = ScheduleRequest(job: job, id: id, trigger: trigger)
    request.replaceExisting = replacing
    change(&request.options)
    let dynamic = try core.schedule(request, at: now, into: &actions)
    settle()
    return dynamic
  }

  mutating func unschedule(_ id: String) throws {
    try core.unschedule(id, at: now, into: &actions)
    settle()
  }

  /// What a host that is killed now leaves to the next one.
  var snapshot: StoreSnapshot {
    var snapshot = StoreSnapshot(nextRunID: RunID((rows.keys.map(\.number).max() ?? 0) + 1))
    snapshot.schedules = Array(schedules.values) + Array(dynamic.values)
    snapshot.unfinished = rows.values.filter { $0.outcome == nil }
    return snapshot
  }

  /// The next host, begun over what this one left, `seconds` after `t(0)`.
  func restarted(
    _ definitions: [JobDefinition], at seconds: Double, groups: [String: GroupLimit] = [:], intents: [RunIntent] = [],
    isTakeover: Bool = false, placed: Set<RunID> = []
  ) -> Fixture {
    var snapshot = snapshot
    snapshot.placed = placed
    snapshot.intents = intents
    snapshot.isTakeover = isTakeover
    var next = Fixture([], start: false, snapshot: snapshot, groups: groups)
    next.core.restore(rows.values.filter { $0.outcome != nil }.compactMap { RecordedStart($0) })
    next.now = ClockReading(wall: t(seconds), monotonic: now.monotonic)
    next.schedules = schedules
    next.dynamic = dynamic
    next.rows = rows
    next.decisions = decisions
    next.core.reconcile(definitions, at: next.now, into: &next.actions)
    next.start()
    return next
  }

  // MARK: The executor

  mutating func report(
    _ kind: RunReport.Kind, _ order: RunOrder, _ outcome: Outcome = .succeeded, details: AttemptDetails? = nil
  ) {
    let report = RunReport(
      token: order.token, kind: kind, outcome: outcome, startedAt: now.wall, duration: 1_000, details: details)
    core.report([report], at: now, into: &actions)
    settle()
  }

  mutating func startRun(_ position: Int = 0) { report(.started, orders[position]) }

  @discardableResult
  mutating func endRun(_ position: Int = 0, _ outcome: Outcome = .succeeded, details: AttemptDetails? = nil) -> RunOrder
  {
    let order = orders.remove(at: position)
    report(.ended, order, outcome, details: details)
    return order
  }

  mutating func endAll() { while !orders.isEmpty { endRun() } }

  // MARK: What came of it

  /// Fire times of a job's rows in seconds after t(0), by id.
  func fires(_ job: String) -> [Double] {
    rows.values.filter { $0.job == job }.sorted { $0.id < $1.id }.map {
      Double($0.scheduledAt.nanoseconds(since: t(0))) / 1e9
    }
  }

  func decided(_ job: String) -> [String] {
    decisions.filter { $0.job == job }.map { range in
      let first = Double(range.first.nanoseconds(since: t(0))) / 1e9
      let last = Double(range.last.nanoseconds(since: t(0))) / 1e9
      let reason = range.reason.map { "(\($0.rawValue))" } ?? ""
      return "\(range.kind.rawValue)\(reason) \(first)...\(last) ×\(range.count)\(range.isAtLeast ? "+" : "")"
    }
  }

  func outcomes(_ job: String) -> [Outcome?] {
    rows.values.filter { $0.job == job }.sorted { $0.id < $1.id }.map(\.outcome)
  }
}
