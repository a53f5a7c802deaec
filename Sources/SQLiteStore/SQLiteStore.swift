internal import Basics
package import Chronology
internal import GRDB
package import JobModel
package import StoreSupport
internal import Synchronization

/// The embedded default: one SQLite file in WAL mode, with one writer thread that commits in groups.
///
///     let store = try SQLiteStore(".moondial/moondial.db")
///     let snapshot = try store.load()
///     store.apply(batch) { error in … }        // on the writer thread, after the commit
///     store.close()
///
/// A batch is on disk when its completion is called: with ``CommitDurability/full`` it survives a power cut, with
/// ``CommitDurability/normal`` a crash of the process (docs/durability.md). Questions are answered on connections of
/// their own and never wait for the writer.
///
/// Threading: any thread, except that `close()` must not be called from a completion. Queries block on the disk.
package final class SQLiteStore: ReadingStore, QueueingStore, RetainingStore, ExternalRunStore {
  package struct Options: Sendable {
    package var synchronous = CommitDurability.full
    package var retention = Retention()
    /// Pages of 4 KiB in the write-ahead log between two checkpoints. Larger means fewer writes and a longer pause when
    /// it comes.
    package var checkpointPages = 2_000
    /// How long a write waits for another process that is writing.
    package var busySeconds = 5.0
    /// Finished runs that may wait for their index entry; history of a job scans as many rows. Smaller for tests.
    package var largestUnindexedTail = 16_384
    /// Nanoseconds between two looks into the file, past every cache, for whether it is still this host's store.
    /// Smaller for tests.
    package var lookIntoFileEvery: Int64 = 1_000_000_000
    /// Told when the system refuses a thread that is made when it is first needed, and (nil) when it gives it.
    package var threadRefused: (@Sendable (StoreError?) -> Void)?
    /// Judges the age of history.
    package var clock: any WallClock = SystemWallClock()
    package init() {}
  }

  package let name: String
  package let keyValues: any KeyValueStore
  package let path: String
  package var location: String { path }
  package let mode: StoreAccess
  /// What an operator should know about its files: others may read one, and that cannot be changed.
  package let notes: [String]
  let reader: SQLiteReader
  let failure: SQLiteFailure
  private let lock: SchedulingLock?
  private let commits: GroupCommit?
  private let decisionMark: DecisionMark?
  private let kvReader: SQLiteKeyValues
  private let externalRuns: ExternalRunMarks?
  private let isClosed = Monitor(false)

  /// Opens or creates the file.
  ///
  /// - Throws: `.locked` when another host schedules from it (mode `.scheduler`), `.version`, `.corrupt`, `.readOnly`,
  ///   `.full`, `.io`.
  package init(_ path: String, mode: StoreAccess = .scheduler, options: Options = Options()) throws(StoreError) {
    let failure = SQLiteFailure(path: path)
    self.path = path
    self.mode = mode
    self.failure = failure
    name = "sqlite \(path)"
    let isAlone = mode == .scheduler || mode == .transfer
    let lock = isAlone ? try SchedulingLock(store: path, now: options.clock.now, failure: failure) : nil
    self.lock = lock
    notes = mode == .reader ? [] : PrivateFile.restrictStore(path)
    externalRuns = mode == .alongside ? ExternalRunMarks(store: path) : nil
    do {
      let opened = try Self.open(path, mode: mode, options: options, failure: failure)
      reader = SQLiteReader(pool: opened.pool, failure: failure)
      decisionMark = opened.writer?.decisionMark
      commits = try opened.writer.map { (writer) throws(StoreError) in
        try GroupCommit(
          pool: opened.pool, writer: writer, options: options, emptiesLogAtEnd: mode == .scheduler,
          storeName: "sqlite \(path)")
      }
      kvReader = SQLiteKeyValues(
        reader: reader, commits: commits, failure: failure, refused: options.threadRefused)
      keyValues = kvReader
    } catch {
      externalRuns?.close()
      lock?.release()
      throw error
    }
  }

  deinit { close() }

  // MARK: JobStore

  /// - Returns: unfinished runs without those of living processes alongside the host.
  package func load() throws(StoreError) -> StoreSnapshot {
    var snapshot = try reader.load()
    if let decisionMark { snapshot.nextDecision = decisionMark.committed.load(ordering: .relaxed) + 1 }
    let alive = ExternalRunMarks.alive(among: snapshot.unfinished, store: path)
    if !alive.isEmpty { snapshot.unfinished.removeAll { alive.contains($0.id) } }
    return snapshot
  }

  package func externalRunID() throws(StoreError) -> RunID {
    guard let externalRuns else { throw failure.hasNoExternalRuns }
    let id = try takeRunID()
    externalRuns.mark(id)
    return id
  }

  package var questions: any StoreReading { reader }

  package func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    submit(.batch(batch, completion))
  }

  package func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    submit(.transaction(transaction, now, completion))
  }

  package func append(log lines: [RunLogLine]) { submit(.log(lines)) }

  package func submit(_ operation: CommitQueue.Operation) {
    guard let commits else { return operation.complete(.failure(failure.onlyRead)) }
    commits.submit(operation)
  }

  package func close() {
    let isFirst = isClosed.withLock { isClosed in
      defer { isClosed = true }
      return !isClosed
    }
    guard isFirst else { return }
    commits?.close()
    kvReader.close()
    reader.close()
    externalRuns?.close()
    lock?.release()
  }

  // MARK: What not every store can do

  package func hostSince() throws(StoreError) -> Instant? { try reader.hostSince() }
  package func hostPause() throws(StoreError) -> PauseNote? { try reader.hostPause() }
  package func lastRuns(of jobs: [String]) throws(StoreError) -> [String: RunRecord] {
    try reader.lastRuns(of: jobs)
  }

  package func living(among runs: [RunRecord]) -> Set<RunID> {
    isHosted ? Set(runs.map(\.id)) : ExternalRunMarks.alive(among: runs, store: path)
  }

  package var isHosted: Bool { SchedulingLock.holder(ofStore: path) != nil }

  package func setRetention(_ retention: Retention) { commits?.set(retention) }
}

extension SQLiteFailure {
  var onlyRead: StoreError {
    StoreError(
      .readOnly, "\(path): the store is open for reading only: open it as scheduler or alongside one to change it")
  }

  var hasNoExternalRuns: StoreError {
    StoreError(.readOnly, "\(path): the store is not open alongside a host: it has no ids for runs of others")
  }
}
