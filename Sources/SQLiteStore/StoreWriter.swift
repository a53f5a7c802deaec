internal import Chronology
internal import GRDB
internal import JobModel

/// Everything that writes to a store file: statements, and what is remembered between transactions to write less.
///
/// Threading: belongs to the write connection; used inside its `write` closures only. `GroupCommit` is its one caller.
final class StoreWriter: @unchecked Sendable {
  // @unchecked: made before the thread of `GroupCommit` starts, and touched by that thread only from then on.
  let failure: SQLiteFailure
  private(set) var names: JobNames
  private(set) var index: RunIndex
  private(set) var pruner: Pruner
  private var ledger: DecisionLedger
  private let made: MadeScheduleWriter
  private let audit: AuditWriter
  private var keyValues: KeyValueWriter
  private let fileMarks: FileMarkWriter
  private var logLines: LogWriter
  private var payloads: PayloadWriter
  private var steps: StepWriter
  private let savepoint, undo, release: PreparedStatement
  private let statements: Statements
  private var highWater: HighWaterMark
  /// nil in a process alongside a host.
  private let fence: StoreFence?
  private let watch: StoreWatch?
  /// Jobs that the open transaction says are forgotten.
  private var gone: [String] = []

  private struct Statements {
    let begin, commit, rollback: PreparedStatement
    let putSchedule, fire: PreparedStatement
    let claim, openWithDetails, close, finish, finishWithDetails: PreparedStatement
    let setClockEpoch: PreparedStatement
  }

