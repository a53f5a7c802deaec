import Chronology
import JobModel
import MemoryStore
import SchedulerService
import Scheduling
import Synchronization
import Testing
import TestSupport
import Triggers

/// A clock of milliseconds that the test moves.
private final class Stage: WallClock {
  static let start = Instant(seconds: 1_767_225_600)
  private let elapsed = Mutex<Int64>(0)
  var milliseconds: Int64 {
    get { elapsed.withLock { $0 } }
    set { elapsed.withLock { $0 = newValue } }
  }
  var now: Instant { Stage.start.advanced(byNanoseconds: milliseconds * 1_000_000) }

  struct Monotonic: MonotonicClock {
    let stage: Stage
    var now: MonotonicInstant { MonotonicInstant(nanoseconds: stage.milliseconds * 1_000_000) }
  }
}

/// Answers each batch `delay` milliseconds after it came, when the test says that this time has come.
private final class SlowStore: JobStore {
  let name = "slow"
  let keyValues: any KeyValueStore = MemoryStore().keyValues
  private let delay: Int64
  private let stage: Stage
  private let pending = Mutex<[(due: Int64, completion: @Sendable (StoreError?) -> Void)]>([])

  init(delay: Int64, stage: Stage) {
    self.delay = delay
    self.stage = stage
  }

  var nextAnswer: Int64? { pending.withLock { $0.map(\.due).min() } }
  func answer() {
    let now = stage.milliseconds
    let due = pending.withLock { pending in
      defer { pending.removeAll { $0.due <= now } }
      return pending.filter { $0.due <= now }
    }
    for answer in due { answer.completion(nil) }
  }

  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    pending.withLock { $0.append((stage.milliseconds + delay, completion)) }
  }
  func load() throws(StoreError) -> StoreSnapshot { StoreSnapshot() }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { [] }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { [] }
  func schedules() throws(StoreError) -> [ScheduleRecord] { [] }
  func files(of job: String) throws(StoreError) -> [FileMark] { [] }
  func append(log lines: [RunLogLine]) {}
  func steps(of run: RunID) throws(StoreError) -> [RunStep] { [] }
  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) { completion(.failure(.closed(name))) }
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? { nil }
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { [] }
  func close() {}
}

/// Ends every run at once, and writes down how late each was dispatched.
private final class PunctualExecutor: JobExecutor {
  let workers = 64
  private let stage: Stage
  private let sink = Mutex<(any RunReportSink)?>(nil)
  private let lateness = Mutex<[String: [Int64]]>([:])
  init(stage: Stage) { self.stage = stage }

  func start(reportingTo sink: any RunReportSink) { self.sink.withLock { $0 = sink } }
  func submit(_ orders: [RunOrder]) {
    let now = stage.now
    lateness.withLock { lateness in
      for order in orders {
        lateness[order.job.definition.store, default: []].append(now.nanoseconds(since: order.scheduledAt) / 1_000_000)
      }
    }
    sink.withLock { $0 }?.report(
      orders.map { RunReport(token: $0.token, kind: .ended, outcome: .succeeded, startedAt: now, duration: 1) })
  }
  func lateness(of store: String) -> [Int64] { lateness.withLock { $0[store] ?? [] } }
  func cancel(_ token: RunToken) {}
  func stop() {}
}

@Suite("A store that takes 10 ms for each commit")
struct SlowStoreTests {
  @Test(
    "delays its own jobs by two commits at most, and jobs of another store not at all",
    arguments: [1, 2, 3, UInt64.random(in: 4...9_999)])
  func delays(seed: UInt64) throws {
    var numbers = SeededGenerator(seed)
    let stage = Stage()
    let slow = SlowStore(delay: 10, stage: stage)
    let executor = PunctualExecutor(stage: stage)
    var configuration = ServiceConfiguration(
      stores: [("default", MemoryStore()), ("slow", slow)], executors: [("default", executor)])
    configuration.wallClock = stage
    configuration.monotonicClock = Stage.Monotonic(stage: stage)
    let tick = ServiceTick(configuration, wake: {})
    executor.start(reportingTo: tick)
    let jobs = (0..<60).map { number in
      var definition = job("job\(number)", every: Int64.random(in: 7...400, using: &numbers)) { _ in nil }
      definition.store = number % 2 == 0 ? "default" : "slow"
      definition.maxInstances = 100
      return definition
    }
    tick.post { core, now, actions in
      core.reconcile(jobs, at: now, into: &actions)
      core.start(at: now, into: &actions)
    }
    while stage.milliseconds < 3_000 {
      slow.answer()
      let rest = tick.tick(at: tick.now)
      let wall = rest.wake.wall.map { ($0.nanoseconds(since: Stage.start) + 999_999) / 1_000_000 }
      let monotonic = rest.wake.monotonic.map { ($0 + 999_999) / 1_000_000 }
      let next = [wall, monotonic, slow.nextAnswer].compactMap { $0 }.min() ?? 3_000
      stage.milliseconds = max(next, stage.milliseconds)
    }
    let (own, others) = (executor.lateness(of: "slow"), executor.lateness(of: "default"))
    #expect(own.count > 300 && others.count > 300, "seed \(seed)")
    #expect(
      own.max()! <= 20 && own.max()! > 10, "seed \(seed): two commits, and some claims do come just after one began")
    #expect(others.max() == 0, "seed \(seed)")
  }
}
