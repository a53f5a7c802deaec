internal import Chronology
internal import GRDB
internal import JobModel

/// How who changed what, and a pause of everything, lie in a store file.
enum AuditRows {
  static let columns = "id, at, by, door, action, subject, details"

  static func line(from row: PreparedStatement) -> AuditLine {
    AuditLine(
      id: row.integer(0), at: Instant(nanoseconds: row.integer(1)), by: row.text(2), door: row.text(3),
      action: row.text(4), subject: row.optionalText(5), details: row.optionalText(6).map { JSONText($0) })
  }

  /// Binds the columns in their order.
  static func bind(_ line: AuditLine, to statement: PreparedStatement) {
    statement.bind(1, line.id)
    statement.bind(2, line.at.nanoseconds)
    statement.bind(3, line.by)
    statement.bind(4, line.door)
    statement.bind(5, line.action)
    statement.bind(6, line.subject)
    statement.bind(7, line.details?.text)
  }

  /// Why everything is paused; nil: it is not.
  static func pause(in reader: SQLiteReader, on database: Database) throws(StoreError) -> PauseNote? {
    try reader.statement("SELECT reason, paused_by, paused_at FROM host_pause", on: database).first { row in
      PauseNote(reason: row.optionalText(0), by: row.text(1), at: Instant(nanoseconds: row.integer(2)))
    }
  }
}

/// Writes them. Owned by the writer.
struct AuditWriter {
  private let pause, resume, append, prune: PreparedStatement
  private let limit: Int64

  init(on database: Database, limit: Int, failure: SQLiteFailure) throws(StoreError) {
    func prepare(_ sql: String) throws(StoreError) -> PreparedStatement {
      try PreparedStatement(sql, on: database, failure: failure)
    }
    self.limit = Int64(max(0, limit))
    pause = try prepare("INSERT OR REPLACE INTO host_pause(id, reason, paused_by, paused_at) VALUES(1, ?1, ?2, ?3)")
    resume = try prepare("DELETE FROM host_pause")
    append = try prepare("INSERT OR IGNORE INTO audit(\(AuditRows.columns)) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
    prune = try prepare("DELETE FROM audit WHERE id <= ?1")
  }

  func set(_ change: HostPauseChange) throws(StoreError) {
    guard case .paused(let note) = change else { return try resume.run() }
    pause.bind(1, note.reason)
    pause.bind(2, note.by)
    pause.bind(3, note.at.nanoseconds)
    try pause.run()
  }

  /// Adds a line, and drops the one that it makes too many. Ids rise over all stores of a host, so a store that shares
  /// them with others keeps fewer.
  func append(_ line: AuditLine) throws(StoreError) {
    AuditRows.bind(line, to: append)
    try append.run()
    prune.bind(1, line.id - limit)
    try prune.run()
  }
}

extension SQLiteReader {
  /// Newest first. O(lines) where the query names more than ids.
  func audit(_ query: AuditLineQuery) throws(StoreError) -> [AuditLine] {
    try read { database in
      let lines = try statement(
        """
        SELECT \(AuditRows.columns) FROM audit
        WHERE id < ?1 AND at >= ?2 AND at < ?3 AND (?4 IS NULL OR action = ?4) AND (?5 IS NULL OR subject = ?5)
          AND (?6 IS NULL OR by = ?6)
        ORDER BY id DESC LIMIT ?7
        """, on: database)
      lines.bind(1, query.before ?? .max)
      lines.bind(2, query.from?.nanoseconds ?? .min)
      lines.bind(3, query.to?.nanoseconds ?? .max)
      lines.bind(4, query.action)
      lines.bind(5, query.subject)
      lines.bind(6, query.by)
      lines.bind(7, Int64(max(0, query.limit)))
      return try lines.all { AuditRows.line(from: $0) }
    }
  }
}
