internal import Chronology
internal import GRDB
internal import Glibc
package import JobModel

extension SQLiteStore: DiagnosableStore {
  /// Looks the whole file over. Reads every page: about a second per GB from memory, and as long as the disk takes
  /// otherwise.
  package func doctor() throws(StoreError) -> StoreReport {
    let holder = SchedulingLock.holder(ofStore: path)
    return try reader.read { database in
      func count(_ table: String) throws -> Int {
        Int(try reader.integer("SELECT count(*) FROM \(table)", on: database) ?? 0)
      }
      func instant(_ sql: String) throws -> Instant? {
        try reader.integer(sql, on: database).map { Instant(nanoseconds: $0) }
      }
      let damages = try reader.statement("PRAGMA integrity_check(20)", on: database).all { $0.text(0) }
      let pageSize = try reader.integer("PRAGMA page_size", on: database) ?? 0
      let openRuns = try reader.statement(
        """
        SELECT r.id, (SELECT name FROM jobs WHERE id = r.job), r.scheduled_at, r.claimed_at FROM open_runs r ORDER BY r.id LIMIT 100
        """, on: database
      ).all { row in
        StoreReport.OpenRun(
          id: RunID(row.integer(0)), job: row.text(1), scheduledAt: Instant(nanoseconds: row.integer(2)),
          claimedAt: row.instant(3))
      }
      var report = StoreReport(location: path)
      report.schemaVersion = Int(try reader.integer("PRAGMA user_version", on: database) ?? 0)
      report.damages = damages == ["ok"] ? [] : damages
      report.scheduler = holder?.who
      report.schedulerSince = holder?.instant
      report.size = StoreReport.FileSize(
        fileBytes: Self.size(of: path), logBytes: Self.size(of: path + "-wal"),
        freeBytes: try pageSize * (reader.integer("PRAGMA freelist_count", on: database) ?? 0))
      report.counts.jobs = try count("jobs")
      report.counts.schedules = try count("schedules")
      report.counts.runs = try count("runs")
      report.counts.decisions = try count("decisions")
      report.counts.logLines = try count("run_log")
      report.counts.keyValues = try count("kv")
      report.counts.watchedFiles = try count("watched_files")
      report.oldestRun = try instant("SELECT min(scheduled_at) FROM runs")
      report.newestRun = try instant("SELECT max(scheduled_at) FROM runs")
      report.openRuns = openRuns
      report.openRunCount = try count("open_runs")
      report.clockEpoch = ClockEpoch(
        Int32(clamping: try reader.integer("SELECT value FROM meta WHERE key = 'clock_epoch'", on: database) ?? 0))
      return report
    }
  }

  static func size(of path: String) -> Int64 {
    var status = stat()
    // Safe: writes that one struct. A file that is not there has no bytes.
    return unsafe stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }
}
