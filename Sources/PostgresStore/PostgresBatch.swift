internal import Chronology
internal import JobModel

/// A batch as statements, one for each kind of change, whatever the number of rows.
enum PostgresBatch {
  /// - Parameter decisions: the ranges of the batch that are not written yet.
  static func steps(_ batch: StoreBatch, decisions: [DecisionRange]) -> [PostgresStep] {
    var steps: [PostgresStep] = []
    func add<Row>(_ rows: [Row], _ sql: String, _ fill: ([Row], inout PostgresParameters) -> Void) {
      guard !rows.isEmpty else { return }
      steps.append(PostgresStep(sql) { fill(rows, &$0) })
    }
    let schedules = latest(batch.schedules) { ScheduleKey(job: $0.job, id: $0.id) }
    add(schedules.filter { $0.dynamic == nil }, PostgresSchedules.putDeclared, PostgresSchedules.addDeclared)
    add(schedules.filter { $0.dynamic != nil }, PostgresSchedules.putDynamic, PostgresSchedules.addDynamic)
    let fires = latest(batch.fires) { ScheduleKey(job: $0.job, id: $0.schedule) }
    add(fires.filter { $0.schedule == nil }, PostgresSchedules.fireDeclared, PostgresSchedules.add)
    add(fires.filter { $0.schedule != nil }, PostgresSchedules.fireDynamic, PostgresSchedules.add)
    let open = latest(batch.waiting + batch.claims, by: \.id)
    add(open, PostgresRuns.open, PostgresRuns.add)
    let finished = latest(batch.finished, by: \.id)
    add(finished.map(\.id) + batch.dropped, PostgresRuns.close) { ids, to in to.add(ids) { $0.number } }
    add(finished, PostgresRuns.finish, PostgresRuns.add)
    steps += PostgresSteps.steps(batch.steps)
    add(batch.dropped, PostgresSteps.remove) { ids, to in to.add(ids) { $0.number } }
    let marks = latest(batch.files) { FileKey(job: $0.job, path: $0.path) }
    add(marks.filter { $0.version != nil }, PostgresFiles.put, PostgresFiles.add)
    add(marks.filter { $0.version == nil }, PostgresFiles.remove) { marks, to in
      to.add(marks) { $0.job }
      to.add(marks) { $0.path }
    }
    add(decisions, PostgresDecisions.append, PostgresDecisions.add)
    add(batch.unscheduled, PostgresSchedules.remove) { ids, to in to.add(ids) { $0 } }
    if let epoch = batch.clockEpoch {
      steps.append(PostgresStep("UPDATE leadership SET clock_epoch = $1") { $0.add(Int64(epoch.number)) })
    }
    if let change = batch.hostPause { steps.append(step(change)) }
    add(latest(batch.audit, by: \.id), PostgresAudit.append, PostgresAudit.add)
    return steps
  }

  static func step(_ change: HostPauseChange) -> PostgresStep {
    guard case .paused(let note) = change else { return PostgresStep("DELETE FROM host_pause") }
    return PostgresStep(
      """
      INSERT INTO host_pause(reason, paused_by, paused_at) VALUES($1, $2, $3) ON CONFLICT (one) DO UPDATE \
      SET reason = excluded.reason, paused_by = excluded.paused_by, paused_at = excluded.paused_at
      """
    ) {
      $0.add(note.reason)
      $0.add(note.by)
      $0.add(note.at.nanoseconds)
    }
  }

  private struct FileKey: Hashable {
    var job: String
    var path: String
  }

  /// Of several rows with one key the last, which is what writing them one after the other would leave; a statement may
  /// not write one row twice.
  static func latest<Row, Key: Hashable>(_ rows: [Row], by key: (Row) -> Key) -> [Row] {
    guard rows.count > 1 else { return rows }
    var seen: Set<Key> = []
    seen.reserveCapacity(rows.count)
    let kept = rows.reversed().filter { seen.insert(key($0)).inserted }
    return kept.reversed()
  }
}

/// Lines that runs log. Owned by the writer.
struct PostgresLog {
  /// A line with its number, which rises within its run; 0: how far the run is.
  struct Line {
    var number: Int64
    var line: RunLogLine
  }

  /// Adds lines, and what they take; a line that is there already neither.
  private static let insert = """
    WITH added AS (INSERT INTO run_log(run, line, at, level, message, fields) \
    SELECT run, line, at, level, message, fields FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
    $5::text[], $6::text[]) AS n(run, line, at, level, message, fields) ON CONFLICT (run, line) DO NOTHING \
    RETURNING run, line), \
    own AS (SELECT n.run, n.job, sum(n.bytes)::bigint AS bytes FROM added a JOIN unnest($1::bigint[], $2::bigint[], \
    $7::text[], $8::bigint[]) AS n(run, line, job, bytes) USING (run, line) GROUP BY n.run, n.job ORDER BY n.run) \
    INSERT INTO log_sizes AS s(run, job, bytes) SELECT run, job, bytes FROM own \
    ON CONFLICT (run) DO UPDATE SET bytes = s.bytes + excluded.bytes
    """
  /// How far a run is: the line with the number 0, of which there is one. It counts nothing, and goes with the others.
  private static let replace = """
    WITH put AS (INSERT INTO run_log(run, line, at, level, message, fields) \
    SELECT run, line, at, level, message, fields FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
    $5::text[], $6::text[]) AS n(run, line, at, level, message, fields) ON CONFLICT (run, line) DO UPDATE \
    SET at = excluded.at, level = excluded.level, message = excluded.message, fields = excluded.fields) \
    INSERT INTO log_sizes(run, job, bytes) SELECT run, job, 0 FROM unnest($1::bigint[], $7::text[]) AS n(run, job) \
    ON CONFLICT (run) DO NOTHING
    """

  private var lastLine: Int64 = 0

  /// Gives lines their numbers, once: sent again they are the same lines.
  mutating func numbered(_ lines: [RunLogLine]) -> [Line] {
    lines.map { line in
      guard !line.isProgress else { return Line(number: 0, line: line) }
      // The instant, made unique: rises within a run even when another process logs its second part.
      lastLine = max(lastLine + 1, line.at.nanoseconds)
      return Line(number: lastLine, line: line)
    }
  }

  static func steps(_ lines: [Line]) -> [PostgresStep] {
    var progress: [Int64: Line] = [:]
    for line in lines where line.number == 0 { progress[line.line.run.number] = line }
    var steps: [PostgresStep] = []
    func add(_ rows: [Line], _ sql: String, _ more: (inout PostgresParameters) -> Void = { _ in }) {
      guard !rows.isEmpty else { return }
      steps.append(
        PostgresStep(sql) {
          $0.add(rows) { $0.line.run.number }
          $0.add(rows) { $0.number }
          $0.add(rows) { $0.line.at.nanoseconds }
          $0.add(rows) { $0.line.level }
          $0.add(rows) { $0.line.message }
          $0.add(rows) { $0.line.fields?.text }
          $0.add(rows) { $0.line.job }
          more(&$0)
        })
    }
    let numbered = lines.filter { $0.number != 0 }
    add(numbered, insert) { $0.add(numbered) { Int64($0.line.bytes) } }
    // In order of their keys, so that two writers never wait for each other in a circle.
    add(progress.sorted { $0.key < $1.key }.map(\.value), replace)
    return steps
  }
}
