import GRDB
import JobModel
import MemoryStore
import MoondialTesting
import Testing
import TestSupport

@testable import SQLiteStore

@Suite("Log lines are kept as far as their quotas reach, the newest")
struct LogQuotaTests {
  private func line(_ run: Int64, _ job: String) -> RunLogLine {
    RunLogLine(
      run: RunID(run), job: job, at: start, level: "info", message: String(repeating: "x", count: 10_000))
  }

  private func total(_ store: SQLiteStore) throws -> Int {
    try store.reader.read { database in
      let bytes = try Int.fetchOne(database, sql: "SELECT coalesce(sum(bytes), 0) FROM log_sizes") ?? 0
      let lines = try Int.fetchOne(database, sql: "SELECT count(*) FROM run_log") ?? 0
      #expect(bytes == lines * (10_000 + RunLogLine.overhead), "sizes tell the truth")
      return bytes
    }
  }

  private func fill(_ store: any JobStore, runs: ClosedRange<Int64>, _ job: String) throws {
    for run in runs {
      store.append(log: Array(repeating: line(run, job), count: 10))
      try store.commit(batch { $0.clockEpoch = ClockEpoch(0) })
    }
    for _ in 0..<50 { try store.commit(batch { $0.clockEpoch = ClockEpoch(0) }) }
  }

  @Test("one job's lines make room for its own, and leave those of others alone")
  func ofJob() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(
      path, options: options { $0.retention.logBytesPerJob = 1_000_000 })
    try fill(store, runs: 1...2, "quiet")
    try fill(store, runs: 3...60, "loud")
    #expect(try total(store) < 1_400_000)
    #expect(try store.log(of: RunID(1), limit: 100).count == 10)
    #expect(try store.log(of: RunID(3), limit: 100).isEmpty)
    #expect(try store.log(of: RunID(60), limit: 100).count == 10)
    store.close()
    let again = try SQLiteStore(path, options: options { $0.retention.logBytesPerJob = 1_000_000 })
    defer { again.close() }
    #expect(try again.log(of: RunID(60), limit: 1).first?.job == "loud")
  }

  @Test("of all jobs together the oldest go, also after a smaller limit was set")
  func ofStore() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(
      directory.path("moondial.db"), options: options { $0.retention.logBytes = 2_000_000 })
    defer { store.close() }
    for run in 1...60 { try fill(store, runs: Int64(run)...Int64(run), "job\(run)") }
    #expect(try total(store) <= 2_100_000)
    #expect(try store.log(of: RunID(60), limit: 100).count == 10)
    var retention = Retention()
    retention.logBytes = 300_000
    store.setRetention(retention)
    for _ in 0..<50 { try store.commit(batch { $0.clockEpoch = ClockEpoch(0) }) }
    #expect(try total(store) <= 300_000)
  }

  @Test("the memory store keeps to them too")
  func inMemory() throws {
    let store = MemoryStore()
    var retention = Retention()
    retention.logBytesPerJob = 300_000
    retention.logBytes = 500_000
    store.setRetention(retention)
    try fill(store, runs: 1...1, "quiet")
    try fill(store, runs: 2...40, "loud")
    #expect(try store.log(of: RunID(1), limit: 100).count == 10)
    #expect(try store.log(of: RunID(2), limit: 100).isEmpty)
    #expect(try store.log(of: RunID(40), limit: 100).count == 10)
    for run in 41...60 { try fill(store, runs: Int64(run)...Int64(run), "job\(run)") }
    let kept = try (1...60).reduce(0) { try $0 + store.log(of: RunID($1), limit: 100).count }
    #expect(kept * 10_032 <= 500_000 && kept >= 40)
  }
}
