internal import GRDB
package import JobModel

extension SQLiteStore: ForgettingStore {
  /// For a store that is open alongside a host; blocks on the disk.
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
        // A host that is up has them in its memory, and would execute them without the steps that they have done.
        let begun = "SELECT id FROM open_runs WHERE job = ? AND claimed_at IS NULL AND started_at IS NOT NULL LIMIT 1"
        if isHosted, let run = try Int64.fetchOne(database, sql: begun, arguments: [number]) {
          return .underWay(RunID(run))
        }
        for table in ["schedules", "made_schedules", "watched_files"] {
          try database.execute(sql: "DELETE FROM \(table) WHERE job = ?", arguments: [number])
        }
        try database.execute(
          sql: "DELETE FROM steps WHERE run IN (SELECT id FROM open_runs WHERE job = ? AND claimed_at IS NULL)",
          arguments: [number])
        try database.execute(
          sql: "DELETE FROM open_runs WHERE job = ? AND claimed_at IS NULL", arguments: [number])
        return .forgotten
      }
    } catch { throw failure.error(error) }
  }
}
