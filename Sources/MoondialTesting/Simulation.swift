internal import Basics
internal import Chronology
internal import Hosting
package import JobModel
internal import SchedulerService
internal import Scheduling
internal import Synchronization
internal import TestSupport

/// Runs the real scheduler (core, service tick, store pipelines) under a seed: random jobs, policies, durations, clock
/// steps, crashes, write failures and late answers, reloads, pauses. No thread, no sleep, no real clock: the same seed
/// is the same scenario.
///
/// It must survive: a store that fails or answers late, even one that stored and says it failed; the host dying at any
/// moment; the wall clock set forward or back by hours; jobs that vanish and return. After each step the executor's
/// witness must have seen no limit broken, rates over all lives; at the end `InvariantChecker` accounts for every due
/// instant.
package struct Simulation {
  package struct Options: Sendable {
    package var steps = 150
    /// How often each kind of trouble comes; nil: the seed draws it (`SimulationWeights.drawn`).
    package var weights: SimulationWeights?
    package init() {}
  }

  /// What happened, for a failure's message and for tests that want to know that something did.
  package struct Report: Sendable {
    package var violations: [String] = []
    package var runs = 0
    package var ranges = 0
    package var crashes = 0
    package var takeOvers = 0
    package var storeFailures = 0
    package var clockSteps = 0
    /// Dynamic schedules.
    package var schedules = 0
    /// Steps that were done.
    package var steps = 0
    /// Transactions and outboxes that were committed.
    package var transactions = 0
    package var outboxes = 0

    package init() {}
  }

  private let options: Options
  private let weights: SimulationWeights
  private let disk: any SimulatedDisk
  private let wrapping: @Sendable (any JobStore) -> any JobStore
  /// The store of this life, and what is between it and the scheduler.
  private var opened: any JobStore
  private var store: FaultyJobStore
  private var random: SeededGenerator
  private let clock: SimulatedClock
  private let definitions: [JobDefinition]
  private let groups: [String: GroupLimit]
  private let schedules = SimulatedSchedules()
  private var host: SimulatedHost
  /// Hosts whose store another one took over, and how much they had started by then.
  private var fenced: [(host: SimulatedHost, store: any JobStore, submitted: Int)] = []
  private var absent: Set<String> = []
  private let faults: FaultPlan
  private let rates = RateWitness()
  private let steps = StepWitness()
  /// When the wall clock was set last, on the monotonic one.
  private var clockSetAt = Int64.min
  /// When this life of the host began, on the monotonic clock: it reads its stores then, and the wall clock at its
  /// first tick.
  private var bornAt = Int64.min
  private var report = Report()
  private let seed: UInt64
  private var lives: UInt64 = 0

  /// - Parameters:
  ///   - disk: what survives crashes: a model, or a real file.
  ///   - wrapping: puts something between the scheduler and its store (a planted bug).
  package init(
    seed: UInt64, options: Options = Options(), disk: any SimulatedDisk,
    wrapping: @escaping @Sendable (any JobStore) -> any JobStore = { $0 }
  ) throws {
    self.seed = seed
    self.options = options
    self.disk = disk
    self.wrapping = wrapping
    random = SeededGenerator(seed)
    weights = options.weights ?? .drawn(&random)
    clock = SimulatedClock(at: Instant(seconds: 1_767_225_600 + random.number(0...86_400 * 300)))
    definitions = SimulatedJobs.make(Int(random.number(1...10)), &random)
    groups = SimulatedJobs.groups(&random)
    // Transactions are few: each takes part in the troubles of a scenario whose store has some.
    let faults = FaultPlan(seed: seed, commits: weights.storeFault != nil)
    self.faults = faults
    let opened = try disk.open(clock: clock)
    self.opened = opened
    store = FaultyJobStore(wrapping(opened), commits: faults.nextCommit) { _ in faults.next() }
    host = SimulatedHost(
      store: store, clock: clock, seed: seed, window: weights.window, definitions: definitions, groups: groups,
      rates: rates, steps: steps)
  }

  /// Lives through the whole scenario, lets the faults end, and checks.
  package mutating func run() throws -> Report {
    defer {
      host.end()
      opened.close()
      for former in fenced {
        former.host.end()
        former.store.close()
      }
    }
    for _ in 0..<options.steps where report.violations.isEmpty {
      try disturb()
      pass(random.oneIn(15) ? random.number(0...3_600_000_000_000) : random.number(0...60_000_000_000))
    }
    calm()
    report.violations += InvariantChecker.check(
      definitions.map { ($0, absent.contains($0.name)) }, store: opened, now: clock.now)
    report.violations += schedules.check(opened)
    let ledger = SimulatedLedger.check(opened, definitions, at: clock.now)
    report.violations += ledger.problems
    (report.transactions, report.outboxes) = (ledger.transactions, ledger.outboxes)
    report.schedules = schedules.count
    report.steps = steps.done
    report.runs = try opened.runs(RunQuery(limit: 1_000_000)).count
    report.ranges = try opened.decisions(DecisionQuery(limit: 1_000_000)).count
    return report
  }

  /// Time passes, stopping wherever something is due.
  private mutating func pass(_ span: Int64) {
    let end = clock.monotonic.now.nanoseconds + span
    var restless = 0
    while true {
      host.tick()
      let now = clock.monotonic.now.nanoseconds
      report.violations += host.violations
      for former in fenced {
        former.host.tick()
        if former.host.submitted > former.submitted {
          report.violations.append("a host started a run after another one had taken its store over")
        }
      }
      guard now < end, report.violations.isEmpty else { return }
      let next = min(host.nextEvent(wall: clock.now, monotonic: now) ?? end, end)
      restless = next <= now ? restless + 1 : 0
      if restless == 10_000 {
        report.violations.append(
          "the scheduler asks for a tick at once, 10,000 times in a row, and does nothing with it: \(host.wish)")
      }
      clock.advance(by: max(1, next - now))
    }
  }

  private mutating func disturb() throws {
    if weights.happens(weights.crash, &random) { try crash() }
    if weights.happens(weights.takeOver, &random) { try takeOver() }
    if weights.happens(weights.storeFault, &random) {
      faults.plan(
        count: Int(random.number(1...4)),
        random.pick([.fail(.full), .fail(.io), .failAfterStoring(.io), .delay, .delayCompletion]))
      report.storeFailures += 1
    }
    if random.oneIn(2) { store.release() }
    if weights.happens(weights.clockStep, &random) {
      let hours = random.pick([-30, -5, -2, -1, 1, 6, 50] as [Int64])
      clock.set(to: clock.now.advanced(byNanoseconds: hours * 3_600_000_000_000 + random.number(0...59_000_000_000)))
      report.clockSteps += 1
      clockSetAt = clock.monotonic.now.nanoseconds
      if clockSetAt == bornAt { rates.hostDied(clockSetAt: clockSetAt, absent: []) }
    }
    if weights.happens(weights.reload, &random) {
      let name = random.pick(definitions).name
      if absent.remove(name) == nil { absent.insert(name) }
      host.reload(definitions.filter { !absent.contains($0.name) })
    }
    let name = random.pick(definitions).name
    if weights.happens(weights.pause, &random) { host.pause(name) }
    if weights.happens(weights.resume, &random) { host.resume(random.pick(definitions).name) }
    if weights.happens(weights.runNow, &random) { host.runNow(name) }
    if weights.happens(weights.cancel, &random) { host.cancelSomething(&random) }
    if weights.happens(weights.emit, &random) { host.emit("event") }
    if weights.happens(weights.schedule, &random) {
      host.schedule(schedules.request(random.pick(definitions).name, &random, now: clock.now), schedules)
    }
    if weights.happens(weights.unschedule, &random), let id = schedules.toUnschedule(&random) { host.unschedule(id) }
  }

  /// The host dies: everything but the store is gone.
  private mutating func crash() throws {
    report.crashes += 1
    lives += 1
    host.end()
    store.forget()
    opened.close()
    clock.advance(by: random.number(0...600_000_000_000))
    begin(on: try disk.open(clock: clock))
  }

  /// A second host got past the lock while nothing runs in the first, which knows nothing of it and goes on.
  private mutating func takeOver() throws {
    store.release()
    host.tick()
    guard host.running == 0, let taken = try disk.takeOver(clock: clock) else { return }
    report.takeOvers += 1
    lives += 1
    fenced.append((host, opened, host.submitted))
    begin(on: taken)
  }

  private mutating func begin(on disk: any JobStore) {
    opened = disk
    bornAt = clock.monotonic.now.nanoseconds
    rates.hostDied(clockSetAt: clockSetAt, absent: absent)
    store = FaultyJobStore(wrapping(opened), commits: faults.nextCommit) { [faults] _ in faults.next() }
    host = SimulatedHost(
      store: store, clock: clock, seed: seed &+ lives, window: weights.window,
      definitions: definitions.filter { !absent.contains($0.name) }, groups: groups, rates: rates,
      steps: steps)
  }

  /// Faults stop and everybody is resumed: what is due must be decided, and what runs must end.
  private mutating func calm() {
    guard report.violations.isEmpty else { return }
    faults.clear()
    store.release()
    host.settle()
    for definition in definitions { host.resume(definition.name) }
    pass(10 * 60_000_000_000)
    host.reload([])
    absent = Set(definitions.map(\.name))
    // A queue may hold a thousand runs, of half an hour each: as long as some begin, the others have their turn.
    var (hours, quiet) = (0, 0)
    while quiet < 200, hours < 20_000,
      host.nextEvent(wall: clock.now, monotonic: clock.monotonic.now.nanoseconds) != nil
    {
      let submitted = host.submitted
      pass(3_600_000_000_000)
      hours += 1
      quiet = host.submitted == submitted ? quiet + 1 : 0
    }
    if host.running > 0 {
      report.violations.append("\(host.running) runs go on \(hours) hours after the last job was removed")
    }
  }
}

