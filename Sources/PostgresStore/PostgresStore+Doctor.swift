internal import Chronology
package import JobModel

extension PostgresStore: DiagnosableStore {
  /// Counts what there is, and looks whether tables fit together. Whether pages are sound only the server can say
  /// (`pg_amcheck`).
  package func doctor() throws(StoreError) -> StoreReport {
    let counts = """
      SELECT (SELECT count(*) FROM schedules), \
      (SELECT count(*) FROM runs), (SELECT count(*) FROM decisions), (SELECT count(*) FROM run_log), \
      (SELECT count(*) FROM kv), (SELECT count(*) FROM watched_files), (SELECT count(*) FROM open_runs), \
      (SELECT min(scheduled_at) FROM runs), (SELECT max(scheduled_at) FROM runs), \
      (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c \
      WHERE c.relnamespace = '\(PostgresSchema.name)'::regnamespace AND c.relkind = 'r')
      """
    let leader = """
      SELECT node, process, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), clock_epoch, \
      expires_at > clock_timestamp(), highest_run, (SELECT coalesce(max(version), 0)::bigint FROM versions), \
      (SELECT greatest((SELECT max(id) FROM runs), (SELECT max(id) FROM open_runs))) FROM leadership
      """
    let open = "SELECT id, job, scheduled_at, claimed_at FROM open_runs ORDER BY id LIMIT 100"
    let both = "SELECT count(*) FROM open_runs o JOIN runs r ON r.id = o.id"
    let rows = Array(
      try readers.snapshot([PostgresStep(counts), PostgresStep(leader), PostgresStep(open), PostgresStep(both)]))
    var report = StoreReport(location: location)
    report.counts.jobs = try jobNames().count
    report.counts.schedules = rows[0].count(0, 0)
    report.counts.runs = rows[0].count(0, 1)
    report.counts.decisions = rows[0].count(0, 2)
    report.counts.logLines = rows[0].count(0, 3)
    report.counts.keyValues = rows[0].count(0, 4)
    report.counts.watchedFiles = rows[0].count(0, 5)
    report.openRunCount = rows[0].count(0, 6)
    report.oldestRun = rows[0].instant(0, 7)
    report.newestRun = rows[0].instant(0, 8)
    report.size = StoreReport.FileSize(fileBytes: rows[0].integer(0, 9), logBytes: 0, freeBytes: 0)
    if rows[1].count == 1 {
      report.clockEpoch = ClockEpoch(rows[1].smallCount(0, 3))
      report.schemaVersion = rows[1].count(0, 6)
      if rows[1].integer(0, 4) != 0 {
        report.scheduler = "process \(rows[1].integer(0, 1)) on \(rows[1].text(0, 0)), since \(rows[1].text(0, 2))"
      }
      if rows[1].integer(0, 7) > rows[1].integer(0, 5) {
        report.damages.append("leadership.highest_run is below the id of a run: ids would be given twice")
      }
    } else {
      report.damages.append("the row of leadership is missing")
    }
    if rows[3].integer(0, 0) > 0 {
      report.damages.append("\(rows[3].integer(0, 0)) runs have ended and are among those that have not")
    }
    report.openRuns = (0..<rows[2].count).map { row in
      StoreReport.OpenRun(
        id: RunID(rows[2].integer(row, 0)), job: rows[2].text(row, 1),
        scheduledAt: Instant(nanoseconds: rows[2].integer(row, 2)), claimedAt: rows[2].instant(row, 3))
    }
    return report
  }
}

extension PostgresStore: ForgettingStore {
  /// For a store that is open alongside a host; blocks on the server.
  package func forget(_ job: String) throws(StoreError) -> Forgetting {
    guard mode != .reader else { throw target.onlyRead }
    let rows = try readers.ask(
      """
      WITH known AS (SELECT job, orphaned_at FROM schedules WHERE job = $1 \
      UNION ALL SELECT job, orphaned_at FROM dynamic_schedules WHERE job = $1), \
      begun AS (SELECT min(id) AS run FROM open_runs WHERE job = $1 AND claimed_at IS NULL \
      AND started_at IS NOT NULL AND EXISTS(SELECT FROM leadership WHERE expires_at > clock_timestamp())), \
      orphan AS (SELECT $1::text AS job FROM begun WHERE run IS NULL AND EXISTS(SELECT FROM known) \
      AND NOT EXISTS(SELECT FROM known WHERE orphaned_at IS NULL)), \
      a AS (DELETE FROM schedules s USING orphan o WHERE s.job = o.job), \
      b AS (DELETE FROM dynamic_schedules s USING orphan o WHERE s.job = o.job), \
      c AS (DELETE FROM watched_files s USING orphan o WHERE s.job = o.job), \
      d AS (DELETE FROM open_runs s USING orphan o WHERE s.job = o.job AND s.claimed_at IS NULL RETURNING s.id), \
      e AS (DELETE FROM steps s USING d WHERE s.run = d.id), \
      f AS (UPDATE leadership l SET changes = l.changes + 1 FROM orphan) \
      SELECT (SELECT count(*) FROM known), (SELECT count(*) FROM orphan), \
      (SELECT run FROM begun WHERE NOT EXISTS(SELECT FROM known WHERE orphaned_at IS NULL))
      """
    ) { $0.add(job) }
    if rows.integer(0, 1) > 0 { return .forgotten }
    // A host that is up has it in its memory, and would execute it without the steps that it has done.
    if rows.integer(0, 0) > 0, let run = rows.optionalInteger(0, 2) { return .underWay(RunID(run)) }
    return rows.integer(0, 0) > 0 ? .declared : .unknown
  }
}
