internal import Chronology
internal import JobModel

/// Rows of another store, and what a migration does besides, as statements.
enum PostgresReceipt {
  static func marking(_ mark: String) -> PostgresStep {
    PostgresStep("UPDATE leadership SET transfer = $1") { $0.add(mark) }
  }

  /// In one transaction, so that no cut leaves a part of it.
  static func clearing(_ mark: String) -> [PostgresStep] {
    [
      PostgresStep(
        """
        TRUNCATE schedules, dynamic_schedules, open_runs, runs, steps, intents, run_log, log_sizes, decisions, kv, \
        kv_spaces, watched_files, host_pause, audit RESTART IDENTITY
        """),
      PostgresStep("SELECT setval('kv_versions', 1, false)"),
      PostgresStep("UPDATE leadership SET clock_epoch = 0, highest_run = 0, transfer = $1") { $0.add(mark) },
    ]
  }

  /// Sums, numbers that go on behind those that came, and the end of the mark.
  static func end(_ counters: StoreCounters) -> [PostgresStep] {
    var steps = [
      PostgresStep(
        """
        UPDATE log_sizes s SET bytes = coalesce((SELECT sum(octet_length(message) + coalesce(octet_length(fields), 0) \
        + \(RunLogLine.overhead)) FROM run_log l WHERE l.run = s.run AND l.line <> 0), 0)
        """),
      PostgresStep(
        """
        UPDATE kv_spaces s SET bytes = coalesce((SELECT sum(octet_length(key) + octet_length(value)) FROM kv k \
        WHERE k.space = s.id), 0)
        """),
      // Readers go by the id, so it puts ranges of all jobs in the order in which they were decided.
      PostgresStep(
        """
        UPDATE decisions d SET id = n.new FROM (SELECT id, greatest(max(id) OVER (), max(sequence) OVER ()) \
        + row_number() OVER (ORDER BY sequence, job) AS new FROM decisions) n WHERE d.id = n.id
        """),
      PostgresStep(
        "SELECT setval(pg_get_serial_sequence('decisions', 'id'), max(id)) FROM decisions HAVING max(id) > 0"),
      PostgresStep("SELECT setval(pg_get_serial_sequence('intents', 'id'), max(id)) FROM intents HAVING max(id) > 0"),
      PostgresStep("DELETE FROM host_pause"),
    ]
    if counters.keyValueVersion > 0 {
      steps.append(PostgresStep("SELECT setval('kv_versions', $1)") { $0.add(counters.keyValueVersion) })
    }
    if let pause = counters.pause { steps.append(PostgresBatch.step(.paused(pause))) }
    steps.append(
      PostgresStep("UPDATE leadership SET clock_epoch = $1, highest_run = $2, transfer = NULL") {
        $0.add(Int64(counters.clockEpoch.number))
        $0.add(counters.highestRun)
      })
    return steps
  }

  // MARK: Rows

  private struct Sorted {
    var declared: [ScheduleRecord] = []
    var dynamic: [ScheduleRecord] = []
    var open: [RunRecord] = []
    var finished: [RunRecord] = []
    var steps: [RunStep] = []
    var intents: [RunIntent] = []
    var lines: [(line: RunLogLine, number: Int64)] = []
    var ranges: [(range: DecisionRange, sequence: Int64)] = []
    var values: [(value: KeyValue, key: String, space: String)] = []
    var files: [FileMark] = []
    var audit: [AuditLine] = []

    mutating func add(_ row: StoreRow) {
      switch row {
      case .schedule(let record): if record.dynamic == nil { declared.append(record) } else { dynamic.append(record) }
      case .run(let run): if run.outcome == nil { open.append(run) } else { finished.append(run) }
      case .step(let step): steps.append(step)
      case .intent(let intent): intents.append(intent)
      case .logLine(let line, let number): lines.append((line, number))
      case .decision(let range, let sequence): ranges.append((range, sequence))
      case .keyValue(let value, let key, let space): values.append((value, key, space))
      case .file(let mark): files.append(mark)
      case .audit(let line): audit.append(line)
      }
    }
  }

