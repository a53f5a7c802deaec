internal import Chronology
internal import JobModel

/// How a `RunRecord` lies in `open_runs` and `runs`, both ways.
enum PostgresRuns {
  private static let columns = [
    "id", "job", "cause", "scheduled_at", "clock_epoch", "missed", "claimed_at", "started_at", "finished_at",
    "attempts",
    "outcome", "memory_peak", "duration", "error", "error_file", "error_line", "traceback", "error_data", "result",
    "params", "event", "recovers", "schedule", "retried_at", "resumes_at", "park_position", "park_until", "park_event",
  ]
  private static let texts: Set<String> = [
    "job", "cause", "outcome", "error", "error_file", "traceback", "error_data", "result", "params", "event",
    "schedule", "park_event",
  ]
  /// The columns' types, in order.
  static let types = columns.map { texts.contains($0) ? "text" : "bigint" }
  static let names = columns.joined(separator: ", ")
  /// What an upsert changes.
  static let replacement = columns.dropFirst().map { "\($0) = excluded.\($0)" }.joined(separator: ", ")

  /// What a query selects; `r` is the table.
  static let selection = columns.map { "r." + $0 }.joined(separator: ", ")

  /// Writes any number of runs, each over the one that has its id.
  static func put(into table: String) -> String {
    let values = types.enumerated().map { "$\($0 + 1)::\($1)[]" }
    return """
      INSERT INTO \(table)(\(names)) SELECT * FROM unnest(\(values.joined(separator: ", "))) \
      ON CONFLICT (id) DO UPDATE SET \(replacement)
      """
  }
  static let open = put(into: "open_runs")
  static let finish = put(into: "runs")
  static let close = "DELETE FROM open_runs WHERE id = ANY($1::bigint[])"

  static func add(_ runs: [RunRecord], to parameters: inout PostgresParameters) {
    parameters.add(runs) { $0.id.number }
    parameters.add(runs) { $0.job }
    parameters.add(runs) { $0.cause.rawValue }
    parameters.add(runs) { $0.scheduledAt.nanoseconds }
    parameters.add(runs) { Int64($0.clockEpoch.number) }
    parameters.add(runs) { Int64($0.missed) }
    parameters.add(runs) { $0.claimedAt?.nanoseconds }
    parameters.add(runs) { $0.startedAt?.nanoseconds }
    parameters.add(runs) { $0.finishedAt?.nanoseconds }
    parameters.add(runs) { Int64($0.attempts) }
    parameters.add(runs) { $0.outcome?.rawValue }
    parameters.add(runs) { Int64($0.memoryPeakBytes) }
    parameters.add(runs) { $0.duration }
    parameters.add(runs) { $0.error?.message }
    parameters.add(runs) { $0.error?.file }
    parameters.add(runs) { $0.error?.line.map(Int64.init) }
    parameters.add(runs) { $0.error?.traceback }
    parameters.add(runs) { $0.error?.data }
    parameters.add(runs) { $0.result?.text }
    parameters.add(runs) { $0.params?.text }
    parameters.add(runs) { $0.event?.text }
    parameters.add(runs) { $0.recovers?.number }
    parameters.add(runs) { $0.schedule }
    parameters.add(runs) { $0.retriedAt?.nanoseconds }
    parameters.add(runs) { $0.resumesAt?.nanoseconds }
    parameters.add(runs) { $0.park.map { Int64($0.position) } }
    parameters.add(runs) { $0.park?.until?.nanoseconds }
    parameters.add(runs) { $0.park?.event }
  }

  /// The records of rows that select ``selection``.
  static func records(_ rows: PostgresRows, _ target: PostgresTarget) throws(StoreError) -> [RunRecord] {
    var records: [RunRecord] = []
    records.reserveCapacity(rows.count)
    for row in 0..<rows.count { records.append(try record(rows, row, target)) }
    return records
  }

  private static func record(
    _ rows: PostgresRows, _ row: Int, _ target: PostgresTarget
  ) throws(StoreError) -> RunRecord {
    guard let cause = RunCause(rawValue: rows.text(row, 2)) else { throw target.newer }
    var run = RunRecord(
      id: RunID(rows.integer(row, 0)), job: rows.text(row, 1), cause: cause,
      scheduledAt: Instant(nanoseconds: rows.integer(row, 3)))
    run.clockEpoch = ClockEpoch(rows.smallCount(row, 4))
    run.missed = rows.count(row, 5)
    run.claimedAt = rows.instant(row, 6)
    run.startedAt = rows.instant(row, 7)
    run.finishedAt = rows.instant(row, 8)
    run.attempts = rows.smallCount(row, 9)
    if let word = rows.optionalText(row, 10) {
      guard let outcome = Outcome(rawValue: word) else { throw target.newer }
      run.outcome = outcome
    }
    run.memoryPeakBytes = rows.count(row, 11)
    run.duration = rows.span(row, 12)
    if let message = rows.optionalText(row, 13) {
      run.error = RunError(
        message: message, file: rows.optionalText(row, 14),
        line: rows.optionalInteger(row, 15).map { Int($0) }, traceback: rows.optionalText(row, 16),
        data: rows.optionalText(row, 17))
    }
    if let text = rows.optionalText(row, 18) { run.result = JSONText(text) }
    if let text = rows.optionalText(row, 19) { run.params = JSONText(text) }
    if let text = rows.optionalText(row, 20) { run.event = JSONText(text) }
    if let number = rows.optionalInteger(row, 21) { run.recovers = RunID(number) }
    if let id = rows.optionalText(row, 22) { run.schedule = id }
    if let at = rows.instant(row, 23) { run.retriedAt = at }
    if let at = rows.instant(row, 24) { run.resumesAt = at }
    if !rows.isNull(row, 25) {
      run.park = RunPark(
        position: rows.smallCount(row, 25), until: rows.instant(row, 26), event: rows.optionalText(row, 27))
    }
    return run
  }
}
