import Chronology
import Executors
import JobModel
import MemoryStore
import SchedulerService
import Scheduling
import Synchronization
import Testing
import Triggers

@Suite("A host that sees new names with every save does not grow")
struct ForgettingServiceTests {
  @Test("over 600 saves with a new name each, with runs; and the first name comes back as it was left")
  func reloads() throws {
    let tally = Tally()
    let store = MemoryStore()
    let disk = RememberingStore(store)
    var configuration = ServiceConfiguration(
      stores: [("default", disk)], executors: [("default", StepPool(ClosureRunner()))])
    configuration.orphansMax = 20
    let service = SchedulerService(configuration)
    let stored = StoredJobs(stores: [disk], zones: TimeZoneDatabase()) { Issue.record("\($0)") }
    let base = job("base") { _ in nil }
    func save(_ name: String) {
      let own = job(name) { _ in
        tally.note(name)
        return nil
      }
      _ = service.ask(recalling: [base, own], from: stored) { core, now, actions in
        core.reconcile([base, own], at: now, into: &actions)
      }
    }
    try service.start([base])
    save("first")
    try service.pause("first")
    for number in 0..<600 {
      save("job\(number)")
      try service.runNow("job\(number)")
      #expect(tally.wait(for: "job\(number)", times: 1))
    }
    // A run's end, and the commit of the last names, may still be under way: what is bounded is a handful more.
    let places = service.ask { core, _, _ in core.jobs.count }
    #expect(places <= 40)
    #expect(service.jobs().count <= 40)
    save("first")
    #expect(service.jobs().first { $0.definition.name == "first" }?.isPaused == true)
    #expect(service.jobs().first { $0.definition.name == "first" }?.isOrphaned == false)
    service.drain(grace: 1_000_000_000)
    #expect(store.knownJobs <= 60, "the memory store forgets with the scheduler")
  }
}

/// A memory store in front of which schedules are remembered for ever, as a file does.
private final class RememberingStore: JobStore {
  private let store: MemoryStore
  private let records = Mutex<[String: ScheduleRecord]>([:])
  init(_ store: MemoryStore) { self.store = store }

  var name: String { store.name }
  func load() throws(StoreError) -> StoreSnapshot { try store.load() }
  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    records.withLock { records in for record in batch.schedules { records[record.job] = record } }
    store.apply(batch, completion: completion)
  }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try store.runs(query) }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try store.decisions(query) }
  func files(of job: String) throws(StoreError) -> [FileMark] { try store.files(of: job) }
  func schedules() throws(StoreError) -> [ScheduleRecord] { records.withLock { Array($0.values) } }
  func append(log lines: [RunLogLine]) { store.append(log: lines) }
  func steps(of run: RunID) throws(StoreError) -> [RunStep] { [] }
  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) { completion(.failure(.closed(name))) }
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? { nil }
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { try store.log(of: run, limit: limit) }
  var keyValues: any KeyValueStore { store.keyValues }
  func close() { store.close() }
}
