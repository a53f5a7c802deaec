internal import Chronology
internal import JobModel

/// How a `ScheduleRecord` lies in `schedules` and `dynamic_schedules`, both ways.
enum PostgresSchedules {
  /// What both tables have.
  private static let common = """
    job, trigger, next_fire, anchor, last_fire, fire_count, registered_at, clock_epoch, paused, orphaned_at
    """
  private static let own = "arrivals, pause_reason, paused_by, paused_at"
  private static let options = """
    id, params, jitter, time_zone, misfire_grace, "coalesce", max_instances, priority
    """

  // MARK: Writing

  private static func put(_ table: String, key: String, _ columns: String, _ types: String) -> String {
    let names = columns.split(separator: ", ").map(String.init)
    let values = types.split(separator: " ").enumerated().map { "$\($0 + 1)::\($1)[]" }
    let set = names.filter { $0 != key }.map { "\($0) = excluded.\($0)" }
    return """
      INSERT INTO \(table)(\(columns)) SELECT * FROM unnest(\(values.joined(separator: ", "))) \
      ON CONFLICT (\(key)) DO UPDATE SET \(set.joined(separator: ", "))
      """
  }
  private static let commonTypes = "text text bigint bigint bigint bigint bigint bigint boolean bigint"

  static let putDeclared = put(
    "schedules", key: "job", common + ", " + own, commonTypes + " text text text bigint")
  static let putDynamic = put(
    "dynamic_schedules", key: "id", common + ", " + options,
    commonTypes + " text text bigint text bigint text bigint bigint")

  static func addDeclared(_ records: [ScheduleRecord], to parameters: inout PostgresParameters) {
    addCommon(records, to: &parameters)
    parameters.add(records) { record -> String? in
      let lines = record.arrivals.map { "\($0.run.number) \($0.job)" }
      return lines.isEmpty ? nil : lines.joined(separator: "\n")
    }
    parameters.add(records) { $0.pause?.reason }
    parameters.add(records) { $0.pause?.by }
    parameters.add(records) { $0.pause?.at.nanoseconds }
  }

  static func addDynamic(_ records: [ScheduleRecord], to parameters: inout PostgresParameters) {
    addCommon(records, to: &parameters)
    parameters.add(records) { $0.id }
    parameters.add(records) { $0.dynamic?.options.params?.text }
    parameters.add(records) { $0.dynamic?.options.jitter }
    parameters.add(records) { $0.dynamic?.options.timeZone }
    parameters.add(records) { $0.dynamic?.options.misfireGraceTime }
    parameters.add(records) { $0.dynamic?.options.coalesce.map(word) }
    parameters.add(records) { $0.dynamic?.options.maxInstances.map(Int64.init) }
    parameters.add(records) { $0.dynamic?.options.priority.map(Int64.init) }
  }

  private static func addCommon(_ records: [ScheduleRecord], to parameters: inout PostgresParameters) {
    parameters.add(records) { $0.job }
    parameters.add(records) { $0.trigger }
    parameters.add(records) { $0.nextFire?.nanoseconds }
    parameters.add(records) { $0.anchor?.nanoseconds }
    parameters.add(records) { $0.lastFire?.nanoseconds }
    parameters.add(records) { Int64($0.fireCount) }
    parameters.add(records) { $0.registeredAt.nanoseconds }
    parameters.add(records) { Int64($0.clockEpoch.number) }
    parameters.add(records) { $0.isPaused }
    parameters.add(records) { $0.orphanedAt?.nanoseconds }
  }

  static let fireDeclared = fire("schedules", by: "job")
  static let fireDynamic = fire("dynamic_schedules", by: "id")

  private static func fire(_ table: String, by key: String) -> String {
    """
    UPDATE \(table) s SET next_fire = f.next_fire, last_fire = f.last_fire, fire_count = f.fire_count \
    FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[]) AS f(key, next_fire, last_fire, fire_count) \
    WHERE s.\(key) = f.key
    """
  }