  /// - Parameters:
  ///   - isAlongside: another process schedules from the file.
  ///   - fence: proved in each transaction.
  ///   - watch: asked before each transaction.
  init(
    _ database: Database, isAlongside: Bool, fence: StoreFence?, watch: StoreWatch?, options: SQLiteStore.Options,
    failure: SQLiteFailure
  ) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    self.failure = failure
    self.fence = fence
    self.watch = watch
    names = try JobNames(on: database, failure: failure)
    index = try RunIndex(
      on: database, isImmediate: isAlongside, largestTail: options.largestUnindexedTail, failure: failure)
    pruner = try Pruner(on: database, isActive: !isAlongside, options: options, failure: failure)
    ledger = try DecisionLedger(on: database, failure: failure)
    made = try MadeScheduleWriter(on: database, failure: failure)
    audit = try AuditWriter(on: database, limit: options.retention.auditLines, failure: failure)
    keyValues = try KeyValueWriter(on: database, failure: failure)
    fileMarks = try FileMarkWriter(on: database, failure: failure)
    logLines = try LogWriter(on: database, limits: options.retention, failure: failure)
    payloads = try PayloadWriter(on: database, failure: failure)
    steps = try StepWriter(on: database, failure: failure)
    savepoint = try prepare("SAVEPOINT part")
    undo = try prepare("ROLLBACK TO part")
    release = try prepare("RELEASE part")
    highWater = try HighWaterMark(on: database, failure: failure)
    statements = Statements(
      begin: try prepare("BEGIN IMMEDIATE"), commit: try prepare("COMMIT"), rollback: try prepare("ROLLBACK"),
      putSchedule: try prepare(Self.putSchedule), fire: try prepare(Self.fire),
      claim: try prepare(RunRows.claim), openWithDetails: try prepare(RunRows.openWithDetails),
      close: try prepare(RunRows.close), finish: try prepare(RunRows.finish),
      finishWithDetails: try prepare(RunRows.finishWithDetails),
      setClockEpoch: try prepare("INSERT OR REPLACE INTO meta(key, value) VALUES('clock_epoch', ?1)"))
  }

  static let fire = "UPDATE schedules SET next_fire = ?2, last_fire = ?3, fire_count = ?4 WHERE job = ?1"
  private static let putSchedule =
    ScheduleRows.putDeclared

  /// Readable from any thread.
  var decisionMark: DecisionMark { ledger.mark }

  // MARK: Transactions

  /// Begins a transaction, if the file is still the one that was opened.
  func begin() throws(StoreError) {
    try watch?.verify()
    try watch?.verifyContents()
    try statements.begin.run()
  }

  /// In the open transaction: throws `.lost` when another host has taken the store over.
  func prove() throws(StoreError) { try fence?.prove() }

  /// What went wrong with a transaction, in the best words: an error of the disk may be one of a file that has gone.
  func explained(_ error: StoreError) -> StoreError {
    guard error.code != .lost, let watch else { return error }
    do throws(StoreError) {
      try watch.verify()
      if error.code == .corrupt || error.code == .io { try watch.verifyContents(isSuspicious: true) }
    } catch { return error }
    return error
  }

  /// Whether the file is still the one that was opened, and nobody has taken it over.
  var isOurs: Bool {
    do throws(StoreError) {
      try watch?.verify()
      try prove()
      return true
    } catch { return false }
  }

  /// Lets go of what only a host needs. The connection is closed by its owner.
  func close() { watch?.close() }

  func commit() throws(StoreError) {
    try highWater.saveIfNeeded()
    try logLines.flush()
    try statements.commit.run()
    forgetGone()
    names.transactionCommitted()
    index.transactionCommitted()
    ledger.transactionCommitted()
    pruner.transactionCommitted()
    logLines.transactionCommitted()
    payloads.transactionCommitted()
    if payloads.mustSweep(kept: pruner.keptPayloads) { pruner.sweepPayloads() }
    highWater.transactionCommitted()
  }

  /// Names and numbers of jobs that are forgotten are known to nobody any more.
  private func forgetGone() {
    for job in gone {
      guard let number = names.forget(job) else { continue }
      ledger.forget(number)
      pruner.forget(number)
    }
    gone.removeAll()
  }

  /// How many jobs are remembered here, in whatever table. For tests.
  var rememberedJobs: Int { max(names.count, ledger.count, pruner.rememberedJobs) }

  /// Undoes the open transaction, in the file and in memory. Some errors have SQLite roll back by itself, and then this
  /// finds nothing to do, which is no error.
  func rollback() {
    gone.removeAll()
    try? statements.rollback.run()  // Fails only when there is no transaction any more, which is what we want.
    names.transactionRolledBack()
    index.transactionRolledBack()
    ledger.transactionRolledBack()
    pruner.transactionRolledBack()
    logLines.transactionRolledBack()
    payloads.transactionRolledBack()
    highWater.transactionRolledBack()
  }

  // MARK: Changes

  func apply(_ batch: borrowing StoreBatch) throws(StoreError) {
    for record in batch.schedules { try put(record) }
    for update in batch.fires { try apply(update) }
    for run in batch.waiting { try open(run) }
    for run in batch.claims { try open(run) }
    for run in batch.finished { try finish(run) }
    for change in batch.steps { try steps.apply(change, &payloads) }
    for id in batch.dropped {
      statements.close.bind(1, id.number)
      try statements.close.run()
      try steps.removeSteps(of: id.number)
      payloads.close(id)
      highWater.mustBeSaved = true
    }
    for mark in batch.files { try fileMarks.apply(mark, job: names.number(of: mark.job)) }
    for range in batch.decisions { try ledger.append(range, job: names.number(of: range.job), pruner: &pruner) }
    for id in batch.unscheduled {
      try made.remove(id)
      ledger.forget(id)
    }
    for job in batch.forgotten { gone.append(job) }
    if let epoch = batch.clockEpoch {
      statements.setClockEpoch.bind(1, epoch.number)
      try statements.setClockEpoch.run()
    }
    if let change = batch.hostPause { try audit.set(change) }
    for line in batch.audit { try audit.append(line) }
  }

  /// - Returns: whether it was done; why it was refused, which harms nothing else of the transaction.
  func apply(_ change: KeyValueChange, at now: Instant) throws(StoreError) -> Result<Bool, StoreError> {
    try keyValues.apply(change, at: now)
  }

  /// - Returns: the id of its intent, or nil when a value has another version; why it was refused, which harms nothing
  ///   else of the open transaction.
  func apply(_ transaction: RunTransaction, at now: Instant) throws(StoreError) -> Result<Int64?, StoreError> {
    if let known = try steps.known(transaction) { return .success(known) }
    try savepoint.run()
    for change in transaction.keyValues {
      let done = try keyValues.apply(change, at: now)
      if case .success(true) = done { continue }
      try undo.run()
      try release.run()
      return done.map { _ in nil }
    }
    try release.run()
    if let run = transaction.finished { try finish(run) }
    if let step = transaction.step { try steps.apply(.put(step), &payloads) }
    return .success(try transaction.intent.map { (intent) throws(StoreError) in try steps.add(intent) } ?? 0)
  }

  func append(log lines: [RunLogLine]) throws(StoreError) {
    for line in lines { try logLines.append(line, job: names.number(of: line.job)) }
  }

  /// A run id that no host and no other process gets.
  ///
  /// While no host is up it is the next one; else the next of those that hosts leave out. A host takes the lock before
  /// its first transaction, and looks for the highest id after it; so either this transaction sees the lock, or that
  /// host sees the id.
  func newExternalRun() throws(StoreError) -> Int64 {
    try highWater.next(alongsideHost: SchedulingLock.holder(ofStore: failure.path) != nil)
  }

  private func put(_ record: ScheduleRecord) throws(StoreError) {
    let job = try names.number(of: record.job)
    if let schedule = record.dynamic { return try made.put(record, schedule, job: job) }
    ScheduleRows.bind(record, job: job, to: statements.putSchedule)
    ScheduleRows.bindOwn(record, to: statements.putSchedule)
    try statements.putSchedule.run()
  }

  private func apply(_ update: FireUpdate) throws(StoreError) {
    if let id = update.schedule { return try made.fire(update, id) }
    let statement = statements.fire
    statement.bind(1, try names.number(of: update.job))
    statement.bind(2, update.nextFire?.nanoseconds)
    statement.bind(3, update.lastFire.nanoseconds)
    statement.bind(4, update.fireCount)
    try statement.run()
  }

  private func open(_ run: borrowing RunRecord) throws(StoreError) {
    highWater.saw(run.id)
    let job = try names.number(of: run.job)
    if run.isPlainClaim {
      RunRows.bindClaim(run, job: job, to: statements.claim)
      try statements.claim.run()
    } else {
      let stored = try payloads.open(run)
      RunRows.bindWithDetails(
        copy run, job: job, params: stored.params, event: stored.event, to: statements.openWithDetails)
      try statements.openWithDetails.run()
    }
  }

  private func finish(_ run: borrowing RunRecord) throws(StoreError) {
    highWater.saw(run.id)
    let job = try names.number(of: run.job)
    statements.close.bind(1, run.id.number)
    try statements.close.run()
    if run.hasDetails {
      let stored = try payloads.finish(run)
      RunRows.bindWithDetails(
        copy run, job: job, params: stored.params, event: stored.event, to: statements.finishWithDetails)
      try statements.finishWithDetails.run()
    } else {
      RunRows.bind(run, job: job, to: statements.finish)
      try statements.finish.run()
    }
    try index.add(RunIndex.Entry(job: job, run: run.id.number, at: run.scheduledAt.nanoseconds))
  }

  // MARK: Maintenance

  /// Whether a slice of background work is waiting.
  var hasMaintenance: Bool { index.isDue || pruner.isDue || logLines.isCrowded }

  /// One slice of background work, inside the open transaction: at most about 2 ms, or what keeps up with the
  /// transaction's own work.
  ///
  /// - Parameter finished: runs that the open transaction adds.
  func maintain(finished: Int) throws(StoreError) {
    if index.isDue {
      try index.write(limit: max(512, 2 * finished)) { job, count throws(StoreError) in
        try pruner.indexed(job, runs: count)
      }
    }
    if pruner.isDue, try pruner.slice(finished: finished, log: &logLines, payloads: &payloads, steps: steps) > 0 {
      highWater.mustBeSaved = true
    }
    try logLines.trim()
  }

  /// Lets age do its work; called now and then with the wall clock.
  func timePassed(_ now: Instant) { pruner.timePassed(now) }

  func setRetention(_ retention: Retention) {
    pruner.set(retention)
    logLines.set(retention)
  }
}

