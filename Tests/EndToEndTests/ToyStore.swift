import Basics
import Chronology
import JobModel
import MemoryStore

/// A further kind of store, as somebody would add one: what it keeps outlives its host, in this process. It is a memory
/// store that also answers what commands ask; everything else of Moondial meets it through the protocols alone.
final class ToyStore: InspectableStore, DiagnosableStore, RetainingStore {
  private let memory: MemoryStore
  private let disk: ToyDisk
  let location: String

  fileprivate init(_ location: String, _ memory: MemoryStore, _ disk: ToyDisk) {
    self.location = location
    self.memory = memory
    self.disk = disk
  }

  // MARK: JobStore

  var name: String { location }
  var keyValues: any KeyValueStore { memory.keyValues }
  func load() throws(StoreError) -> StoreSnapshot { try memory.load() }
  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    memory.apply(batch, completion: completion)
  }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try memory.runs(query) }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try memory.decisions(query) }
  func files(of job: String) throws(StoreError) -> [FileMark] { try memory.files(of: job) }
  func schedules() throws(StoreError) -> [ScheduleRecord] { try memory.schedules() }
  func append(log lines: [RunLogLine]) { memory.append(log: lines) }
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { try memory.log(of: run, limit: limit) }
  func steps(of run: RunID) throws(StoreError) -> [RunStep] { try memory.steps(of: run) }
  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    memory.commit(transaction, at: now, completion: completion)
  }
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? { try memory.progress(of: run) }
  func close() {}

  // MARK: What commands ask

  func hostSince() throws(StoreError) -> Instant? { nil }
  func hostPause() throws(StoreError) -> PauseNote? { try load().pause }
  var isHosted: Bool { false }
  func openRuns() throws(StoreError) -> [RunRecord] { try load().unfinished }
  func living(among runs: [RunRecord]) -> Set<RunID> { [] }
  func jobNames() throws(StoreError) -> [String] {
    Set(try schedules().map(\.job) + runs(RunQuery(limit: .max)).map(\.job)).sorted()
  }

  func doctor() throws(StoreError) -> StoreReport {
    var report = StoreReport(location: location)
    report.counts.runs = try runs(RunQuery(limit: .max)).count
    return report
  }

  func setRetention(_ retention: Retention) { disk.retention.change { $0 = retention } }
}

/// Where toy stores lie: they are there as long as this is.
final class ToyDisk: Sendable {
  private let stores = Monitor<[String: MemoryStore]>([:])
  /// What was last asked to be kept.
  let retention = Monitor<Retention?>(nil)

  fileprivate func store(_ name: String) -> MemoryStore {
    stores.withLock { stores in
      let store = stores[name] ?? MemoryStore()
      stores[name] = store
      return store
    }
  }

  fileprivate func has(_ name: String) -> Bool { stores.withLock { $0[name] != nil } }
}

/// Opens `toy:NAME`.
struct ToyDriver: StoreDriver {
  let disk: ToyDisk
  var schemes: [String] { ["toy"] }
  var example: String { "toy:NAME" }

  func location(of address: StoreAddress, in directory: String?) -> StoreLocation? {
    StoreLocation(address.text, exists: disk.has(address.rest))
  }

  func open(_ address: StoreAddress, _ request: StoreRequest) throws(StoreError) -> any JobStore {
    let store = ToyStore(address.text, disk.store(address.rest), disk)
    if request.access == .scheduler { store.setRetention(request.retention) }
    return store
  }
}
