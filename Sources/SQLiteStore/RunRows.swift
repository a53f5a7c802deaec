internal import Chronology
internal import JobModel

/// How a `RunRecord` lies in `open_runs` and `runs`, both ways.
enum RunRows {
  /// The order in which ``record(from:)`` reads them; parameters are bound in the same order.
  private static let columns = """
    id, job, cause, scheduled_at, clock_epoch, missed, claimed_at, started_at, finished_at, attempts, outcome, \
    memory_peak, duration, error, error_file, error_line, traceback, error_data, result, params, event, recovers, \
    schedule, event_payload, params_payload, retried_at, resumes_at, \
    parked_at, parked_until, parked_event
    """
  private static let short = """
    id, job, cause, scheduled_at, clock_epoch, missed, claimed_at, started_at, finished_at, attempts, outcome, \
    memory_peak, duration
    """

  /// What a query selects: the columns with the job's name in place of its number. `r` is the table.
  static let selection =
    "r.id, (SELECT name FROM jobs WHERE id = r.job), "
    + columns.split(separator: ", ").dropFirst(2).map { "r.\($0)" }.joined(separator: ", ")

  /// The same without texts that may be long.
  static let brief =
    "r.id, (SELECT name FROM jobs WHERE id = r.job), "
    + columns.split(separator: ", ").dropFirst(2).map { texts.contains($0) ? "NULL" : "r.\($0)" }
    .joined(separator: ", ")

  private static let texts: Set<Substring> = [
    "error", "error_file", "error_line", "traceback", "error_data", "result", "params", "event", "event_payload",
    "params_payload",
  ]

  // MARK: Statements of the hot path. Tests/StoreFloor/floor.c runs the same text, and a test compares them.

  static let claim = """
    INSERT OR REPLACE INTO open_runs(id, job, cause, scheduled_at, clock_epoch, missed, claimed_at, attempts, memory_peak, \
    duration) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 0, 0)
    """
  static let close = "DELETE FROM open_runs WHERE id = ?1"
  static let finish =
    "INSERT OR REPLACE INTO runs(\(short)) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"

  // MARK: Statements for runs with errors, results, parameters

  static let openWithDetails = "INSERT OR REPLACE INTO open_runs(\(columns)) VALUES(\(parameters(30)))"
  static let finishWithDetails = "INSERT OR REPLACE INTO runs(\(columns)) VALUES(\(parameters(30)))"

  private static func parameters(_ count: Int) -> String { (1...count).map { "?\($0)" }.joined(separator: ", ") }

  // MARK: Binding

  /// Binds what a plain claim has: parameters 1 to 7.
  static func bindClaim(_ run: borrowing RunRecord, job: Int64, to statement: PreparedStatement) {
    statement.bind(1, run.id.number)
    statement.bind(2, job)
    statement.bind(3, run.cause.code)
    statement.bind(4, run.scheduledAt.nanoseconds)
    statement.bind(5, run.clockEpoch.number)
    statement.bind(6, run.missed)
    statement.bind(7, run.claimedAt?.nanoseconds)
  }

  /// Binds what every run has: parameters 1 to 13.
  static func bind(_ run: borrowing RunRecord, job: Int64, to statement: PreparedStatement) {
    bindClaim(run, job: job, to: statement)
    statement.bind(8, run.startedAt?.nanoseconds)
    statement.bind(9, run.finishedAt?.nanoseconds)
    statement.bind(10, run.attempts)
    statement.bind(11, run.outcome?.code)
    statement.bind(12, run.memoryPeakBytes)
    statement.bind(13, run.duration)
  }

  /// Binds everything: parameters 1 to 30.
  static func bindWithDetails(
    _ run: RunRecord, job: Int64, params: StoredPayload, event: StoredPayload, to statement: PreparedStatement
  ) {
    bind(run, job: job, to: statement)
    let error = run.error
    statement.bind(14, error?.message)
    statement.bind(15, error?.file)
    statement.bind(16, error?.line.map(Int64.init))
    statement.bind(17, error?.traceback)
    statement.bind(18, error?.data)
    statement.bind(19, run.result?.text)
    statement.bind(20, params.text)
    statement.bind(21, event.text)
    statement.bind(22, run.recovers?.number)
    statement.bind(23, run.schedule)
    statement.bind(24, event.id)
    statement.bind(25, params.id)
    statement.bind(26, run.retriedAt?.nanoseconds)
    statement.bind(27, run.resumesAt?.nanoseconds)
    statement.bind(28, run.park.map { Int64($0.position) })
    statement.bind(29, run.park?.until?.nanoseconds)
    statement.bind(30, run.park?.event)
  }

  // MARK: Reading

  /// The record in the current row of a statement that selects ``selection``.
  static func record(
    from row: PreparedStatement, payloads: PayloadReader, failure: SQLiteFailure
  ) throws(StoreError) -> RunRecord {
    guard let cause = RunCause(code: row.integer(2)) else { throw failure.newer }
    var run = RunRecord(
      id: RunID(row.integer(0)), job: row.text(1), cause: cause, scheduledAt: Instant(nanoseconds: row.integer(3)))
    run.clockEpoch = ClockEpoch(row.smallCount(4))
    run.missed = row.count(5)
    run.claimedAt = row.instant(6)
    run.startedAt = row.instant(7)
    run.finishedAt = row.instant(8)
    run.attempts = row.smallCount(9)
    if let code = row.optionalInteger(10) {
      guard let outcome = Outcome(code: code) else { throw failure.newer }
      run.outcome = outcome
    }
    run.memoryPeakBytes = row.count(11)
    run.duration = row.span(12)
    if let message = row.optionalText(13) {
      run.error = RunError(
        message: message, file: row.optionalText(14), line: row.optionalInteger(15).map(Int.init),
        traceback: row.optionalText(16), data: row.optionalText(17))
    }
    if let text = row.optionalText(18) { run.result = JSONText(text) }
    if let text = row.optionalText(19) { run.params = JSONText(text) }
    if let text = row.optionalText(20) { run.event = JSONText(text) }
    if let number = row.optionalInteger(21) { run.recovers = RunID(number) }
    if let id = row.optionalText(22) { run.schedule = id }
    if let id = row.optionalInteger(23) { run.event = try payloads.text(of: id) }
    if let id = row.optionalInteger(24) { run.params = try payloads.text(of: id) }
    if let at = row.instant(25) { run.retriedAt = at }
    if let at = row.instant(26) { run.resumesAt = at }
    if !row.isNull(27) {
      run.park = RunPark(position: row.smallCount(27), until: row.instant(28), event: row.optionalText(29))
    }
    return run
  }
}

extension RunRecord {
  /// Whether it has any of the fields that few runs have.
  var hasDetails: Bool {
    error != nil || result != nil || params != nil || event != nil || recovers != nil || schedule != nil
      || retriedAt != nil || resumesAt != nil || park != nil
  }
  /// Whether it has nothing yet that only running brings.
  var isPlainClaim: Bool {
    startedAt == nil && finishedAt == nil && attempts == 0 && outcome == nil && memoryPeakBytes == 0 && duration == 0
      && !hasDetails
  }
}

extension PreparedStatement {
  func instant(_ column: Int32) -> Instant? { optionalInteger(column).map { Instant(nanoseconds: $0) } }
}
