internal import Chronology
internal import JobModel

/// How decision ranges, marks of files and lines of the audit lie in their tables.
enum PostgresDecisions {
  static let append = """
    SELECT decide($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], \
    $8::boolean[], $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[])
    """

  static func add(_ ranges: [DecisionRange], to parameters: inout PostgresParameters) {
    addColumns(ranges, to: &parameters)
    parameters.add(ranges) { $0.continues?.nanoseconds }
  }

  /// In the order of ``columns``.
  static func addColumns(_ ranges: [DecisionRange], to parameters: inout PostgresParameters) {
    parameters.add(ranges) { $0.job }
    parameters.add(ranges) { $0.schedule }
    parameters.add(ranges) { $0.kind.rawValue }
    parameters.add(ranges) { $0.reason?.rawValue }
    parameters.add(ranges) { $0.first.nanoseconds }
    parameters.add(ranges) { $0.last.nanoseconds }
    parameters.add(ranges) { Int64($0.count) }
    parameters.add(ranges) { $0.isAtLeast }
    parameters.add(ranges) { Int64($0.clockEpoch.number) }
    parameters.add(ranges) { $0.decidedAt.nanoseconds }
    parameters.add(ranges) { $0.run?.number }
  }

  static let columns = "job, schedule, kind, reason, first, last, count, at_least, clock_epoch, decided_at, run"
  static let selection = "SELECT \(columns) FROM decisions"

  static func ranges(_ rows: PostgresRows, _ target: PostgresTarget) throws(StoreError) -> [DecisionRange] {
    var ranges: [DecisionRange] = []
    for row in 0..<rows.count {
      guard let kind = DecisionKind(rawValue: rows.text(row, 2)) else { throw target.newer }
      var reason: SkipReason?
      if let word = rows.optionalText(row, 3) {
        guard let known = SkipReason(rawValue: word) else { throw target.newer }
        reason = known
      }
      ranges.append(
        DecisionRange(
          job: rows.text(row, 0), schedule: rows.optionalText(row, 1), kind: kind, reason: reason,
          first: Instant(nanoseconds: rows.integer(row, 4)), last: Instant(nanoseconds: rows.integer(row, 5)),
          count: rows.count(row, 6), isAtLeast: rows.integer(row, 7) != 0,
          clockEpoch: ClockEpoch(rows.smallCount(row, 8)), decidedAt: Instant(nanoseconds: rows.integer(row, 9)),
          run: rows.optionalInteger(row, 10).map { RunID($0) }))
    }
    return ranges
  }
}

/// Which versions of watched files were handled. A path may be longer than an index entry, so its key is its hash.
enum PostgresFiles {
  static let put = """
    INSERT INTO watched_files(job, path_key, path, device, inode, size, modified, outcome, run, marked_at) \
    SELECT job, sha256(convert_to(path, 'UTF8')), path, device, inode, size, modified, outcome, run, marked_at \
    FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], \
    $8::bigint[], $9::bigint[]) AS m(job, path, device, inode, size, modified, outcome, run, marked_at) \
    ON CONFLICT (job, path_key) DO UPDATE SET device = excluded.device, inode = excluded.inode, size = excluded.size, \
    modified = excluded.modified, outcome = excluded.outcome, run = excluded.run, marked_at = excluded.marked_at
    """
  static let remove = """
    DELETE FROM watched_files w USING unnest($1::text[], $2::text[]) AS m(job, path) \
    WHERE w.job = m.job AND w.path_key = sha256(convert_to(m.path, 'UTF8'))
    """
  static let columns = "path, device, inode, size, modified, outcome, run, marked_at"
  static let select = "SELECT \(columns) FROM watched_files WHERE job = $1"

  /// - Parameter marks: each with a version.
  static func add(_ marks: [FileMark], to parameters: inout PostgresParameters) {
    parameters.add(marks) { $0.job }
    parameters.add(marks) { $0.path }
    parameters.add(marks) { Int64(bitPattern: $0.version?.device ?? 0) }
    parameters.add(marks) { Int64(bitPattern: $0.version?.inode ?? 0) }
    parameters.add(marks) { $0.version?.size ?? 0 }
    parameters.add(marks) { $0.version?.modified ?? 0 }
    parameters.add(marks) { $0.outcome?.rawValue }
    parameters.add(marks) { $0.run?.number }
    parameters.add(marks) { $0.at.nanoseconds }
  }

  static func marks(of job: String, _ rows: PostgresRows, _ target: PostgresTarget) throws(StoreError) -> [FileMark] {
    var marks: [FileMark] = []
    for row in 0..<rows.count { marks.append(try mark(of: job, rows, row, target)) }
    return marks
  }

  /// Of a row that begins with ``columns``.
  static func mark(
    of job: String, _ rows: PostgresRows, _ row: Int, _ target: PostgresTarget
  ) throws(StoreError) -> FileMark {
    var outcome: Outcome?
    if let word = rows.optionalText(row, 5) {
      guard let known = Outcome(rawValue: word) else { throw target.newer }
      outcome = known
    }
    return FileMark(
      job: job, path: rows.text(row, 0),
      version: FileVersion(
        device: UInt64(bitPattern: rows.integer(row, 1)), inode: UInt64(bitPattern: rows.integer(row, 2)),
        size: rows.integer(row, 3), modified: rows.integer(row, 4)),
      run: rows.optionalInteger(row, 6).map { RunID($0) }, outcome: outcome,
      at: Instant(nanoseconds: rows.integer(row, 7)))
  }
}

enum PostgresAudit {
  static let append = """
    INSERT INTO audit(id, at, by, door, action, subject, details) SELECT * FROM unnest($1::bigint[], $2::bigint[], \
    $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) ON CONFLICT (id) DO NOTHING
    """
  static let prune = "DELETE FROM audit WHERE id <= $1"

  static func add(_ lines: [AuditLine], to parameters: inout PostgresParameters) {
    parameters.add(lines) { $0.id }
    parameters.add(lines) { $0.at.nanoseconds }
    parameters.add(lines) { $0.by }
    parameters.add(lines) { $0.door }
    parameters.add(lines) { $0.action }
    parameters.add(lines) { $0.subject }
    parameters.add(lines) { $0.details?.text }
  }

  static let columns = "id, at, by, door, action, subject, details"
  static let select = """
    SELECT \(columns) FROM audit \
    WHERE id < $1 AND at >= $2 AND at < $3 AND ($4::text IS NULL OR action = $4) \
    AND ($5::text IS NULL OR subject = $5) AND ($6::text IS NULL OR by = $6) ORDER BY id DESC LIMIT $7
    """

  static func lines(_ rows: PostgresRows) -> [AuditLine] {
    (0..<rows.count).map { row in
      AuditLine(
        id: rows.integer(row, 0), at: Instant(nanoseconds: rows.integer(row, 1)), by: rows.text(row, 2),
        door: rows.text(row, 3), action: rows.text(row, 4), subject: rows.optionalText(row, 5),
        details: rows.optionalText(row, 6).map { JSONText($0) })
    }
  }
}
