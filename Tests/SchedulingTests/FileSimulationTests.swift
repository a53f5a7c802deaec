import Chronology
import JobModel
import Scheduling
import Testing
import TestSupport

/// The real core and its backlog under a random life: files that come, change and go, runs that fail and are retried, a
/// store that refuses, pauses, reloads, drains and crashes. What is durable is what the store has committed, and
/// nothing else.
private struct FileSimulation {
  private static let settled = FileVersion(device: 1, inode: 1, size: 0, modified: 0)

  private var random: SeededGenerator
  private var core: SchedulerCore
  private var actions = Evaluation(stores: 1, executors: 1)
  private var now = ClockReading(wall: t(0), monotonic: 0)
  // What a crash leaves.
  private(set) var disk: [String: FileVersion] = [:]
  private var durable = Store()
  // What it takes away.
  private var collecting = StoreActions()
  private var inFlight: StoreActions?
  private var orders: [RunOrder] = []
  private var known: [String: FileVersion] = [:]
  private var isPaused = false

  /// What each run was given, by run.
  private var given: [RunID: [String]] = [:]
  private(set) var violations: [String] = []
  private(set) var runs = 0
  private(set) var crashes = 0

  private struct Store {
    var snapshot = StoreSnapshot()
    var rows: [RunID: RunRecord] = [:]
    var marks: [String: FileMark] = [:]
    var schedule: ScheduleRecord?

    mutating func apply(_ batch: StoreBatch) {
      for record in batch.schedules { schedule = record }
      for record in batch.waiting + batch.claims + batch.finished { rows[record.id] = record }
      for id in batch.dropped { rows[id] = nil }
      for mark in batch.files { marks[mark.path] = mark.version == nil ? nil : mark }
    }
  }

  init(seed: UInt64) {
    random = SeededGenerator(seed)
    core = FileSimulation.core(Store(), at: now, &actions)
    act()
  }

  private static func definition(_ random: UInt64 = 0) -> JobDefinition {
    SchedulingTests.definition("in", every: nil) { job in
      job.watch = FileWatch(paths: ["/in/*"])
      job.watch?.batch = 3
      job.maxInstances = Int(random % 3) + 1
      job.overlap = random % 4 == 3 ? .replace : .queue
      job.recover = random % 2 == 0
      job.retry = RetryPolicy(max: 1, backoff: .fixed, base: second, jitter: false)
    }
  }

  private static func core(_ store: Store, at now: ClockReading, _ actions: inout Evaluation) -> SchedulerCore {
    var core = SchedulerCore(configuration: .init(), stores: ["default"], executors: ["default"])
    var snapshot = StoreSnapshot(nextRunID: RunID((store.rows.keys.map(\.number).max() ?? 0) + 1))
    snapshot.unfinished = store.rows.values.filter { $0.outcome == nil }
    if let schedule = store.schedule { snapshot.schedules = [schedule] }
    core.restore(snapshot, store: 0) { _ in nil }
    core.reconcile([definition()], at: now, into: &actions)
    core.start(at: now, into: &actions)
    return core
  }

  // MARK: The host around the core

  private mutating func act() {
    core.advance(to: now, into: &actions)
    collecting.batch.append(actions.stores[0].batch)
    collecting.claims += actions.stores[0].claims
    for order in actions.orders[0] { take(order) }
    actions.removeAll()
    if inFlight == nil, !collecting.batch.isEmpty {
      inFlight = collecting
      collecting = StoreActions()
    }
  }

  private mutating func take(_ order: RunOrder) {
    orders.append(order)
    guard order.attempt == 1, let text = order.context?.event?.text else { return }
    let paths = text.split(separator: "\"").filter { $0.hasPrefix("/in/") }.map { String($0) }
    runs += 1
    given[order.id] = paths
    if paths.count > 3 { violations.append("run \(order.id) has \(paths.count) paths") }
    for other in orders where other.id != order.id {
      for path in given[other.id] ?? [] where paths.contains(path) {
        violations.append("\(path) is with runs \(other.id) and \(order.id)")
      }
    }
  }

  private mutating func commit() {
    guard let flight = inFlight.take() else { return }
    durable.apply(flight.batch)
    core.storeRecovered(0, into: &actions)
    core.committed(flight.claims, at: now, into: &actions)
    act()
  }

  private mutating func refuse() {
    guard var flight = inFlight.take() else { return }
    let claims = flight.claims + collecting.claims
    flight.batch.append(collecting.batch)
    flight.batch.claims = []
    collecting.batch = flight.batch
    collecting.claims = []
    core.claimsFailed(claims, store: 0, error: StoreError(.full, "full"), at: now, into: &actions)
    act()
    // The pipeline tries again after a while, even when it has nothing but claims that failed.
    if inFlight == nil { core.storeRecovered(0, into: &actions) }
  }

