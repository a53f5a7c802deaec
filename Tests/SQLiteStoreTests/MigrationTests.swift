import Chronology
import GRDB
import JobModel
import MoondialTesting
import Testing
import TestSupport

@testable import SQLiteStore

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
      \(Self.withoutPayloads)
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

  /// Takes back what version 5, and later ones, brought.
  private static let withoutPayloads = """
    ALTER TABLE open_runs DROP COLUMN retried_at; ALTER TABLE open_runs DROP COLUMN resumes_at;
    ALTER TABLE runs DROP COLUMN retried_at; ALTER TABLE runs DROP COLUMN resumes_at;
    ALTER TABLE schedules DROP COLUMN arrivals;
    ALTER TABLE schedules DROP COLUMN pause_reason; ALTER TABLE schedules DROP COLUMN paused_by;
    ALTER TABLE schedules DROP COLUMN paused_at; DROP TABLE host_pause; DROP TABLE audit;
    DROP TABLE steps; DROP TABLE intents;
    ALTER TABLE open_runs DROP COLUMN parked_at; ALTER TABLE open_runs DROP COLUMN parked_until;
    ALTER TABLE open_runs DROP COLUMN parked_event; ALTER TABLE runs DROP COLUMN parked_at;
    ALTER TABLE runs DROP COLUMN parked_until; ALTER TABLE runs DROP COLUMN parked_event;
    DROP TABLE payloads; DROP TABLE log_sizes; DROP TABLE kv_sizes;
    DROP INDEX open_runs_event; DROP INDEX open_runs_params; DROP INDEX runs_event; DROP INDEX runs_params;
    ALTER TABLE open_runs DROP COLUMN event_payload; ALTER TABLE open_runs DROP COLUMN params_payload;
    ALTER TABLE runs DROP COLUMN event_payload; ALTER TABLE runs DROP COLUMN params_payload;
    """

  @Test("version 4: events that lie in their rows are read, and what log lines and values take is counted")
  func versionFour() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options())
    let long = "{\"name\":\"e\",\"data\":\"" + String(repeating: "x", count: 3_000) + "\"}"
    var run = finished(1, "a")
    run.params = JSONText("{}")
    try store.commit(batch { $0.finished = [run, finished(2, "b")] })
    store.append(log: [RunLogLine(run: RunID(1), job: "a", at: start, level: "info", message: "äbc")])
    _ = try store.keyValues.change(KeyValueChange(space: "s", key: "kä", value: JSONText("12345")), at: start)
    store.close()
    try tamper(
      path, "\(Self.withoutPayloads) UPDATE runs SET event = '\(long)' WHERE id = 1; PRAGMA user_version = 4;")

    let upgraded = try SQLiteStore(path, options: options())
    defer { upgraded.close() }
    #expect(try upgraded.runs(RunQuery(id: RunID(1))).first?.event == JSONText(long))
    #expect(try upgraded.log(of: RunID(1), limit: 9).map(\.job) == ["a"])
    let sizes = try upgraded.reader.read { database in
      [
        try Int.fetchOne(database, sql: "SELECT bytes FROM log_sizes WHERE run = 1"),
        try Int.fetchOne(database, sql: "SELECT bytes FROM kv_sizes WHERE space = 's'"),
      ]
    }
    #expect(sizes == [4 + RunLogLine.overhead, 8])
    // Written anew, the long event goes where long events lie now.
    var again = run
    again.event = JSONText(long)
    try upgraded.commit(batch { $0.finished = [again] })
    #expect(try upgraded.runs(RunQuery(id: RunID(1))).first?.event == JSONText(long))
    #expect(try upgraded.doctor().isSound)
  }
}
