internal import Chronology
internal import JobModel

/// Answers questions about a store, each from one consistent snapshot.
///
/// Threading: any thread; blocks on the server.
struct PostgresReader: StoreReading {
  let readers: PostgresReaders
  private var target: PostgresTarget { readers.target }

  // MARK: What a scheduler asks

  func load() throws(StoreError) -> StoreSnapshot {
    let answers = try readers.snapshot([
      PostgresStep("SELECT highest_run, clock_epoch, decision_number FROM leadership"),
      PostgresStep(PostgresSchedules.selectDeclared()), PostgresStep(PostgresSchedules.selectDynamic()),
      PostgresStep("SELECT reason, paused_by, paused_at FROM host_pause"),
      PostgresStep("SELECT coalesce(max(id), 0)::bigint FROM audit"), PostgresStep(Self.open),
      PostgresStep("SELECT \(PostgresSteps.intentColumns) FROM intents ORDER BY id"),
      PostgresStep(
        "SELECT DISTINCT p.run FROM placed_runs p WHERE p.state <> 'declined' AND \(PostgresPlacements.isClaimed)"),
    ])
    let rows = Array(answers)
    guard rows[0].count == 1 else { throw target.failure(state: "42P01", message: "the row of leadership") }
    let highest = rows[0].integer(0, 0)
    guard highest < RunID.largest else {
      throw StoreError(
        .corrupt,
        "\(target.location): it has the mark of a run \(highest) (highest_run in \(PostgresSchema.name).leadership), "
          + "which no host ever made: set it to the largest id of a run, or restore a backup"
      )
    }
    var snapshot = StoreSnapshot(nextRunID: RunID(highest + 1), clockEpoch: ClockEpoch(rows[0].smallCount(0, 1)))
    snapshot.nextDecision = rows[0].integer(0, 2) + 1
    snapshot.schedules =
      try withResults(PostgresSchedules.declared(rows[1])) + PostgresSchedules.dynamic(rows[2], target)
    if rows[3].count == 1 {
      snapshot.pause = PauseNote(
        reason: rows[3].optionalText(0, 0), by: rows[3].text(0, 1),
        at: Instant(nanoseconds: rows[3].integer(0, 2)))
    }
    snapshot.nextAudit = rows[4].integer(0, 0) + 1
    snapshot.unfinished = try PostgresRuns.records(rows[5], target)
    snapshot.intents = PostgresSteps.intents(rows[6])
    snapshot.placed = Set((0..<rows[7].count).map { RunID(rows[7].integer($0, 0)) })
    return snapshot
  }

  func schedules() throws(StoreError) -> [ScheduleRecord] {
    let rows = Array(
      try readers.snapshot([
        PostgresStep(PostgresSchedules.selectDeclared()), PostgresStep(PostgresSchedules.selectDynamic()),
      ]))
    let records = try withResults(PostgresSchedules.declared(rows[0])) + PostgresSchedules.dynamic(rows[1], target)
    return records.sorted { ($0.job, $0.id ?? "") < ($1.job, $1.id ?? "") }
  }