/// What the store does to the next batches and transactions. Any thread.
final class FaultPlan: Sendable {
  private struct State: Sendable {
    var planned: [FaultyJobStore.Fault] = []
    var random: SeededGenerator
    var disturbsCommits: Bool
  }
  private let state: Mutex<State>

  init(seed: UInt64, commits: Bool) {
    state = Mutex(State(random: SeededGenerator(seed), disturbsCommits: commits))
  }

  func plan(count: Int, _ fault: FaultyJobStore.Fault) {
    state.withLock { $0.planned += Array(repeating: fault, count: count) }
  }
  func next() -> FaultyJobStore.Fault { state.withLock { $0.planned.isEmpty ? .pass : $0.planned.removeFirst() } }

  /// For a transaction: one in four has an accident.
  func nextCommit() -> FaultyJobStore.Fault {
    state.withLock { state in
      guard state.disturbsCommits, state.random.oneIn(4) else { return .pass }
      return state.random.pick([.fail(.full), .failAfterStoring(.io), .delay, .delayCompletion])
    }
  }
  func clear() {
    state.withLock { state in
      state.planned.removeAll()
      state.disturbsCommits = false
    }
  }
}

/// What one closure leaves for the next.
private final class DynamicID: Sendable { let value = Mutex<String?>(nil) }

