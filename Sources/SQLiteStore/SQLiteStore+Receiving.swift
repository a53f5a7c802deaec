internal import Chronology
internal import GRDB
package import JobModel

extension SQLiteStore {
  /// One transaction.
  package func receive(_ rows: [StoreRow], mark: String) throws(StoreError) {
    try receiving { database in
      var receiver = try RowReceiver(database, failure: failure)
      for row in rows { try receiver.put(row) }
      try receiver.finish()
      try database.execute(
        sql: "INSERT OR REPLACE INTO meta(key, value) VALUES('\(TransferRows.markKey)', ?)", arguments: [mark])
    }
  }

  package func finishTransfer(_ counters: StoreCounters) throws(StoreError) {
    try receiving { database in
      func set(_ key: String, _ value: Int64) throws {
        try database.execute(sql: "INSERT OR REPLACE INTO meta(key, value) VALUES(?, ?)", arguments: [key, value])
      }
      try set("clock_epoch", Int64(counters.clockEpoch.number))
      try set("highest_run", counters.highestRun)
      if counters.keyValueVersion > 0 { try set("kv_version", counters.keyValueVersion) }
      let audit = try AuditWriter(on: database, limit: .max, failure: failure)
      try audit.set(counters.pause.map { .paused($0) } ?? .resumed)
      try database.execute(sql: "DELETE FROM kv_sizes; " + SQLiteSchema.fillKeyValueSizes)
      try database.execute(sql: "DELETE FROM meta WHERE key = '\(TransferRows.markKey)'")
    }
  }

  package func clear(mark: String) throws(StoreError) {
    try receiving { database in
      let tables = [
        "jobs", "schedules", "made_schedules", "open_runs", "runs", "job_runs", "run_spans", "run_log", "log_sizes",
        "decisions", "kv", "kv_sizes", "payloads", "watched_files", "steps", "intents", "audit", "host_pause", "meta",
      ]
      for table in tables { try database.execute(sql: "DELETE FROM \(table)") }
      try database.execute(
        sql: "INSERT INTO meta(key, value) VALUES('\(TransferRows.markKey)', ?)", arguments: [mark])
    }
  }

  private func receiving(_ body: (Database) throws -> Void) throws(StoreError) {
    guard mode == .transfer else { throw failure.onlyRead }
    do { try reader.pool.write(body) } catch { throw failure.error(error) }
  }
}

/// Writes rows of another store, in one transaction.
private struct RowReceiver {
  private var names: JobNames
  private var payloads: PayloadWriter
  private let made: MadeScheduleWriter
  private let files: FileMarkWriter
  private var steps: StepWriter
  private let statements: Statements
  /// Runs whose log has grown, with the jobs' numbers.
  private var logged: [Int64: Int64] = [:]
  private var lastRun: Int64?

  private struct Statements {
    let schedule, open, finish, entry, span, filedTo: PreparedStatement
    let line, logSize, decision, keyValue, audit: PreparedStatement
  }

  init(_ database: Database, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    names = try JobNames(on: database, failure: failure)
    payloads = try PayloadWriter(on: database, failure: failure)
    made = try MadeScheduleWriter(on: database, failure: failure)
    files = try FileMarkWriter(on: database, failure: failure)
    steps = try StepWriter(on: database, failure: failure)
    statements = Statements(
      schedule: try prepare(ScheduleRows.putDeclared), open: try prepare(RunRows.openWithDetails),
      finish: try prepare(RunRows.finishWithDetails), entry: try prepare(RunIndex.insertion),
      span: try prepare(RunSpans.widening),
      filedTo: try prepare(
        """
        INSERT INTO meta(key, value) VALUES('filed_to', ?1) ON CONFLICT(key) DO UPDATE SET value = max(value, excluded.value)
        """),
      line: try prepare(
        "INSERT OR REPLACE INTO run_log(run, line, at, level, message, fields) VALUES(?1, ?2, ?3, ?4, ?5, ?6)"),
      logSize: try prepare(
        """
        INSERT OR REPLACE INTO log_sizes(run, job, bytes) SELECT ?1, ?2, coalesce(sum(\(SQLiteSchema.lineBytes)), 0) \
        FROM run_log WHERE run = ?1 AND line <> 0
        """),
      decision: try prepare("INSERT OR REPLACE INTO \(DecisionRows.insertion)"),
      keyValue: try prepare(
        "INSERT OR REPLACE INTO kv(space, key, value, version, expires_at) VALUES(?1, ?2, ?3, ?4, ?5)"),
      audit: try prepare("INSERT OR REPLACE INTO audit(\(AuditRows.columns)) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"))
  }

