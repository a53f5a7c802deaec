package import Chronology
internal import GRDB
internal import Glibc
package import JobModel

/// What `moondial doctor` tells about a store file.
package struct StoreReport: Sendable, Equatable {
  /// A run that has not ended.
  package struct OpenRun: Sendable, Equatable {
    package var id: RunID
    package var job: String
    package var scheduledAt: Instant
    /// nil: waiting.
    package var claimedAt: Instant?
  }

  package var path: String
  package var schemaVersion: Int
  /// What SQLite's integrity check found, at most 20 sentences; empty when the file is sound.
  package var damages: [String]
  /// Who schedules from it at this moment.
  package var scheduler: String?

  package var fileBytes: Int64
  /// The write-ahead log: changes that are not in the file yet.
  package var logBytes: Int64
  /// Inside the file, free for new rows.
  package var freeBytes: Int64

  package var jobs: Int
  package var schedules: Int
  package var runs: Int
  package var decisions: Int
  package var logLines: Int
  package var keyValues: Int
  /// Marks of files that jobs watch.
  package var watchedFiles: Int
  package var oldestRun: Instant?
  package var newestRun: Instant?
  /// The oldest 100 runs without an outcome. With no host up, claimed ones were interrupted.
  package var openRuns: [OpenRun]
  package var openRunCount: Int
  package var clockEpoch: ClockEpoch

  package var isSound: Bool { damages.isEmpty }
}

extension SQLiteStore {
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
      return StoreReport(
        path: path,
        schemaVersion: Int(try reader.integer("PRAGMA user_version", on: database) ?? 0),
        damages: damages == ["ok"] ? [] : damages,
        scheduler: holder?.description,
        fileBytes: Self.size(of: path),
        logBytes: Self.size(of: path + "-wal"),
        freeBytes: try pageSize * (reader.integer("PRAGMA freelist_count", on: database) ?? 0),
        jobs: try count("jobs"), schedules: try count("schedules"), runs: try count("runs"),
        decisions: try count("decisions"), logLines: try count("run_log"), keyValues: try count("kv"),
        watchedFiles: try count("watched_files"),
        oldestRun: try instant("SELECT scheduled_at FROM runs ORDER BY id LIMIT 1"),
        newestRun: try instant("SELECT scheduled_at FROM runs ORDER BY id DESC LIMIT 1"),
        openRuns: openRuns, openRunCount: try count("open_runs"),
        clockEpoch: ClockEpoch(
          Int32(
            clamping: try reader.integer("SELECT value FROM meta WHERE key = 'clock_epoch'", on: database) ?? 0)))
    }
  }

  static func size(of path: String) -> Int64 {
    var status = stat()
    // Safe: writes that one struct. A file that is not there has no bytes.
    return unsafe stat(path, &status) == 0 ? Int64(status.st_size) : 0
  }
}
