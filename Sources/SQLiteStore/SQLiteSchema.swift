internal import GRDB
internal import JobModel

/// The tables of a store file, and how a file of any earlier version becomes one of this version.
///
/// The version is the file's `user_version`, so a reader sees it without a table; `application_id` tells a store from
/// any other SQLite file. All of a migration is one transaction: a crash in it leaves the old version.
///
/// Why these shapes (measured with `Tests/StoreFloor/floor.c`, 256 runs to a commit, synchronous FULL, two shared
/// cores):
/// - Job names are interned, so a run row is some 70 bytes and a schedule some 60.
/// - A run is a row of `open_runs` until it ends and a row of `runs` from then on. One table for both made 154,000 runs
///   a second of 188,000: rows that grow when they finish split their pages, and finding unfinished rows took an index.
/// - `runs` has no index by job. A thousand jobs would dirty a thousand index pages per thousand runs: 34,000 a second.
///   Instead `job_runs` is filled in sorted strokes of many thousand (see `RunIndex`).
/// - Nor has it one by time: ids rise nearly as time does, so `run_spans` says for each 1,024 ids between which
///   instants their runs were scheduled, at the cost of one row per 1,024 runs. This is the block range index of
///   PostgreSQL (BRIN, 2015).
enum SQLiteSchema {
  /// `MOON` in ASCII.
  static let applicationID: Int32 = 0x4d4f_4f4e

  /// One entry per version, in order; entries are never edited once released.
  static let migrations: [String] = [
    version1, version2, watchedFiles, madeSchedules, payloads, attempts, arrivals, control, steps,
  ]

  static var currentVersion: Int { migrations.count }

  /// What a file is.
  enum Identity: Equatable {
    case empty
    case store(version: Int)
    case foreign
  }

  static func identity(of database: Database) throws -> Identity {
    let application = try Int32.fetchOne(database, sql: "PRAGMA application_id") ?? 0
    let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
    if application == applicationID, version > 0 { return .store(version: version) }
    let isEmpty = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_schema") == 0
    return isEmpty && application == 0 && version == 0 ? .empty : .foreign
  }

  /// Brings the file to the current version. The caller is the only writer, or the file is already current.
  static func migrate(_ database: Database) throws {
    try database.inTransaction(.immediate) {
      let version = if case .store(let version) = try identity(of: database) { version } else { 0 }
      for (index, script) in migrations.enumerated().dropFirst(version) {
        try database.execute(sql: script)
        try database.execute(sql: "PRAGMA user_version = \(index + 1)")
      }
      try database.execute(sql: "PRAGMA application_id = \(applicationID)")
      return .commit
    }
  }

  /// Instants are nanoseconds since the epoch. STRICT: a wrong type is an error at once, not a surprise years later.
  /// WITHOUT ROWID where the key is more than one number, so that rows lie in key order and there is no second tree.
  private static let version1 = """
    CREATE TABLE jobs(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;

    CREATE TABLE schedules(
      job INTEGER PRIMARY KEY, trigger TEXT, next_fire INTEGER, anchor INTEGER, last_fire INTEGER,
      fire_count INTEGER NOT NULL, registered_at INTEGER NOT NULL, clock_epoch INTEGER NOT NULL,
      paused INTEGER NOT NULL, orphaned_at INTEGER) STRICT;

    CREATE TABLE open_runs(\(runColumns)) STRICT;
    CREATE TABLE runs(\(runColumns)) STRICT;
    CREATE INDEX runs_unsuccessful ON runs(outcome) WHERE outcome > 0;
    CREATE TABLE job_runs(job INTEGER NOT NULL, run INTEGER NOT NULL, PRIMARY KEY(job, run)) STRICT, WITHOUT ROWID;

    CREATE TABLE run_log(
      run INTEGER NOT NULL, line INTEGER NOT NULL, at INTEGER NOT NULL, level TEXT NOT NULL, message TEXT NOT NULL,
      fields TEXT, PRIMARY KEY(run, line)) STRICT, WITHOUT ROWID;

    CREATE TABLE decisions(
      job INTEGER NOT NULL, sequence INTEGER NOT NULL, kind INTEGER NOT NULL, reason INTEGER, first INTEGER NOT NULL,
      last INTEGER NOT NULL, count INTEGER NOT NULL, at_least INTEGER NOT NULL, clock_epoch INTEGER NOT NULL,
      decided_at INTEGER NOT NULL, run INTEGER, PRIMARY KEY(job, sequence)) STRICT, WITHOUT ROWID;

    CREATE TABLE kv(
      space TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, version INTEGER NOT NULL, expires_at INTEGER,
      PRIMARY KEY(space, key)) STRICT, WITHOUT ROWID;
    CREATE INDEX kv_expiring ON kv(expires_at) WHERE expires_at IS NOT NULL;

    CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

    CREATE VIEW history AS
      SELECT r.id, j.name AS job,
        CASE r.outcome WHEN 0 THEN 'succeeded' WHEN 1 THEN 'failed' WHEN 2 THEN 'timed_out' WHEN 3 THEN 'cancelled'
          WHEN 4 THEN 'out_of_memory' WHEN 5 THEN 'interrupted' WHEN 6 THEN 'crashed' WHEN 7 THEN 'stuck' END AS outcome,
        datetime(r.scheduled_at / 1000000000, 'unixepoch') AS scheduled_at,
        datetime(r.started_at / 1000000000, 'unixepoch') AS started_at,
        r.duration / 1e9 AS seconds, r.attempts, r.error
      FROM runs r JOIN jobs j ON j.id = r.job;
    """