  func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord] {
    func step(_ sql: String) -> PostgresStep { PostgresStep(sql) { $0.add(jobs) { $0 } } }
    let rows = Array(
      try readers.snapshot([
        step(PostgresSchedules.selectDeclared(where: "job = ANY($1)")),
        step(PostgresSchedules.selectDynamic(where: "job = ANY($1)")),
      ]))
    return try withResults(PostgresSchedules.declared(rows[0])) + PostgresSchedules.dynamic(rows[1], target)
  }

  /// What joins together are given back of results after a start.
  private static let mostResultBytes = 64 << 20

  /// The same, with what the runs that joins have seen returned: as far as history still has them.
  private func withResults(_ records: [ScheduleRecord]) throws(StoreError) -> [ScheduleRecord] {
    let wanted = Set(records.flatMap { $0.arrivals.map(\.run.number) }).sorted()
    guard !wanted.isEmpty else { return records }
    let rows = try readers.ask(
      """
      SELECT id, result FROM (SELECT id, result, sum(octet_length(result)) OVER (ORDER BY id) AS bytes FROM runs \
      WHERE id = ANY($1) AND result IS NOT NULL) r WHERE bytes <= $2
      """
    ) {
      $0.add(wanted) { $0 }
      $0.add(Int64(Self.mostResultBytes))
    }
    var results: [RunID: JSONText] = [:]
    for row in 0..<rows.count { results[RunID(rows.integer(row, 0))] = JSONText(rows.text(row, 1)) }
    var records = records
    for index in records.indices {
      for arrival in records[index].arrivals.indices {
        records[index].arrivals[arrival].result = results[records[index].arrivals[arrival].run]
      }
    }
    return records
  }

  // MARK: History

  private static let open = "SELECT \(PostgresRuns.selection) FROM open_runs r ORDER BY r.id"

  func openRuns() throws(StoreError) -> [RunRecord] {
    try PostgresRuns.records(readers.ask(Self.open), target)
  }

  /// Runs, newest first: open ones and finished ones, merged by id.
  func runs(_ query: RunQuery) throws(StoreError) -> [RunRecord] {
    if query.limit <= 0 || query.outcomes?.isEmpty == true { return [] }
    var terms: [String] = []
    var parameters = PostgresParameters()
    func require(_ term: String, _ add: (inout PostgresParameters) -> Void) {
      add(&parameters)
      terms.append(term.replacing("?", with: "$\(parameters.types.count)"))
    }
    if let job = query.job { require("r.job = ?") { $0.add(job) } }
    if let id = query.id { require("r.id = ?") { $0.add(id.number) } }
    if let before = query.before { require("r.id < ?") { $0.add(before.number) } }
    if let from = query.from { require("r.scheduled_at >= ?") { $0.add(from.nanoseconds) } }
    if let to = query.to { require("r.scheduled_at < ?") { $0.add(to.nanoseconds) } }
    if let outcomes = query.outcomes {
      // As text, so that the partial indexes of unsuccessful runs are seen to fit.
      terms.append("r.outcome IN (\(outcomes.map { "'\($0.rawValue)'" }.sorted().joined(separator: ", ")))")
      if !outcomes.contains(.succeeded) { terms.append("r.outcome <> 'succeeded'") }
    }
    parameters.add(Int64(query.limit))
    let condition = terms.isEmpty ? "true" : terms.joined(separator: " AND ")
    func select(_ table: String) -> String {
      """
      (SELECT \(PostgresRuns.selection) FROM \(table) r WHERE \(condition) ORDER BY r.id DESC \
      LIMIT $\(parameters.types.count))
      """
    }
    let sql = "\(select("open_runs")) UNION ALL \(select("runs")) ORDER BY id DESC LIMIT $\(parameters.types.count)"
    let rows = try readers.ask(sql) { $0 = parameters }
    return try PostgresRuns.records(rows, target)
  }

  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    var terms: [String] = []
    var parameters = PostgresParameters()
    func require(_ term: String, _ add: (inout PostgresParameters) -> Void) {
      add(&parameters)
      terms.append(term.replacing("?", with: "$\(parameters.types.count)"))
    }
    if let job = query.job { require("job = ?") { $0.add(job) } }
    if let at = query.at {
      if let before = query.before {
        require("first < ?") { $0.add(before.nanoseconds) }
      } else {
        require("first <= ?") { $0.add(at.nanoseconds) }
      }
      require("last >= ?") { $0.add(at.nanoseconds) }
    }
    parameters.add(Int64(max(0, query.limit)))
    let rows = try readers.ask(
      """
      \(PostgresDecisions.selection) WHERE \(terms.isEmpty ? "true" : terms.joined(separator: " AND ")) \
      ORDER BY id DESC LIMIT $\(parameters.types.count)
      """
    ) { $0 = parameters }
    return try PostgresDecisions.ranges(rows, target)
  }

  func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] {
    let rows = try readers.ask(PostgresAudit.select) {
      $0.add(query.before ?? .max)
      $0.add(query.from?.nanoseconds ?? .min)
      $0.add(query.to?.nanoseconds ?? .max)
      $0.add(query.action)
      $0.add(query.subject)
      $0.add(query.by)
      $0.add(Int64(max(0, query.limit)))
    }
    return PostgresAudit.lines(rows)
  }

  func files(of job: String) throws(StoreError) -> [FileMark] {
    try PostgresFiles.marks(of: job, readers.ask(PostgresFiles.select) { $0.add(job) }, target)
  }

  func jobNames() throws(StoreError) -> [String] {
    let rows = try readers.ask(
      """
      SELECT job FROM schedules UNION SELECT job FROM dynamic_schedules UNION SELECT job FROM open_runs \
      UNION SELECT job FROM runs UNION SELECT job FROM decisions UNION SELECT job FROM watched_files ORDER BY 1
      """)
    return (0..<rows.count).map { rows.text($0, 0) }
  }

  // MARK: What runs did and said

  func steps(of run: RunID) throws(StoreError) -> [RunStep] {
    let rows = try readers.ask("SELECT \(PostgresSteps.columns) FROM steps WHERE run = $1 ORDER BY position") {
      $0.add(run.number)
    }
    return try PostgresSteps.steps(rows, target)
  }

  private static let line = """
    SELECT at, level, message, fields, (SELECT job FROM log_sizes s WHERE s.run = l.run) FROM run_log l WHERE run = $1
    """

  /// The last `limit` lines, oldest first.
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] {
    let rows = try readers.ask(Self.line + " AND line <> 0 ORDER BY line DESC LIMIT $2") {
      $0.add(run.number)
      $0.add(Int64(max(0, limit)))
    }
    return (0..<rows.count).reversed().map { line(of: run, rows, $0) }
  }

  func progress(of run: RunID) throws(StoreError) -> RunLogLine? {
    let rows = try readers.ask(Self.line + " AND line = 0") { $0.add(run.number) }
    return rows.count == 1 ? line(of: run, rows, 0) : nil
  }

  private func line(of run: RunID, _ rows: PostgresRows, _ row: Int) -> RunLogLine {
    RunLogLine(
      run: run, job: rows.text(row, 4), at: Instant(nanoseconds: rows.integer(row, 0)), level: rows.text(row, 1),
      message: rows.text(row, 2), fields: rows.optionalText(row, 3).map { JSONText($0) })
  }
}
