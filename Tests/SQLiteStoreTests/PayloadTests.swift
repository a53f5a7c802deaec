import GRDB
import JobModel
import MoondialTesting
import Testing
import TestSupport

@testable import SQLiteStore

@Suite("Long events and parameters lie in a store file once")
struct PayloadTests {
  private let event = JSONText("{\"name\":\"e\",\"data\":\"" + String(repeating: "x", count: 1 << 20) + "\"}")

  private func waiting(_ id: Int64) -> RunRecord {
    var run = claim(id, "job\(id % 100)")
    run.claimedAt = nil
    run.event = event
    return run
  }

  @Test("an event of a megabyte that a thousand runs have is one megabyte, waiting, claimed and ended")
  func once() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options())
    let runs = (1...1_000).map { waiting(Int64($0)) }
    try store.commit(batch { $0.waiting = runs })
    try store.commit(
      batch {
        $0.claims = runs.map {
          var run = $0; run.claimedAt = start; return run
        }
      })
    try store.commit(
      batch {
        $0.finished = runs.prefix(900).map { run in
          var run = run
          run.outcome = .succeeded
          run.finishedAt = start
          return run
        }
      })
    #expect(try #require(store.doctor().size).fileBytes < 4 << 20)
    // Of one question the text is read once, and its runs share it.
    let unfinished = try store.load().unfinished
    #expect(unfinished.count == 100 && unfinished.allSatisfy { $0.event == event })
    #expect(try store.runs(RunQuery(job: "job7", limit: 5)).allSatisfy { $0.event == event })
    store.close()
    let again = try SQLiteStore(path, mode: .reader)
    defer { again.close() }
    #expect(try again.runs(RunQuery(id: RunID(950))).first?.event == event)
  }

  @Test("runs of the same text name one that is there, whatever was pruned and swept between them")
  func swept() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(
      path,
      options: options {
        $0.retention.standard = .init(runs: 1, age: nil)
        $0.largestUnindexedTail = 1
      })
    defer { store.close() }
    // The same text again and again, with other long ones between: rows come, end, are pruned and swept.
    for round in 0..<30 as Range<Int64> {
      let other = JSONText("\"" + String(repeating: "y", count: 2_000) + "\(round)\"")
      var (run, second) = (claim(2 * round + 1, "a"), claim(2 * round + 2, "b"))
      (run.event, second.event, second.params) = (event, other, event)
      try store.commit(batch { $0.claims = [run, second] })
      #expect(try store.load().unfinished.map(\.event) == [event, other])
      (run.outcome, run.finishedAt) = (.succeeded, start)
      (second.outcome, second.finishedAt) = (.succeeded, start)
      try store.commit(batch { $0.finished = [run, second] })
      #expect(try store.runs(RunQuery(id: second.id)).first?.event == other)
      #expect(try store.runs(RunQuery(id: second.id)).first?.params == event)
      for _ in 0..<10 { try store.commit(batch { $0.clockEpoch = ClockEpoch(0) }) }
    }
    #expect(try store.runs(RunQuery(job: "a", limit: 5)).allSatisfy { $0.event == event })
  }

  @Test("parameters too; and the file forgets what no run has any more")
  func pruned() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(
      path,
      options: options {
        $0.retention.standard = .init(runs: 5, age: nil)
        $0.largestUnindexedTail = 10
      })
    defer { store.close() }
    func payloads() throws -> Int {
      try store.reader.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM payloads") ?? 0 }
    }
    for id in 1...300 {
      var run = finished(Int64(id), "a")
      run.params = JSONText("\"" + String(repeating: "x", count: 1_000) + "\(id)\"")
      run.event = JSONText("\"short\"")
      try store.commit(batch { $0.finished = [run] })
    }
    try settle(store) { try store.doctor().counts.runs <= 120 && payloads() == store.doctor().counts.runs }
    let newest = try #require(try store.runs(RunQuery(job: "a", limit: 1)).first)
    #expect(newest.params?.text.hasSuffix("x300\"") == true && newest.event == JSONText("\"short\""))
    #expect(try store.doctor().isSound)
  }

  @Test("a waiting row that is written again and again with new events leaves no more than a few behind")
  func debounced() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(directory.path("moondial.db"), options: options())
    defer { store.close() }
    for number in 0..<3_000 {
      var run = claim(1, "a")
      run.claimedAt = nil
      run.event = JSONText("\"" + String(repeating: "x", count: 1_000) + "\(number)\"")
      try store.commit(batch { $0.waiting = [run] })
    }
    for _ in 0..<100 { try store.commit(batch { $0.clockEpoch = ClockEpoch(0) }) }
    let left = try store.reader.read { try Int.fetchOne($0, sql: "SELECT count(*) FROM payloads") ?? 0 }
    #expect(left <= 1_100)
    #expect(try store.load().unfinished.first?.event?.text.hasSuffix("2999\"") == true)
  }
}