  /// Questions over all jobs: runs by time, decisions by age, failures of one job. `0` in `filed_to` or its absence is
  /// a young file.
  private static let version2 = """
    CREATE TABLE run_spans(block INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL) STRICT;
    INSERT INTO run_spans
      SELECT id >> \(RunSpans.shift), min(scheduled_at), max(scheduled_at) FROM runs
      WHERE id <= coalesce((SELECT value FROM meta WHERE key = 'filed_to'), 0) GROUP BY 1;
    CREATE INDEX decisions_by_age ON decisions(sequence);
    CREATE INDEX runs_unsuccessful_of_job ON runs(job, outcome) WHERE outcome > 0;
    """

  /// Files that jobs watch, and what became of them; in order of path within a job.
  private static let watchedFiles = """
    CREATE TABLE watched_files(
      job INTEGER NOT NULL, path TEXT NOT NULL, device INTEGER NOT NULL, inode INTEGER NOT NULL, size INTEGER NOT NULL,
      modified INTEGER NOT NULL, outcome INTEGER, run INTEGER, marked_at INTEGER NOT NULL,
      PRIMARY KEY(job, path)) STRICT, WITHOUT ROWID;
    """

  /// Schedules made at run time. They have a table of their own, because they come and go by the thousand and are named
  /// by text; their runs and ranges say whose they are in a column that other rows leave empty.
  private static let madeSchedules = """
    CREATE TABLE made_schedules(
      id TEXT PRIMARY KEY, job INTEGER NOT NULL, trigger TEXT, next_fire INTEGER, anchor INTEGER, last_fire INTEGER,
      fire_count INTEGER NOT NULL, registered_at INTEGER NOT NULL, clock_epoch INTEGER NOT NULL,
      paused INTEGER NOT NULL, orphaned_at INTEGER, params TEXT, jitter INTEGER, time_zone TEXT, misfire_grace INTEGER,
      coalesce INTEGER, max_instances INTEGER, priority INTEGER) STRICT;

    ALTER TABLE open_runs ADD COLUMN schedule TEXT;
    ALTER TABLE runs ADD COLUMN schedule TEXT;
    ALTER TABLE decisions ADD COLUMN schedule TEXT;
    CREATE INDEX decisions_made ON decisions(schedule, sequence) WHERE schedule IS NOT NULL;

    DROP VIEW history;
    CREATE VIEW history AS
      SELECT r.id, j.name AS job, r.schedule,
        CASE r.outcome WHEN 0 THEN 'succeeded' WHEN 1 THEN 'failed' WHEN 2 THEN 'timed_out' WHEN 3 THEN 'cancelled'
          WHEN 4 THEN 'out_of_memory' WHEN 5 THEN 'interrupted' WHEN 6 THEN 'crashed' WHEN 7 THEN 'stuck' END AS outcome,
        datetime(r.scheduled_at / 1000000000, 'unixepoch') AS scheduled_at,
        datetime(r.started_at / 1000000000, 'unixepoch') AS started_at,
        r.duration / 1e9 AS seconds, r.attempts, r.error
      FROM runs r JOIN jobs j ON j.id = r.job;
    """

  /// Long events and parameters lie once, however many runs have them; and what log lines and values take is known
  /// without counting it.
  private static let payloads = """
    CREATE TABLE payloads(id INTEGER PRIMARY KEY, hash INTEGER NOT NULL, text TEXT NOT NULL) STRICT;
    CREATE INDEX payloads_by_hash ON payloads(hash);
    ALTER TABLE open_runs ADD COLUMN event_payload INTEGER;
    ALTER TABLE open_runs ADD COLUMN params_payload INTEGER;
    ALTER TABLE runs ADD COLUMN event_payload INTEGER;
    ALTER TABLE runs ADD COLUMN params_payload INTEGER;
    CREATE INDEX open_runs_event ON open_runs(event_payload) WHERE event_payload IS NOT NULL;
    CREATE INDEX open_runs_params ON open_runs(params_payload) WHERE params_payload IS NOT NULL;
    CREATE INDEX runs_event ON runs(event_payload) WHERE event_payload IS NOT NULL;
    CREATE INDEX runs_params ON runs(params_payload) WHERE params_payload IS NOT NULL;

    CREATE TABLE log_sizes(run INTEGER PRIMARY KEY, job INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT;
    CREATE INDEX log_sizes_of_job ON log_sizes(job, run, bytes);
    INSERT INTO log_sizes
      SELECT l.run, coalesce(r.job, o.job, 0),
        sum(\(lineBytes))
      FROM run_log l LEFT JOIN runs r ON r.id = l.run LEFT JOIN open_runs o ON o.id = l.run GROUP BY l.run;

    CREATE TABLE kv_sizes(space TEXT PRIMARY KEY, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;
    \(fillKeyValueSizes)
    """