/// One life of a host: a service tick and an executor over a store that outlives it.
final class SimulatedHost: Sendable {
  /// What a host that shares its store has before it leads.
  struct Shared {
    var executor: SimulatedExecutor
    /// The same, behind what has runs executed on other hosts.
    var placing: any JobExecutor
  }

  private let service: ServiceTick
  private let executor: SimulatedExecutor
  private let rest = Mutex<ServiceTick.Rest?>(nil)
  private let stored: StoredJobs
  private let keeper: StoreRunKeeper

  init(
    store: any JobStore, clock: SimulatedClock, seed: UInt64, window: Int, definitions: [JobDefinition],
    groups: [String: GroupLimit], rates: RateWitness, steps: StepWitness, shared: Shared? = nil
  ) {
    let executor =
      shared?.executor
      ?? SimulatedExecutor(clock: clock, seed: seed, store: store, groups: groups, rates: rates, witness: steps)
    self.executor = executor
    let placing = shared?.placing ?? executor
    var configuration = ServiceConfiguration(stores: [("default", store)], executors: [("default", placing)])
    configuration.wallClock = clock
    configuration.monotonicClock = clock.monotonic
    configuration.window = window
    // Every other host forgets what is gone at once.
    configuration.orphansMax = seed.isMultiple(of: 2) ? 0 : .max
    stored = StoredJobs(stores: [store], zones: configuration.zones) { error in
      preconditionFailure("the simulated store cannot be read: \(error)")
    }
    service = ServiceTick(configuration, wake: {})
    keeper = StoreRunKeeper(
      store: store, name: "default", inbox: service, clock: clock, pool: .inline(), doubts: CommitDoubts())
    executor.use(store: store, keeper)
    placing.start(reportingTo: service)
    let jobs = definitions + [SimulatedLedger.job]
    do { try service.restore(jobs, groups: groups) } catch {
      preconditionFailure("the simulated store cannot be read: \(error)")
    }
    service.post { core, now, actions in
      core.setGroups(groups)
      core.reconcile(jobs, at: now, into: &actions)
      core.start(at: now, into: &actions)
      for (intent, _) in core.takeIntents() {
        // Of an outbox: the jobs after the run have not heard of its success.
        let ended = intent.position == 0 ? try? store.runs(RunQuery(id: intent.run, limit: 1)).first : nil
        core.perform(
          SimulatedLedger.operations(of: intent), of: intent, in: "default", passingOn: ended, at: now, into: &actions)
      }
    }
  }

