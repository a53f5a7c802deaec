import Chronology
import JobModel
@testable import JobStores
import MoondialTesting
import Testing

@Suite("A file of an earlier version becomes one of this version when a host opens it")
struct MigrationTests {
  @Test("version 1: its runs are found by time, filed ones and the tail")
  func versionOne() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let opened = options {
      $0.largestUnindexedTail = 300
      $0.retention.standard = .init(runs: nil, age: nil)
    }
    let store = try SQLiteStore(path, options: opened)
    for first in stride(from: Int64(1), to: 5_001, by: 100) {
      try store.commit(
        batch {
          $0.finished = (first..<first + 100).map { finished($0, "job\($0 % 3)", $0 % 5 == 0 ? .failed : .succeeded) }
        })
    }
    store.close()
    try tamper(
      path,
      """
      DROP TABLE watched_files;
      DROP TABLE run_spans; DROP INDEX decisions_by_age; DROP INDEX runs_unsuccessful_of_job;
      DROP VIEW history; DROP TABLE made_schedules; DROP INDEX decisions_made;
      ALTER TABLE open_runs DROP COLUMN schedule; ALTER TABLE runs DROP COLUMN schedule;
      ALTER TABLE decisions DROP COLUMN schedule;
      CREATE VIEW history AS SELECT 1; PRAGMA user_version = 1;
      """)
    #expect(throws: StoreError.self) { try SQLiteStore(path, mode: .reader) }

    let upgraded = try SQLiteStore(path, options: opened)
    defer { upgraded.close() }
    for (from, to) in [(Int64(1), Int64(40)), (1_000, 1_100), (2_040, 2_060), (4_950, 6_000)] {
      let query = RunQuery(
        from: start.advanced(byNanoseconds: from), to: start.advanced(byNanoseconds: to), limit: 10_000)
      let expected = [Int64]((from..<min(to, 5_001)).reversed())
      #expect(try upgraded.runs(query).map(\.id.number) == expected)
    }
    let failures = try upgraded.runs(RunQuery(job: "job1", outcomes: [.failed, .stuck], limit: 10_000))
    let expected = (1...5_000 as ClosedRange<Int64>).reversed().filter { $0 % 15 == 10 }
    #expect(failures.map(\.id.number) == expected)
    #expect(try upgraded.doctor().schemaVersion == SQLiteSchema.currentVersion)
  }
}