/// The largest run id that was ever seen in this file, so that pruning the newest runs never makes an id come back.
///
/// It is the larger of a saved number and the largest id of a row, so it is only saved when rows go.
struct HighWaterMark {
  /// Set when rows have been removed in the open transaction.
  var mustBeSaved = false
  private var highest: Int64
  private var saved: Int64
  private var committed: Int64
  private let save, find: PreparedStatement
  private let failure: SQLiteFailure

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    self.failure = failure
    find = try Self.statement(on: database, failure: failure)
    // It never falls: a process alongside a host may have saved a higher one than the host has seen.
    save = try PreparedStatement(
      """
      INSERT INTO meta(key, value) VALUES('highest_run', ?1) ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)
      """, on: database, failure: failure)
    highest = try Self.read(on: database, failure: failure)
    saved =
      try PreparedStatement("SELECT value FROM meta WHERE key = 'highest_run'", on: database, failure: failure)
      .first { $0.integer(0) } ?? 0
    committed = saved
  }

  /// - Throws: `.corrupt` when the next ids would not fit: no host ever gave so large a one.
  static func read(on database: Database, failure: SQLiteFailure) throws(StoreError) -> Int64 {
    try checked(statement(on: database, failure: failure).first { $0.integer(0) } ?? 0, failure)
  }

  private static func checked(_ highest: Int64, _ failure: SQLiteFailure) throws(StoreError) -> Int64 {
    guard highest < RunID.largest else {
      throw StoreError(
        .corrupt,
        "\(failure.path): it has a run \(highest), or a mark of one (highest_run in meta), which no host ever made: "
          + "remove it with sqlite3, or restore a backup")
    }
    return highest
  }

  private static func statement(on database: Database, failure: SQLiteFailure) throws(StoreError) -> PreparedStatement {
    let sql = """
      SELECT max(coalesce((SELECT value FROM meta WHERE key = 'highest_run'), 0), \
      coalesce((SELECT max(id) FROM runs), 0), coalesce((SELECT max(id) FROM open_runs), 0))
      """
    return try PreparedStatement(sql, on: database, failure: failure)
  }

  /// Takes an id above all that are in the file, and remembers there that it is taken.
  ///
  /// - Parameter alongsideHost: a host is up. It may have given ids that are not in the file yet, but none for an
  ///   external run.
  mutating func next(alongsideHost: Bool) throws(StoreError) -> Int64 {
    highest = max(highest, try Self.checked(find.first { $0.integer(0) } ?? 0, failure)) + 1
    if alongsideHost { while !RunID(highest).isForExternalRuns { highest += 1 } }
    save.bind(1, highest)
    try save.run()
    saved = highest
    return highest
  }

  mutating func saw(_ run: RunID) {
    if run.number > highest { highest = run.number }
  }

  mutating func saveIfNeeded() throws(StoreError) {
    guard mustBeSaved, highest > saved else { return }
    save.bind(1, highest)
    try save.run()
    saved = highest
  }

  mutating func transactionCommitted() {
    mustBeSaved = false
    committed = saved
  }

  /// `highest` may stay too large: an id that is skipped harms nobody.
  mutating func transactionRolledBack() { saved = committed }
}
