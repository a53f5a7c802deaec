import GRDB
import JobModel
import MoondialTesting
import Testing
import TestSupport

@testable import SQLiteStore

@Suite("A store's writer forgets with its scheduler")
struct ForgottenNamesTests {
  @Test("ten thousand names that came and went leave nothing in memory")
  func names() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let opened = try SQLiteStore.open(path, mode: .scheduler, options: options(), failure: SQLiteFailure(path: path))
    let writer = try #require(opened.writer)
    func commit(_ batch: StoreBatch) throws {
      try opened.pool.writeWithoutTransaction { _ in
        try writer.begin()
        try writer.apply(batch)
        try writer.commit()
      }
    }
    for first in stride(from: 0, to: 10_000, by: 100) {
      let jobs = (first..<first + 100).map { "job\($0)" }
      try commit(
        batch {
          $0.schedules = jobs.map { ScheduleRecord(job: $0, trigger: nil, registeredAt: start) }
          $0.finished = jobs.enumerated().map { finished(Int64(first + $0.offset + 1), $0.element) }
          $0.decisions = jobs.map {
            DecisionRange(
              job: $0, kind: .misfired, first: start, last: start, count: 1, clockEpoch: ClockEpoch(0), decidedAt: start
            )
          }
        })
      #expect(writer.rememberedJobs == 100)
      try commit(batch { $0.forgotten = jobs })
      #expect(writer.rememberedJobs == 0)
    }
    let store = try SQLiteStore(path, mode: .reader)
    defer { store.close() }
    #expect(try store.runs(RunQuery(job: "job7")).count == 1)
    #expect(try store.decisions(DecisionQuery(job: "job7")).count == 1)
    #expect(try store.schedules(of: ["job7"]).count == 1)
  }
}