  /// Upserts by key.
  static func steps(_ rows: [StoreRow]) -> [PostgresStep] {
    var sorted = Sorted()
    for row in rows { sorted.add(row) }
    var steps: [PostgresStep] = []
    func add<Row>(_ rows: [Row], _ sql: String, _ fill: ([Row], inout PostgresParameters) -> Void) {
      if !rows.isEmpty { steps.append(PostgresStep(sql) { fill(rows, &$0) }) }
    }
    add(sorted.declared, PostgresSchedules.putDeclared, PostgresSchedules.addDeclared)
    add(sorted.dynamic, PostgresSchedules.putDynamic, PostgresSchedules.addDynamic)
    add(sorted.open, PostgresRuns.open, PostgresRuns.add)
    add(sorted.finished, PostgresRuns.finish, PostgresRuns.add)
    if !sorted.steps.isEmpty { steps.append(PostgresSteps.putting(sorted.steps)) }
    add(sorted.intents, putIntents) { rows, to in
      to.add(rows) { $0.id }
      to.add(rows) { $0.run.number }
      to.add(rows) { Int64($0.position) }
      to.add(rows) { $0.job }
      to.add(rows) { $0.at.nanoseconds }
      to.add(rows) { $0.operations.text }
    }
    add(sorted.lines, putLines) { rows, to in
      to.add(rows) { $0.line.run.number }
      to.add(rows) { $0.number }
      to.add(rows) { $0.line.at.nanoseconds }
      to.add(rows) { $0.line.level }
      to.add(rows) { $0.line.message }
      to.add(rows) { $0.line.fields?.text }
      to.add(rows) { $0.line.job }
    }
    add(sorted.ranges, putRanges) { rows, to in
      PostgresDecisions.addColumns(rows.map(\.range), to: &to)
      to.add(rows) { $0.sequence }
    }
    add(sorted.values, putSpaces) { rows, to in to.add(rows) { $0.space } }
    add(sorted.values, putValues) { rows, to in
      to.add(rows) { $0.space }
      to.add(bytes: rows) { $0.key.utf8 }
      to.add(rows) { $0.value.value.text }
      to.add(rows) { $0.value.version }
      to.add(rows) { $0.value.expiresAt?.nanoseconds }
    }
    add(sorted.files, PostgresFiles.put, PostgresFiles.add)
    add(sorted.audit, PostgresAudit.append, PostgresAudit.add)
    return steps
  }

  private static let putIntents = """
    INSERT INTO intents(\(PostgresSteps.intentColumns)) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], \
    $4::text[], $5::bigint[], $6::text[]) ON CONFLICT (id) DO UPDATE SET run = excluded.run, \
    position = excluded.position, job = excluded.job, at = excluded.at, operations = excluded.operations
    """

  /// The job is a matter of the run's size, which is counted at the end.
  private static let putLines = """
    WITH n AS (SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], \
    $7::text[]) AS n(run, line, at, level, message, fields, job)), \
    put AS (INSERT INTO run_log(run, line, at, level, message, fields) \
    SELECT run, line, at, level, message, fields FROM n ON CONFLICT (run, line) DO UPDATE \
    SET at = excluded.at, level = excluded.level, message = excluded.message, fields = excluded.fields) \
    INSERT INTO log_sizes(run, job, bytes) SELECT DISTINCT ON (run) run, job, 0 FROM n ON CONFLICT (run) DO NOTHING
    """

  private static let putRanges = """
    INSERT INTO decisions(\(PostgresDecisions.columns), sequence) SELECT * FROM unnest($1::text[], $2::text[], \
    $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::boolean[], $9::bigint[], $10::bigint[], \
    $11::bigint[], $12::bigint[]) ON CONFLICT (job, sequence) WHERE sequence IS NOT NULL DO UPDATE \
    SET schedule = excluded.schedule, kind = excluded.kind, reason = excluded.reason, first = excluded.first, \
    last = excluded.last, count = excluded.count, at_least = excluded.at_least, clock_epoch = excluded.clock_epoch, \
    decided_at = excluded.decided_at, run = excluded.run
    """

  private static let putSpaces = """
    INSERT INTO kv_spaces(name_key, name, bytes) SELECT DISTINCT sha256(convert_to(name, 'UTF8')), name, 0 \
    FROM unnest($1::text[]) AS n(name) ON CONFLICT (name_key) DO NOTHING
    """

  private static let putValues = """
    INSERT INTO kv(space, key, value, version, expires_at) SELECT s.id, n.key, n.value, n.version, n.expires_at \
    FROM unnest($1::text[], $2::bytea[], $3::text[], $4::bigint[], $5::bigint[]) \
    AS n(name, key, value, version, expires_at) \
    JOIN kv_spaces s ON s.name_key = sha256(convert_to(n.name, 'UTF8')) ON CONFLICT (space, key) DO UPDATE \
    SET value = excluded.value, version = excluded.version, expires_at = excluded.expires_at
    """
}