  /// Where what is to be done on its scheduler is handed in.
  var inbox: any SchedulerInbox { service }

  /// The store is well again: what became of commits in doubt is looked for.
  func settle() { keeper.settle() }

  /// Nothing of it happens any more.
  func end() { executor.stop() }

  func tick() {
    executor.work()
    let rest = service.tick(at: service.now)
    self.rest.withLock { $0 = rest }
  }

  /// Nearest thing to happen, on the monotonic clock.
  func nextEvent(wall: Instant, monotonic: Int64) -> Int64? {
    let wake = rest.withLock { $0 }?.wake
    let due = wake?.wall.map { monotonic + max(0, $0.nanoseconds(since: wall)) }
    return [due, wake?.monotonic, executor.nextEvent].compactMap { $0 }.min()
  }

  /// When it last asked to be woken.
  var wish: String { rest.withLock { $0.map { "\($0.wake)" } ?? "nothing" } }

  var violations: [String] { executor.violations }
  var running: Int { executor.running }
  var submitted: Int { executor.submitted }
  var attempts: [(job: String, run: RunID)] { executor.attempts }

  // MARK: What may happen to one that shares its store

  func leaseIsDoubtful() {
    service.post { core, now, actions in core.leaseIsDoubtful(in: 0, at: now, into: &actions) }
  }
  func leaseIsRegained() {
    service.post { core, now, actions in core.leaseIsRegained(in: 0, at: now, into: &actions) }
  }
  func drain() { service.post { core, now, actions in core.drain(at: now, into: &actions) } }
  func cancelAll() { service.post { core, now, actions in core.cancelAll(at: now, into: &actions) } }
  /// Whether one that drains runs nothing any more, and everything is written.
  var hasEnded: Bool { rest.withLock { $0.map { $0.claimedRuns == 0 && $0.isWritten } ?? false } }

  // MARK: What it is told

  func reload(_ declared: [JobDefinition]) {
    let definitions = declared + [SimulatedLedger.job]
    service.post { [stored] core, now, actions in
      var recalled = RecalledJobs(stores: 1)
      let names = core.forgotten(among: definitions)
      if !names.isEmpty { recalled.read(names, definitions, at: now.wall, from: stored) }
      recalled.enter(&core, zones: stored.zones)
      core.reconcile(definitions, at: now, into: &actions)
      recalled.enterStarts(&core, at: now)
    }
  }
  func pause(_ name: String) { service.post { core, _, actions in _ = try? core.pause(name, into: &actions) } }
  func resume(_ name: String) {
    service.post { core, now, actions in _ = try? core.resume(name, at: now, into: &actions) }
  }
  func runNow(_ name: String) {
    service.post { core, now, actions in _ = try? core.runNow(name, params: nil, at: now, into: &actions) }
  }
  func emit(_ name: String) {
    service.post { core, now, actions in core.emit(name, data: nil, at: now, into: &actions) }
  }
  func schedule(_ request: ScheduleRequest, _ schedules: SimulatedSchedules) {
    let dynamic = DynamicID()
    service.post(whenDurable: { error in
      if error == nil, let id = dynamic.value.withLock({ $0 }) { schedules.isDurable(id) }
    }) { core, now, actions in
      let id = try? core.schedule(request, at: now, into: &actions)
      dynamic.value.withLock { $0 = id }
    }
  }
  func unschedule(_ id: String) {
    service.post { core, now, actions in try? core.unschedule(id, at: now, into: &actions) }
  }
  func cancelSomething(_ random: inout SeededGenerator) {
    let choice = random.next()
    service.post { core, now, actions in
      let active = core.runs.activeSlots
      guard !active.isEmpty else { return }
      let id = core.runs.slots[active[Int(choice % UInt64(active.count))]].record.id
      try? core.cancel(id, at: now, into: &actions)
    }
  }
}
