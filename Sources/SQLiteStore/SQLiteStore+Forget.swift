internal import GRDB
package import JobModel

extension SQLiteStore {
  /// What became of a wish to forget a job.
  package enum Forgetting: Sendable, Equatable {
    case forgotten
    /// The store has nothing of it.
    case unknown
    /// It is no orphan: a script declares it, or did when a host was last up.
    case declared
  }

  /// Removes what is kept of an orphan for its return: where its schedule stands, schedules made for it at run time,
  /// runs that wait, marks of its files. Its history stays for as long as `retention` says.
  ///
  /// For mode `.beside`; blocks on the disk. A host that is up goes on knowing it until it ends.
  package func forget(_ job: String) throws(StoreError) -> Forgetting {
    guard mode != .reader else { throw failure.onlyRead }
    do {
      return try reader.pool.write { database in
        guard let number = try Int64.fetchOne(database, sql: "SELECT id FROM jobs WHERE name = ?", arguments: [job])
        else { return .unknown }
        func count(_ condition: String) throws -> Int {
          try ["schedules", "made_schedules"].reduce(0) { sum, table in
            let sql = "SELECT count(*) FROM \(table) WHERE job = ? AND \(condition)"
            return sum + (try Int.fetchOne(database, sql: sql, arguments: [number]) ?? 0)
          }
        }
        guard try count("orphaned_at IS NULL") == 0 else { return .declared }
        guard try count("orphaned_at IS NOT NULL") > 0 else { return .unknown }
        for table in ["schedules", "made_schedules", "watched_files"] {
          try database.execute(sql: "DELETE FROM \(table) WHERE job = ?", arguments: [number])
        }
        try database.execute(
          sql: "DELETE FROM open_runs WHERE job = ? AND claimed_at IS NULL", arguments: [number])
        return .forgotten
      }
    } catch { throw failure.error(error) }
  }
}
