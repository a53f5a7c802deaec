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

  private static func step(_ change: HostPauseChange) -> PostgresStep {
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
  private static func latest<Row, Key: Hashable>(_ rows: [Row], by key: (Row) -> Key) -> [Row] {
    guard rows.count > 1 else { return rows }
    var seen: Set<Key> = []
    seen.reserveCapacity(rows.count)
    let kept = rows.reversed().filter { seen.insert(key($0)).inserted }
    return kept.reversed()
  }
}

/// Lines that runs log. Owned by the writer.
struct PostgresLog {
  private static let insert = """
    INSERT INTO run_log(run, line, at, level, message, fields) SELECT * FROM unnest($1::bigint[], $2::bigint[], \
    $3::bigint[], $4::text[], $5::text[], $6::text[]) ON CONFLICT (run, line) DO NOTHING
    """
  /// How far a run is: the line with the number 0, of which there is one. It counts nothing, and goes with the others.
  private static let replace = """
    INSERT INTO run_log(run, line, at, level, message, fields) SELECT * FROM unnest($1::bigint[], $2::bigint[], \
    $3::bigint[], $4::text[], $5::text[], $6::text[]) ON CONFLICT (run, line) DO UPDATE \
    SET at = excluded.at, level = excluded.level, message = excluded.message, fields = excluded.fields
    """
  private static let grow = """
    INSERT INTO log_sizes AS s(run, job, bytes) SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[]) \
    ON CONFLICT (run) DO UPDATE SET bytes = s.bytes + excluded.bytes
    """

  private var lastLine: Int64 = 0

  mutating func steps(_ lines: [RunLogLine]) -> [PostgresStep] {
    var progress: [Int64: RunLogLine] = [:]
    var numbered: [(number: Int64, line: RunLogLine)] = []
    var sizes: [Int64: (job: String, bytes: Int)] = [:]
    for line in lines {
      sizes[line.run.number, default: (line.job, 0)].bytes += line.isProgress ? 0 : line.bytes
      if line.isProgress {
        progress[line.run.number] = line
      } else {
        // The instant, made unique: rises within a run even when another process logs its second part.
        lastLine = max(lastLine + 1, line.at.nanoseconds)
        numbered.append((lastLine, line))
      }
    }
    var steps: [PostgresStep] = []
    func add(_ rows: [(number: Int64, line: RunLogLine)], _ sql: String) {
      guard !rows.isEmpty else { return }
      steps.append(
        PostgresStep(sql) {
          $0.add(rows) { $0.line.run.number }
          $0.add(rows) { $0.number }
          $0.add(rows) { $0.line.at.nanoseconds }
          $0.add(rows) { $0.line.level }
          $0.add(rows) { $0.line.message }
          $0.add(rows) { $0.line.fields?.text }
        })
    }
    add(numbered, Self.insert)
    // In order of their keys, so that two writers never wait for each other in a circle.
    add(progress.sorted { $0.key < $1.key }.map { (0, $0.value) }, Self.replace)
    let ordered = sizes.sorted { $0.key < $1.key }
    if !ordered.isEmpty {
      steps.append(
        PostgresStep(Self.grow) {
          $0.add(ordered) { $0.key }
          $0.add(ordered) { $0.value.job }
          $0.add(ordered) { Int64($0.value.bytes) }
        })
    }
    return steps
  }
}
