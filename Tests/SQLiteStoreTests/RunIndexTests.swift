import Chronology
import GRDB
import JobModel
import TestSupport
import Testing

@testable import SQLiteStore

@Suite("The index of runs by job")
struct RunIndexTests {
  @Test("the runs of one job are filed early, however many other jobs there are; the latest run of each is found")
  func oneOfMany() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(directory.path("moondial.db"), options: options())
    defer { store.close() }
    try store.commit(
      batch { batch in
        batch.schedules = (0..<2_000).map { ScheduleRecord(job: "other \($0)", trigger: nil, registeredAt: start) }
        batch.finished = [finished(1, "once"), finished(2, "twice"), finished(3, "twice")]
      })
    for id in 4...700 as ClosedRange<Int64> { try store.commit(batch { $0.finished = [finished(id, "often")] }) }
    func filedTo() throws -> Int64 {
      try store.reader.read { try Int64.fetchOne($0, sql: "SELECT value FROM meta WHERE key = 'filed_to'") ?? 0 }
    }
    try settle(store) { try filedTo() > 256 }
    #expect(try filedTo() < 700, "some are in the tail, and some are filed")
    // Of few jobs each is looked for, of many the tail is read.
    for others in [[], ["other 1", "other 2", "nobody"]] {
      for job in ["once", "twice", "often"] {
        let found = try store.lastRuns(of: [job] + others)
        #expect(found.mapValues(\.id) == [job: RunID(["once": 1, "twice": 3, "often": 700][job] ?? 0)])
      }
    }
  }
}
