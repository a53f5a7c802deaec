package import Chronology
package import JobModel
internal import Synchronization

/// Keeps schedules, runs and decisions in memory only: for tests, for embedders, and for jobs whose history may go with
/// the process.
///
/// It remembers the last 100 runs and the last 100 decision ranges of each job. Both are rings that are allocated once
/// and then reused, so a finished run costs about 100 ns and allocates nothing once its job is warm.
///
/// Threading: one lock around everything, held for the length of a batch or query; completions are called after it was
/// released, on the caller's thread, before `apply` returns.
package final class MemoryStore: RetainingStore, ExternalRunStore {
  /// What is kept of each job.
  package static let runsPerJob = 100
  package static let rangesPerJob = 100
  /// Log lines kept, over all runs; fewer when they have more bytes than ``Retention`` says.
  package static let logLines = 10_000
  /// Runs of which it remembers at least how far they said they are.
  static let progressRuns = 1_000

  package let name: String
  package var keyValues: any KeyValueStore { values }
  private let values = MemoryKeyValues()
  private let contents: Mutex<MemoryContents>

  package init(name: String = "memory") {
    self.name = name
    contents = Mutex(MemoryContents())
  }

  package func load() throws(StoreError) -> StoreSnapshot {
    try reading { $0.snapshot() }
  }

  package func apply(_ batch: StoreBatch, completion: @escaping @Sendable (StoreError?) -> Void) {
    let error: StoreError? = contents.withLock { contents in
      guard !contents.isClosed else { return .closed(name) }
      contents.apply(batch)
      return nil
    }
    completion(error)
  }

  package func commit(
    _ transaction: RunTransaction, at now: Instant,
    completion: @escaping @Sendable (Result<TransactionAnswer, StoreError>) -> Void
  ) {
    let (isClosed, known) = contents.withLock { ($0.isClosed, $0.known(transaction)) }
    guard !isClosed else { return completion(.failure(.closed(name))) }
    if let known { return completion(.success(.committed(intent: known))) }
    var answer = Result<TransactionAnswer, StoreError>.failure(.closed(name))
    let result = values.change(all: transaction.keyValues, at: now) {
      contents.withLock { contents in
        if !contents.isClosed { answer = .success(.committed(intent: contents.commit(transaction))) }
      }
    }
    switch result {
    case .success(true): completion(answer)
    case .success(false): completion(.success(.conflict))
    case .failure(let error): completion(.failure(error))
    }
  }

  package func steps(of run: RunID) throws(StoreError) -> [RunStep] {
    try reading { $0.steps.steps(of: run) }
  }

  package func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] {
    try reading { $0.runs(query) }
  }

  package func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    try reading { $0.decisions(query) }
  }

  package func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] {
    try reading { $0.audit(query) }
  }

  package func files(of job: String) throws(StoreError) -> [FileMark] {
    try reading { $0.files(of: job) }
  }

  package func schedules() throws(StoreError) -> [ScheduleRecord] {
    try reading { $0.schedules().sorted { ($0.job, $0.id ?? "") < ($1.job, $1.id ?? "") } }
  }

  package func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord] {
    let wanted = Set(jobs)
    return try reading { $0.schedules().filter { wanted.contains($0.job) } }
  }

  package func append(log lines: [RunLogLine]) {
    contents.withLock { contents in
      if !contents.isClosed { contents.log.append(lines) }
    }
  }

  package func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] {
    try reading { $0.log.lines(of: run, limit: limit) }
  }

  package func progress(of run: RunID) throws(StoreError) -> RunLogLine? {
    try reading { $0.log.progress(of: run) }
  }

  /// How much log is kept from now on; the rest of what a store may keep is fixed here.
  package func setRetention(_ retention: Retention) {
    contents.withLock { $0.log.set(retention) }
  }

  package func externalRunID() throws(StoreError) -> RunID {
    let id: RunID? = contents.withLock { contents in contents.isClosed ? nil : contents.takeRunID() }
    guard let id else { throw .closed(name) }
    return id
  }

  /// How many jobs it knows. For tests.
  package var knownJobs: Int { contents.withLock { $0.jobCount } }

  package func close() {
    contents.withLock { $0.isClosed = true }
  }

  private func reading<Result: Sendable>(
    _ body: @Sendable (borrowing MemoryContents) -> Result
  ) throws(StoreError) -> Result {
    let result: Result? = contents.withLock { contents in contents.isClosed ? nil : body(contents) }
    guard let result else { throw .closed(name) }
    return result
  }
}
