package import Chronology
internal import Glibc
internal import Hosting
package import JobModel
internal import TestSupport

/// What outlives a simulated host. Every life opens it anew; a store that is opened is closed before the next one is.
package protocol SimulatedDisk: Sendable {
  func open(clock: SimulatedClock) throws -> any JobStore
  /// Opens it while another host has it open, past the lock; nil where that cannot be.
  func takeOver(clock: SimulatedClock) throws -> (any JobStore)?
}

extension SimulatedDisk {
  package func takeOver(clock: SimulatedClock) throws -> (any JobStore)? { nil }
}

/// Dictionaries that survive.
package final class ModelDisk: SimulatedDisk {
  private let store = ModelStore()
  package init() {}
  package func open(clock: SimulatedClock) -> any JobStore { store }
}

/// A real SQLite file in a temporary directory, opened and closed with every life of the host.
///
/// Each batch is waited for, so that the scenario does not depend on how quick the disk is: what is in flight when the
/// host dies is the part of `FaultyJobStore` in front of it.
package final class SQLiteDisk: SimulatedDisk {
  private let directory: TemporaryDirectory
  package init() throws { directory = try TemporaryDirectory() }

  package func open(clock: SimulatedClock) throws -> any JobStore {
    var request = StoreRequest(.scheduler)
    // No power cut here, and the checker wants to see every row.
    request.durability = .normal
    request.retention.standard = Retention.Limit(runs: nil, age: nil)
    request.retention.ranges = 1_000_000
    request.clock = clock
    return WaitedStore(
      try StoreKinds.standard.open(StoreAddress("sqlite:" + directory.path("simulated.db")), request))
  }

  package func takeOver(clock: SimulatedClock) throws -> (any JobStore)? {
    // Safe: the path is passed as a C string for the length of the call.
    _ = unsafe unlink(directory.path("simulated.db.lock"))
    return try open(clock: clock)
  }
}

/// A store that completes inside `apply`, whatever the one behind it does.
private final class WaitedStore: JobStore {
  private let store: any JobStore
  init(_ store: any JobStore) { self.store = store }

  func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    do throws(StoreError) {
      try store.commit(batch)
      completion(nil)
    } catch { completion(error) }
  }

  var name: String { store.name }
  var keyValues: any KeyValueStore { store.keyValues }
  func load() throws(StoreError) -> StoreSnapshot { try store.load() }
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] { try store.runs(query) }
  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] { try store.decisions(query) }
  func files(of job: String) throws(StoreError) -> [FileMark] { try store.files(of: job) }
  func schedules() throws(StoreError) -> [ScheduleRecord] { try store.schedules() }
  func append(log lines: [RunLogLine]) { store.append(log: lines) }
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] { try store.log(of: run, limit: limit) }
  func steps(of run: RunID) throws(StoreError) -> [RunStep] { try store.steps(of: run) }
  func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    do throws(StoreError) {
      completion(.success(try store.commit(transaction, at: now)))
    } catch { completion(.failure(error)) }
  }
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? { try store.progress(of: run) }
  func close() { store.close() }
}
