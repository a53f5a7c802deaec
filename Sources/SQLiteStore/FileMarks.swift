internal import Chronology
internal import GRDB
internal import JobModel

/// Writes what became of the files that jobs watch: a row per job and path, as long as the file is there.
struct FileMarkWriter {
  private let put, remove: PreparedStatement

  init(on database: Database, failure: SQLiteFailure) throws(StoreError) {
    put = try PreparedStatement(
      """
      INSERT OR REPLACE INTO watched_files(job, path, device, inode, size, modified, outcome, run, marked_at) \
      VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
      """, on: database, failure: failure)
    remove = try PreparedStatement(
      "DELETE FROM watched_files WHERE job = ?1 AND path = ?2", on: database, failure: failure)
  }

  func apply(_ mark: FileMark, job: Int64) throws(StoreError) {
    guard let version = mark.version else {
      remove.bind(1, job)
      remove.bind(2, mark.path)
      return try remove.run()
    }
    put.bind(1, job)
    put.bind(2, mark.path)
    // Numbers of devices and inodes use all 64 bits; SQLite's integers are signed.
    put.bind(3, Int64(bitPattern: version.device))
    put.bind(4, Int64(bitPattern: version.inode))
    put.bind(5, version.size)
    put.bind(6, version.modified)
    put.bind(7, mark.outcome?.code)
    put.bind(8, mark.run?.number)
    put.bind(9, mark.at.nanoseconds)
    try put.run()
  }
}

/// How a mark is read.
enum FileMarkRows {
  static let columns = "path, device, inode, size, modified, outcome, run, marked_at"

  /// The mark in the current row of a statement that selects ``columns`` first.
  static func mark(of job: String, from row: PreparedStatement) -> FileMark {
    let version = FileVersion(
      device: UInt64(bitPattern: row.integer(1)), inode: UInt64(bitPattern: row.integer(2)), size: row.integer(3),
      modified: row.integer(4))
    // An outcome that only a newer version knows counts like none: the file was handled.
    return FileMark(
      job: job, path: row.text(0), version: version, run: row.optionalInteger(6).map { RunID($0) },
      outcome: row.optionalInteger(5).flatMap { Outcome(code: $0) }, at: Instant(nanoseconds: row.integer(7)))
  }
}

extension SQLiteReader {
  /// About 2 µs per file.
  func files(of job: String) throws(StoreError) -> [FileMark] {
    try read { database in
      guard let number = try self.job(named: job, on: database) else { return [] }
      let find = try statement(
        "SELECT \(FileMarkRows.columns) FROM watched_files WHERE job = ?1", on: database)
      find.bind(1, number)
      return try find.all { row in FileMarkRows.mark(of: job, from: row) }
    }
  }
}