  mutating func put(_ row: StoreRow) throws(StoreError) {
    switch row {
    case .schedule(let record): try put(record)
    case .run(let run): try put(run)
    case .step(let step): try steps.apply(.put(step), &payloads)
    case .intent(let intent):
      try steps.apply(.performed(intent.id), &payloads)
      _ = try steps.add(intent)
    case .logLine(let line, let number): try put(line, number)
    case .decision(let range, let sequence):
      DecisionRows.bind(range, job: try names.number(of: range.job), sequence: sequence, to: statements.decision)
      try statements.decision.run()
    case .keyValue(let value, let key, let space):
      statements.keyValue.bind(1, space)
      statements.keyValue.bind(2, key)
      statements.keyValue.bind(3, value.value.text)
      statements.keyValue.bind(4, value.version)
      statements.keyValue.bind(5, value.expiresAt?.nanoseconds)
      try statements.keyValue.run()
    case .file(let mark): try files.apply(mark, job: names.number(of: mark.job))
    case .audit(let line):
      AuditRows.bind(line, to: statements.audit)
      try statements.audit.run()
    }
  }

  private mutating func put(_ record: ScheduleRecord) throws(StoreError) {
    let job = try names.number(of: record.job)
    if let schedule = record.dynamic { return try made.put(record, schedule, job: job) }
    ScheduleRows.bind(record, job: job, to: statements.schedule)
    ScheduleRows.bindOwn(record, to: statements.schedule)
    try statements.schedule.run()
  }

  /// Runs come in the order of their ids, so each is filed in the index at once.
  private mutating func put(_ run: RunRecord) throws(StoreError) {
    let job = try names.number(of: run.job)
    let (params, event) = (try payloads.store(run.params), try payloads.store(run.event))
    let statement = run.outcome == nil ? statements.open : statements.finish
    RunRows.bindWithDetails(run, job: job, params: params, event: event, to: statement)
    try statement.run()
    guard run.outcome != nil else { return }
    statements.entry.bind(1, job)
    statements.entry.bind(2, run.id.number)
    try statements.entry.run()
    let span = RunSpans.Span(run: run.id.number, at: run.scheduledAt.nanoseconds)
    statements.span.bind(1, span.block)
    statements.span.bind(2, span.first)
    statements.span.bind(3, span.last)
    try statements.span.run()
    lastRun = max(lastRun ?? .min, run.id.number)
  }

  private mutating func put(_ line: RunLogLine, _ number: Int64) throws(StoreError) {
    logged[line.run.number] = line.job.isEmpty ? 0 : try names.number(of: line.job)
    statements.line.bind(1, line.run.number)
    statements.line.bind(2, number)
    statements.line.bind(3, line.at.nanoseconds)
    statements.line.bind(4, line.level)
    statements.line.bind(5, line.message)
    statements.line.bind(6, line.fields?.text)
    try statements.line.run()
  }

  /// What is known of all rows together.
  func finish() throws(StoreError) {
    if let lastRun {
      statements.filedTo.bind(1, lastRun)
      try statements.filedTo.run()
    }
    for (run, job) in logged {
      statements.logSize.bind(1, run)
      statements.logSize.bind(2, job)
      try statements.logSize.run()
    }
  }
}