  private mutating func end(_ outcome: Outcome) {
    guard !orders.isEmpty else { return }
    let order = orders.remove(at: Int(random.next() % UInt64(orders.count)))
    if outcome == .succeeded { for path in given[order.id] ?? [] where random.next() % 4 == 0 { disk[path] = nil } }
    let report = RunReport(
      token: order.token, kind: .ended, outcome: outcome, startedAt: now.wall, duration: 1, details: nil)
    core.report([report], at: now, into: &actions)
    act()
  }

  /// What the watcher does: tells what differs from what it knows.
  private mutating func scan() {
    let found = disk.filter { known[$0.key]?.isSameContent(as: $0.value) != true }
    let gone = known.keys.filter { disk[$0] == nil }.sorted()
    for (path, version) in found { known[path] = version }
    for path in gone { known[path] = nil }
    core.filesGone(gone, of: "in", at: now, into: &actions)
    let files = found.map { WatchedFile(path: $0.key, version: $0.value) }.sorted { $0.path < $1.path }
    core.filesCompleted(files, of: "in", at: now, into: &actions)
    act()
  }

  private mutating func crash() {
    crashes += 1
    actions.removeAll()
    (collecting, inFlight, orders) = (StoreActions(), nil, [])
    core = FileSimulation.core(durable, at: now, &actions)
    known = durable.marks.compactMapValues(\.version)
    act()
  }

  // MARK: Life

  mutating func step() {
    now.monotonic += second / 4
    now.wall = now.wall.advanced(byNanoseconds: second / 4)
    switch random.next() % 24 {
    case 0...4: disk["/in/\(random.next() % 12)"] = version()
    case 5: disk["/in/\(random.next() % 12)"] = nil
    case 6...9: scan()
    case 10...14: commit()
    case 15: refuse()
    case 16...18: end(.succeeded)
    case 19: end(random.next() % 2 == 0 ? .failed : .timedOut)
    case 20:
      core.reconcile(random.next() % 4 == 0 ? [] : [Self.definition(random.next())], at: now, into: &actions)
      act()
    case 21:
      isPaused = !isPaused
      // A job that is gone refuses.
      _ = try? isPaused ? core.pause("in", into: &actions) : core.resume("in", at: now, into: &actions)
      act()
    case 22: if random.next() % 3 == 0 { crash() }
    default: act()
    }
    check()
  }

  private mutating func version() -> FileVersion {
    let stamp = Int64(random.next() >> 2)
    return FileVersion(device: 1, inode: 1, size: stamp, modified: stamp)
  }

  /// What is marked was given to the run that it names, which has ended as the mark says.
  private mutating func check() {
    for mark in durable.marks.values {
      guard let run = mark.run, let row = durable.rows[run], row.outcome == mark.outcome, row.outcome != .interrupted
      else {
        violations.append("\(mark.path): its mark names run \(mark.run?.description ?? "none"), which did not end so")
        continue
      }
      if given[run]?.contains(mark.path) != true {
        violations.append("\(mark.path) is marked for run \(run), which never had it")
      }
    }
  }

  /// Faults end; then every file that is there gets its mark, and the rows of all others go.
  mutating func finish() {
    core.reconcile([Self.definition()], at: now, into: &actions)
    _ = try? core.resume("in", at: now, into: &actions)
    act()
    for _ in 0..<2_000 {
      now.monotonic += second
      now.wall = now.wall.advanced(byNanoseconds: second)
      // Runs that remove their files go on doing so; nothing new comes.
      scan()
      commit()
      end(.succeeded)
      commit()
      if orders.isEmpty, inFlight == nil, collecting.batch.isEmpty, isComplete { return }
    }
    violations.append(
      "files without an end: \(disk.filter { durable.marks[$0.key]?.version != $0.value }.keys.sorted())")
    violations.append("marks of nothing: \(durable.marks.keys.filter { disk[$0] == nil }.sorted())")
  }

  private var isComplete: Bool {
    disk.allSatisfy { durable.marks[$0.key]?.version == $0.value } && durable.marks.keys.allSatisfy { disk[$0] != nil }
  }
}

@Suite("Files under random lives")
struct FileSimulationTests {
  @Test(
    "marks are true at every moment, no path is with two runs, and in the end every file is handled", arguments: 1...300
  )
  func lives(seed: UInt64) {
    var simulation = FileSimulation(seed: seed)
    for _ in 0..<400 {
      simulation.step()
      guard simulation.violations.isEmpty else { break }
    }
    if simulation.violations.isEmpty { simulation.finish() }
    #expect(simulation.violations == [], "seed \(seed)")
    #expect(simulation.runs > 0)
  }
}
