import Chronology
import JobModel
import MemoryStore
import SchedulerService
import Scheduling
import Synchronization
import Testing
import Triggers

/// A store that answers when the test says so, with what the test says.
final class PlayedStore: JobStore {
  struct Pending: Sendable {
    var batch: StoreBatch
    var completion: @Sendable (StoreError?) -> Void
  }
  let name = "played"
  private let pending = Mutex<[Pending]>([])
  let keyValues: any KeyValueStore = MemoryStore().keyValues

  var batches: [StoreBatch] { pending.withLock { $0.map(\.batch) } }

  func answer(_ error: StoreError? = nil) {
    let first = pending.withLock { $0.removeFirst() }
    first.completion(error)
  }

  func load() throws(StoreError) -> StoreSnapshot { StoreSnapshot() }
  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    pending.withLock { $0.append(Pending(batch: batch, completion: completion)) }
  }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { [] }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { [] }
  func files(of job: String) throws(StoreError) -> [FileMark] { [] }
  func schedules() throws(StoreError) -> [ScheduleRecord] { [] }
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

/// An executor that only remembers.
final class PlayedExecutor: JobExecutor {
  private let submitted = Mutex<[RunOrder]>([])
  var orders: [RunOrder] { submitted.withLock { $0 } }
  let workers = 1
  func start(reportingTo sink: any RunReportSink) {}
  func submit(_ orders: [RunOrder]) { submitted.withLock { $0 += orders } }
  func cancel(_ token: RunToken) {}
  func stop() {}
}

@Suite("One batch at a time is with a store")
struct StorePipelineTests {
  let store = PlayedStore()
  let executor = PlayedExecutor()
  let tick: ServiceTick

  init() {
    tick = ServiceTick(
      ServiceConfiguration(stores: [("default", store)], executors: [("default", executor)]), wake: {})
    tick.post { core, now, actions in
      core.reconcile(
        [job("a", every: 10_000) { _ in nil }, job("b", every: 10_000) { _ in nil }], at: now, into: &actions)
      core.start(at: now, into: &actions)
    }
  }

  private func at(_ seconds: Int64) -> ClockReading {
    ClockReading(wall: Instant(seconds: 1_767_225_600 + seconds), monotonic: seconds * 1_000_000_000)
  }

  @Test("what comes while a batch is written collects into the next one")
  func collects() throws {
    _ = tick.tick(at: at(0))
    #expect(store.batches.count == 1)
    _ = tick.tick(at: at(10))
    #expect(store.batches.count == 1)
    store.answer()
    _ = tick.tick(at: at(10))
    #expect(store.batches.map { $0.claims.map(\.job) } == [["a", "b"]])
    #expect(executor.orders.isEmpty)
    store.answer()
    _ = tick.tick(at: at(10))
    #expect(executor.orders.map(\.job.definition.name) == ["a", "b"])
  }

  @Test("a failed batch is tried again after a second, without its claims, with the rows that their schedules passed")
  func triesAgain() throws {
    _ = tick.tick(at: at(0))
    store.answer()
    _ = tick.tick(at: at(10))
    #expect(store.batches.map(\.claims.count) == [2])
    store.answer(StoreError(.full, "the disk is full"))
    let rest = tick.tick(at: at(10))
    #expect(rest.isWritten == false)
    #expect(store.batches.isEmpty)
    _ = tick.tick(at: at(11))
    #expect(store.batches.map(\.claims.count) == [0])
    #expect(store.batches.map { $0.waiting.map(\.job) } == [["a", "b"]])
    store.answer()
    _ = tick.tick(at: at(11))
    // Recovered: they are claimed now, and start when that is written.
    #expect(store.batches.map { $0.claims.map(\.job) } == [["a", "b"]])
    store.answer()
    _ = tick.tick(at: at(11))
    #expect(executor.orders.count == 2)
  }

  @Test("a batch of nothing but claims that fails is tried again too, and nobody asks for a tick in the past meanwhile")
  func triesClaimsAgain() throws {
    _ = tick.tick(at: at(0))
    store.answer()
    _ = tick.tick(at: at(10))
    for second in 10...13 as ClosedRange<Int64> {
      // First the claims fail with their schedules; then, their rows being stored, the claims alone.
      store.answer(StoreError(.full, "the disk is full"))
      let rest = tick.tick(at: at(second))
      #expect(rest.wake.monotonic == at(second + 1).monotonic)
      _ = tick.tick(at: at(second + 1))
      #expect(store.batches.map { $0.waiting.map(\.job) } == [["a", "b"]])
      #expect(store.batches.allSatisfy { $0.claims.isEmpty && $0.waiting.allSatisfy { $0.claimedAt == nil } })
      store.answer()
      _ = tick.tick(at: at(second + 1))
      #expect(store.batches.map { $0.claims.map(\.job) } == [["a", "b"]])
    }
    store.answer()
    let rest = tick.tick(at: at(14))
    #expect(executor.orders.count == 2)
    #expect(rest.wake.monotonic == nil)
  }

  @Test("who waits for durability hears after the commit, and of a failure")
  func durability() throws {
    let heard = Mutex<[String]>([])
    _ = tick.tick(at: at(0))
    tick.post(whenDurable: { error in heard.withLock { $0.append(error?.message ?? "durable") } }) {
      core, now, actions in
      _ = try? core.runNow("a", params: nil, at: now, into: &actions)
    }
    _ = tick.tick(at: at(1))
    #expect(heard.withLock { $0 } == [])
    store.answer()
    _ = tick.tick(at: at(1))
    #expect(heard.withLock { $0 } == [])
    store.answer()
    _ = tick.tick(at: at(1))
    #expect(heard.withLock { $0 } == ["durable"])
  }
}
