internal import Chronology
internal import GRDB
internal import JobModel

/// Answers questions about a store file, each on a connection of its own from a small pool and from one consistent
/// snapshot. Never waits for the writer.
///
/// Threading: any thread; blocks on the disk.
final class SQLiteReader: StoreReading {
  let pool: DatabasePool
  private let failure: SQLiteFailure

  init(pool: DatabasePool, failure: SQLiteFailure) {
    self.pool = pool
    self.failure = failure
  }

  func close() { ClosedConnections.close(pool) }

  /// Runs `body` in a read transaction.
  func read<Result>(_ body: (Database) throws -> Result) throws(StoreError) -> Result {
    do {
      return try pool.read(body)
    } catch {
      throw failure.error(error)
    }
  }

  // MARK: What a scheduler asks

  /// About 3 µs per schedule.
  func load() throws(StoreError) -> StoreSnapshot {
    try read { database in
      let highest = try HighWaterMark.read(on: database, failure: failure)
      let epoch = try integer("SELECT value FROM meta WHERE key = 'clock_epoch'", on: database) ?? 0
      var snapshot = StoreSnapshot(
        nextRunID: RunID(highest + 1), clockEpoch: ClockEpoch(Int32(min(max(0, epoch), 1_000_000_000))))
      snapshot.schedules = try schedules(on: database, order: "s.job")
      snapshot.pause = try AuditRows.pause(in: self, on: database)
      snapshot.intents = try intents(on: database)
      snapshot.nextAudit = try (integer("SELECT max(id) FROM audit", on: database) ?? 0) + 1
      let open = try statement("SELECT \(RunRows.selection) FROM open_runs r ORDER BY r.id", on: database)
      let payloads = try PayloadReader(on: database, failure: failure)
      snapshot.unfinished = try open.all { row throws(StoreError) in
        try RunRows.record(from: row, payloads: payloads, failure: failure)
      }
      return snapshot
    }
  }

  /// When the last host took the lock, in nanoseconds since the epoch.
  func hostSince() throws(StoreError) -> Instant? {
    try read { database in
      try integer("SELECT value FROM meta WHERE key = 'host_since'", on: database).map { Instant(nanoseconds: $0) }
    }
  }

  func hostPause() throws(StoreError) -> PauseNote? {
    try read { database in try AuditRows.pause(in: self, on: database) }
  }

  func schedules() throws(StoreError) -> [ScheduleRecord] {
    try read { database in
      try schedules(on: database, order: "j.name").sorted { ($0.job, $0.id ?? "") < ($1.job, $1.id ?? "") }
    }
  }

  func schedules(of jobs: [String]) throws(StoreError) -> [ScheduleRecord] {
    try read { database in
      let declared = try statement(ScheduleRows.selectDeclared(where: "s.job = ?1"), on: database)
      let made = try statement(ScheduleRows.selectMade(where: "s.job = ?1"), on: database)
      var found: [ScheduleRecord] = []
      for name in jobs {
        guard let number = try job(named: name, on: database) else { continue }
        declared.bind(1, number)
        made.bind(1, number)
        found += try declared.all { ScheduleRows.declared(from: $0) }
        found += try made.all { row throws(StoreError) in try ScheduleRows.made(from: row, failure: failure) }
      }
      return try withResults(found, on: database)
    }
  }

  private func schedules(on database: Database, order: String) throws(StoreError) -> [ScheduleRecord] {
    let declared = try statement(ScheduleRows.selectDeclared(order: order), on: database)
    let made = try statement(ScheduleRows.selectMade(order: order), on: database)
    let records = try withResults(declared.all { ScheduleRows.declared(from: $0) }, on: database)
    return try records + made.all { row throws(StoreError) in try ScheduleRows.made(from: row, failure: failure) }
  }

  /// The same, with what the runs that joins have seen returned: as far as history still has them. Each is read once.
  private func withResults(_ records: [ScheduleRecord], on database: Database) throws(StoreError) -> [ScheduleRecord] {
    guard records.contains(where: { !$0.arrivals.isEmpty }) else { return records }
    let statement = try statement("SELECT result FROM runs WHERE id = ?1", on: database)
    var results: [RunID: JSONText] = [:]
    var bytes = 0
    var records = records
    for place in records.indices {
      for arrival in records[place].arrivals.indices where bytes < Self.mostResultBytes {
        let run = records[place].arrivals[arrival].run
        if results[run] == nil {
          statement.bind(1, run.number)
          results[run] = try statement.first { $0.optionalText(0) }.flatMap { $0 }.map { JSONText($0) }
          bytes += results[run]?.text.utf8.count ?? 0
        }
        records[place].arrivals[arrival].result = results[run]
      }
    }
    return records
  }