  static func add(_ fires: [FireUpdate], to parameters: inout PostgresParameters) {
    parameters.add(fires) { $0.schedule ?? $0.job }
    parameters.add(fires) { $0.nextFire?.nanoseconds }
    parameters.add(fires) { $0.lastFire.nanoseconds }
    parameters.add(fires) { Int64($0.fireCount) }
  }

  static let remove = "DELETE FROM dynamic_schedules WHERE id = ANY($1::text[])"

  private static func word(_ policy: CoalescePolicy) -> String {
    switch policy {
    case .latest: "latest"
    case .earliest: "earliest"
    case .all: "all"
    }
  }

  // MARK: Reading

  static func selectDeclared(where condition: String = "true") -> String {
    "SELECT \(common), \(own) FROM schedules WHERE \(condition) ORDER BY job"
  }
  static func selectDynamic(where condition: String = "true", order: String = "job, id") -> String {
    "SELECT \(common), \(options) FROM dynamic_schedules WHERE \(condition) ORDER BY \(order)"
  }

  static func declared(_ rows: PostgresRows) -> [ScheduleRecord] {
    (0..<rows.count).map { row in
      var record = common(rows, row)
      record.arrivals = arrivals(from: rows.optionalText(row, 10) ?? "")
      if record.isPaused, let at = rows.instant(row, 13) {
        record.pause = PauseNote(reason: rows.optionalText(row, 11), by: rows.text(row, 12), at: at)
      }
      return record
    }
  }

  private static func arrivals(from text: String) -> [UpstreamArrival] {
    // By bytes: an accent at the beginning of a name makes one letter with what is before it.
    text.utf8.split(separator: UInt8(ascii: "\n")).compactMap { line in
      let parts = line.split(separator: UInt8(ascii: " "), maxSplits: 1)
      guard parts.count == 2, let run = RunID(Substring(parts[0])) else { return nil }
      return UpstreamArrival(job: String(Substring(parts[1])), run: run)
    }
  }

  private static func common(_ rows: PostgresRows, _ row: Int) -> ScheduleRecord {
    var record = ScheduleRecord(
      job: rows.text(row, 0), trigger: rows.optionalText(row, 1),
      registeredAt: Instant(nanoseconds: rows.integer(row, 6)))
    record.nextFire = rows.instant(row, 2)
    record.anchor = rows.instant(row, 3)
    record.lastFire = rows.instant(row, 4)
    record.fireCount = rows.count(row, 5)
    record.clockEpoch = ClockEpoch(rows.smallCount(row, 7))
    record.isPaused = rows.integer(row, 8) != 0
    record.orphanedAt = rows.instant(row, 9)
    return record
  }

  static func dynamic(_ rows: PostgresRows, _ target: PostgresTarget) throws(StoreError) -> [ScheduleRecord] {
    var records: [ScheduleRecord] = []
    for row in 0..<rows.count {
      var options = ScheduleOptions()
      options.params = rows.optionalText(row, 11).map { JSONText($0) }
      options.jitter = rows.isNull(row, 12) ? nil : rows.span(row, 12)
      options.timeZone = rows.optionalText(row, 13)
      // No grace is the largest number.
      options.misfireGraceTime = rows.optionalInteger(row, 14).map { max(0, $0) }
      if let word = rows.optionalText(row, 15) {
        guard let policy = [CoalescePolicy.latest, .earliest, .all].first(where: { self.word($0) == word }) else {
          throw target.newer
        }
        options.coalesce = policy
      }
      options.maxInstances = rows.optionalInteger(row, 16).map { Int(min(max(1, $0), 100_000)) }
      options.priority = rows.optionalInteger(row, 17).map { Int(min(max(-100, $0), 100)) }
      var record = common(rows, row)
      record.dynamic = DynamicSchedule(id: rows.text(row, 10), options: options)
      records.append(record)
    }
    return records
  }
}