  /// What a row of `run_log` takes, as ``RunLogLine/bytes`` says.
  static let lineBytes = """
    length(CAST(message AS BLOB)) + coalesce(length(CAST(fields AS BLOB)), 0) + \(RunLogLine.overhead)
    """

  /// Counts what the values of each space take.
  static let fillKeyValueSizes = """
    INSERT INTO kv_sizes
      SELECT space, sum(length(CAST(key AS BLOB)) + length(CAST(value AS BLOB))) FROM kv GROUP BY space;
    """

  /// `started_at` is the first attempt's; when the last one of several began, and when the next one is due.
  private static let attempts = """
    ALTER TABLE open_runs ADD COLUMN retried_at INTEGER;
    ALTER TABLE open_runs ADD COLUMN resumes_at INTEGER;
    ALTER TABLE runs ADD COLUMN retried_at INTEGER;
    ALTER TABLE runs ADD COLUMN resumes_at INTEGER;
    """
  /// Which of the jobs that a join waits for have succeeded since its last run.
  private static let arrivals = "ALTER TABLE schedules ADD COLUMN arrivals TEXT;"

  /// Why, by whom and since when something is paused, and who changed what. A pause of everything is the row 1 of its
  /// table.
  private static let control = """
    ALTER TABLE schedules ADD COLUMN pause_reason TEXT;
    ALTER TABLE schedules ADD COLUMN paused_by TEXT;
    ALTER TABLE schedules ADD COLUMN paused_at INTEGER;

    CREATE TABLE host_pause(
      id INTEGER PRIMARY KEY CHECK(id = 1), reason TEXT, paused_by TEXT NOT NULL, paused_at INTEGER NOT NULL) STRICT;

    CREATE TABLE audit(
      id INTEGER PRIMARY KEY, at INTEGER NOT NULL, by TEXT NOT NULL, door TEXT NOT NULL, action TEXT NOT NULL,
      subject TEXT, details TEXT) STRICT;
    """

  /// What runs have done already, in order of their position; what a parked run waits for; and what transactions have
  /// asked the scheduler for, until it is done. AUTOINCREMENT: an id that was removed is never given again.
  private static let steps = """
    CREATE TABLE steps(
      run INTEGER NOT NULL, position INTEGER NOT NULL, kind INTEGER NOT NULL, name TEXT NOT NULL,
      attempt INTEGER NOT NULL, started_at INTEGER NOT NULL, finished_at INTEGER, until INTEGER, result TEXT,
      result_payload INTEGER, PRIMARY KEY(run, position)) STRICT, WITHOUT ROWID;
    CREATE INDEX steps_result ON steps(result_payload) WHERE result_payload IS NOT NULL;

    CREATE TABLE intents(
      id INTEGER PRIMARY KEY AUTOINCREMENT, run INTEGER NOT NULL, job TEXT NOT NULL, at INTEGER NOT NULL,
      operations TEXT NOT NULL, position INTEGER NOT NULL) STRICT;

    ALTER TABLE open_runs ADD COLUMN parked_at INTEGER;
    ALTER TABLE open_runs ADD COLUMN parked_until INTEGER;
    ALTER TABLE open_runs ADD COLUMN parked_event TEXT;
    ALTER TABLE runs ADD COLUMN parked_at INTEGER;
    ALTER TABLE runs ADD COLUMN parked_until INTEGER;
    ALTER TABLE runs ADD COLUMN parked_event TEXT;
    """

  private static let runColumns = """
    id INTEGER PRIMARY KEY, job INTEGER NOT NULL, cause INTEGER NOT NULL, scheduled_at INTEGER NOT NULL,
    clock_epoch INTEGER NOT NULL, missed INTEGER NOT NULL, claimed_at INTEGER, started_at INTEGER, finished_at INTEGER,
    attempts INTEGER NOT NULL, outcome INTEGER, memory_peak INTEGER NOT NULL, duration INTEGER NOT NULL,
    error TEXT, error_file TEXT, error_line INTEGER, traceback TEXT, error_data TEXT,
    result TEXT, params TEXT, event TEXT, recovers INTEGER
    """
}
