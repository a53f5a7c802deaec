internal import Chronology
internal import GRDB
internal import JobModel

/// How a `ScheduleRecord` lies in `schedules` and `made_schedules`, both ways.
enum ScheduleRows {
  /// What both tables have, in the order in which it is bound and read.
  static let columns =
    "job, trigger, next_fire, anchor, last_fire, fire_count, registered_at, clock_epoch, paused, orphaned_at"
  /// What only a job's own schedule has.
  static let ownColumns = "arrivals, pause_reason, paused_by, paused_at"
  /// What only a dynamic schedule has.
  private static let options = "id, params, jitter, time_zone, misfire_grace, coalesce, max_instances, priority"

  /// Binds parameters 1 to 10.
  static func bind(_ record: ScheduleRecord, job: Int64, to statement: PreparedStatement) {
    statement.bind(1, job)
    statement.bind(2, record.trigger)
    statement.bind(3, record.nextFire?.nanoseconds)
    statement.bind(4, record.anchor?.nanoseconds)
    statement.bind(5, record.lastFire?.nanoseconds)
    statement.bind(6, record.fireCount)
    statement.bind(7, record.registeredAt.nanoseconds)
    statement.bind(8, record.clockEpoch.number)
    statement.bind(9, record.isPaused)
    statement.bind(10, record.orphanedAt?.nanoseconds)
  }

  static let putDeclared =
    "INSERT OR REPLACE INTO schedules(\(columns), \(ownColumns)) VALUES(\((1...14).map { "?\($0)" }.joined(separator: ", ")))"

  /// Binds parameters 11 to 14 of `putDeclared`.
  static func bindOwn(_ record: ScheduleRecord, to statement: PreparedStatement) {
    let lines = record.arrivals.map { "\($0.run.number) \($0.job)" }
    statement.bind(11, lines.isEmpty ? nil : lines.joined(separator: "\n"))
    statement.bind(12, record.pause?.reason)
    statement.bind(13, record.pause?.by)
    statement.bind(14, record.pause?.at.nanoseconds)
  }

  /// What `bind` wrote: a line for each, a run and the name of its job, which has no control characters.
  private static func arrivals(from text: String?) -> [UpstreamArrival] {
    (text ?? "").split(separator: "\n").compactMap { line in
      let parts = line.split(separator: " ", maxSplits: 1)
      guard parts.count == 2, let run = RunID(parts[0]) else { return nil }
      return UpstreamArrival(job: String(parts[1]), run: run)
    }
  }

  static let putMade = """
    INSERT OR REPLACE INTO made_schedules(\(columns), \(options)) \
    VALUES(\((1...18).map { "?\($0)" }.joined(separator: ", ")))
    """

  /// Binds parameters 11 to 18.
  static func bind(_ made: DynamicSchedule, to statement: PreparedStatement) {
    statement.bind(11, made.id)
    statement.bind(12, made.options.params?.text)
    statement.bind(13, made.options.jitter)
    statement.bind(14, made.options.timeZone)
    statement.bind(15, made.options.misfireGraceTime)
    statement.bind(16, made.options.coalesce?.code)
    statement.bind(17, made.options.maxInstances.map(Int64.init))
    statement.bind(18, made.options.priority.map(Int64.init))
  }

  // MARK: Reading

  /// Selects all jobs' own schedules.
  static func selectDeclared(order: String) -> String {
    select("\(columns), \(ownColumns)", from: "schedules", order: order)
  }
  /// Selects all dynamic schedules.
  static func selectMade(order: String) -> String {
    select("\(columns), \(options)", from: "made_schedules", order: order)
  }

  /// Selects the own schedule of some jobs.
  static func selectDeclared(where condition: String) -> String {
    select("\(columns), \(ownColumns)", from: "schedules", order: "s.job", where: condition)
  }
  /// Selects the dynamic schedules of some jobs.
  static func selectMade(where condition: String) -> String {
    select("\(columns), \(options)", from: "made_schedules", order: "s.job", where: condition)
  }