  /// What joins together are given back of results after a start.
  private static let mostResultBytes = 64 << 20

  // MARK: History

  /// The names of all jobs that the file has anything of.
  func jobNames() throws(StoreError) -> [String] {
    try read { database in try statement("SELECT name FROM jobs ORDER BY name", on: database).all { $0.text(0) } }
  }

  /// Runs that have not ended, oldest first.
  func openRuns() throws(StoreError) -> [RunRecord] {
    try read { database in
      let open = try statement("SELECT \(RunRows.selection) FROM open_runs r ORDER BY r.id", on: database)
      let payloads = try PayloadReader(on: database, failure: failure)
      return try open.all { row throws(StoreError) in
        try RunRows.record(from: row, payloads: payloads, failure: failure)
      }
    }
  }

  func decisions(_ query: DecisionQuery) throws(StoreError) -> [DecisionRange] {
    try read { database in
      var terms: [String] = []
      var values: [Int64] = []
      func require(_ term: String, _ value: Int64) {
        values.append(value)
        terms.append(term.replacing("?", with: "?\(values.count)"))
      }
      if let job = query.job {
        guard let number = try self.job(named: job, on: database) else { return [] }
        require("d.job = ?", number)
      }
      if let at = query.at {
        if let before = query.before {
          require("d.first < ?", before.nanoseconds)
        } else {
          require("d.first <= ?", at.nanoseconds)
        }
        require("d.last >= ?", at.nanoseconds)
      }
      values.append(Int64(max(0, query.limit)))
      let found = try statement(
        """
        SELECT \(DecisionRows.selection) FROM decisions d WHERE \(terms.isEmpty ? "1" : terms.joined(separator: " AND ")) \
        ORDER BY d.sequence DESC LIMIT ?\(values.count)
        """, on: database)
      for (index, value) in values.enumerated() { found.bind(Int32(index + 1), value) }
      return try found.all { row throws(StoreError) in try DecisionRows.range(from: row, failure: failure) }
    }
  }

  /// The last `limit` lines, oldest first.
  func log(of run: RunID, limit: Int) throws(StoreError) -> [RunLogLine] {
    try read { database in
      let lines = try statement(
        """
        SELECT at, level, message, fields, \
        (SELECT name FROM jobs WHERE id = (SELECT job FROM log_sizes WHERE run = ?1)) \
        FROM run_log WHERE run = ?1 AND line <> 0 ORDER BY line DESC LIMIT ?2
        """, on: database)
      lines.bind(1, run.number)
      lines.bind(2, max(0, limit))
      return try lines.all { SQLiteReader.line(of: run, $0) }.reversed()
    }
  }

  /// What the run said last of how far it is.
  func progress(of run: RunID) throws(StoreError) -> RunLogLine? {
    try read { database in
      let line = try statement(
        """
        SELECT at, level, message, fields, \
        (SELECT name FROM jobs WHERE id = (SELECT job FROM log_sizes WHERE run = ?1)) \
        FROM run_log WHERE run = ?1 AND line = 0
        """, on: database)
      line.bind(1, run.number)
      return try line.first { SQLiteReader.line(of: run, $0) }
    }
  }

  private static func line(of run: RunID, _ row: PreparedStatement) -> RunLogLine {
    RunLogLine(
      run: run, job: row.text(4), at: Instant(nanoseconds: row.integer(0)), level: row.text(1), message: row.text(2),
      fields: row.optionalText(3).map { JSONText($0) })
  }

  // MARK: Building blocks

  func statement(_ sql: String, on database: Database) throws(StoreError) -> PreparedStatement {
    try PreparedStatement(sql, on: database, failure: failure)
  }

  func integer(_ sql: String, on database: Database) throws(StoreError) -> Int64? {
    try statement(sql, on: database).first { $0.optionalInteger(0) } ?? nil
  }

  func job(named name: String, on database: Database) throws(StoreError) -> Int64? {
    let find = try statement("SELECT id FROM jobs WHERE name = ?1", on: database)
    find.bind(1, name)
    return try find.first { $0.integer(0) }
  }
}