  /// Selects jobs' own schedules by name, after one.
  static let declaredByName = select(
    "\(columns), \(ownColumns)", from: "schedules", order: "j.name", where: "j.name > ?1")
  /// Selects schedules made at run time by id, after one.
  static let madeByID = select("\(columns), \(options)", from: "made_schedules", order: "s.id", where: "s.id > ?1")

  private static func select(
    _ columns: String, from table: String, order: String, where condition: String = "1"
  ) -> String {
    let rest = columns.split(separator: ", ").dropFirst().map { "s.\($0)" }.joined(separator: ", ")
    return "SELECT j.name, \(rest) FROM \(table) s JOIN jobs j ON j.id = s.job WHERE \(condition) ORDER BY \(order)"
  }

  /// The record in the current row of a statement that selects declared schedules.
  static func declared(from row: PreparedStatement) -> ScheduleRecord {
    var record = common(from: row)
    record.arrivals = arrivals(from: row.optionalText(10))
    if record.isPaused, let at = row.instant(13) {
      record.pause = PauseNote(reason: row.optionalText(11), by: row.optionalText(12) ?? "", at: at)
    }
    return record
  }

  private static func common(from row: PreparedStatement) -> ScheduleRecord {
    var record = ScheduleRecord(
      job: row.text(0), trigger: row.optionalText(1), registeredAt: Instant(nanoseconds: row.integer(6)))
    record.nextFire = row.instant(2)
    record.anchor = row.instant(3)
    record.lastFire = row.instant(4)
    record.fireCount = row.count(5)
    record.clockEpoch = ClockEpoch(row.smallCount(7))
    record.isPaused = row.integer(8) != 0
    record.orphanedAt = row.instant(9)
    return record
  }

  /// The record in the current row of a statement that selects dynamic schedules.
  static func made(from row: PreparedStatement, failure: SQLiteFailure) throws(StoreError) -> ScheduleRecord {
    var options = ScheduleOptions()
    options.params = row.optionalText(11).map { JSONText($0) }
    options.jitter = row.isNull(12) ? nil : row.span(12)
    options.timeZone = row.optionalText(13)
    // No grace is the largest number.
    options.misfireGraceTime = row.optionalInteger(14).map { max(0, $0) }
    if let code = row.optionalInteger(15) {
      guard let policy = CoalescePolicy(code: code) else { throw failure.newer }
      options.coalesce = policy
    }
    options.maxInstances = row.optionalInteger(16).map { Int(min(max(1, $0), 100_000)) }
    options.priority = row.optionalInteger(17).map { Int(min(max(-100, $0), 100)) }
    var record = common(from: row)
    record.dynamic = DynamicSchedule(id: row.text(10), options: options)
    return record
  }
}

/// Writes dynamic schedules. Owned by the writer.
struct MadeScheduleWriter {
  private let put, fire, remove: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    put = try PreparedStatement(ScheduleRows.putMade, on: database, failure: failure)
    fire = try PreparedStatement(
      "UPDATE made_schedules SET next_fire = ?2, last_fire = ?3, fire_count = ?4 WHERE id = ?1", on: database,
      failure: failure)
    remove = try PreparedStatement("DELETE FROM made_schedules WHERE id = ?1", on: database, failure: failure)
  }

  func put(_ record: ScheduleRecord, _ made: DynamicSchedule, job: Int64) throws(StoreError) {
    ScheduleRows.bind(record, job: job, to: put)
    ScheduleRows.bind(made, to: put)
    try put.run()
  }

  func fire(_ update: FireUpdate, _ id: String) throws(StoreError) {
    fire.bind(1, id)
    fire.bind(2, update.nextFire?.nanoseconds)
    fire.bind(3, update.lastFire.nanoseconds)
    fire.bind(4, update.fireCount)
    try fire.run()
  }

  func remove(_ id: String) throws(StoreError) {
    remove.bind(1, id)
    try remove.run()
  }
}
