import Chronology
import JobModel
import MoondialTesting
import SQLiteStore
import Synchronization
import Testing
import TestSupport

@Suite("History is kept within its limits")
struct RetentionTests {

  @Test("by count: the newest of each job stay, with their logs, and nobody else's go")
  func byCount() throws {
    let directory = try TemporaryDirectory()
    var retention = Retention()
    retention.standard = .init(runs: 20, age: nil)
    retention.jobs["kept"] = .init(runs: nil, age: nil)
    retention.jobs["none"] = .init(runs: 0, age: nil)
    let path = directory.path("moondial.db")
    var opened = options {
      $0.retention = retention
      $0.largestUnindexedTail = 50
    }
    let store = try SQLiteStore(path, options: opened)
    let names = ["a", "b", "kept", "none"]
    for id in 1...2_000 {
      let run = finished(Int64(id), id == 1 ? "rare" : names[id % 4])
      store.append(log: [RunLogLine(run: run.id, job: run.job, at: start, level: "info", message: "\(id)")])
      store.apply(batch { $0.finished = [run] }) { _ in }
    }
    try store.commit(StoreBatch())
    try settle(store) { try store.doctor().counts.runs <= 600 }
    // At most a tail that is not indexed yet, and as much again that is not worth a pass.
    for name in ["a", "b"] {
      let runs = try store.runs(RunQuery(job: name, limit: 10_000)).map(\.id.number)
      #expect(runs.count >= 20 && runs.count <= 100)
      let newest = (1...2_000).reversed().filter { names[$0 % 4] == name && $0 > 1 }.map(Int64.init)
      #expect(runs == Array(newest.prefix(runs.count)), "no gap")
    }
    #expect(try store.runs(RunQuery(job: "kept", limit: 10_000)).count == 500)
    #expect(try store.runs(RunQuery(job: "rare")).count == 1)
    let report = try store.doctor()
    #expect(report.counts.logLines == report.counts.runs)
    #expect(report.isSound)
    store.close()

    opened.retention.standard.runs = 5
    let again = try SQLiteStore(path, options: opened)
    defer { again.close() }
    try settle(again) { try again.runs(RunQuery(job: "a", limit: 1_000)).count <= 55 }
    #expect(try again.load().nextRunID == RunID(2_001))
  }

  @Test("by age, and an id never comes back even when the newest run went")
  func byAge() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let clock = StandingClock(start)
    let opened = options {
      $0.clock = clock
      $0.retention.standard = .init(runs: nil, age: 3_600 * 1_000_000_000)
    }
    let store = try SQLiteStore(path, options: opened)
    try store.commit(batch { $0.finished = (1...500).map { finished($0, "a", at: clock.now) } })
    try store.commit(batch { $0.claims = [claim(501, "a")] })
    clock.now = start + .seconds(3_000)
    try store.commit(batch { $0.finished = [finished(10_000, "b", at: clock.now)] })
    #expect(try store.doctor().counts.runs == 501, "nothing is too old yet")
    clock.now = start + .seconds(3_700)
    try settle(store) { try store.doctor().counts.runs == 1 }
    clock.now = start + .seconds(9_000)
    try settle(store) { try store.doctor().counts.runs == 0 }
    #expect(try store.load().unfinished.count == 1, "a run that has not ended stays")
    store.close()
    let again = try SQLiteStore(path, options: opened)
    defer { again.close() }
    #expect(try again.load().nextRunID == RunID(10_001))
  }

  @Test("decision ranges by count, expired values at all")
  func rangesAndValues() throws {
    let directory = try TemporaryDirectory()
    let clock = StandingClock(start)
    let store = try SQLiteStore(
      directory.path("moondial.db"),
      options: options {
        $0.clock = clock
        $0.retention.ranges = 100
      })
    defer { store.close() }
    for number in 0..<400 {
      try store.commit(
        batch {
          $0.decisions = [
            DecisionRange(
              job: "a", kind: number % 2 == 0 ? .misfired : .coalesced, first: start + .seconds(number),
              last: start + .seconds(number), count: 1, clockEpoch: ClockEpoch(0), decidedAt: start)
          ]
        })
      try store.keyValues.change(
        KeyValueChange(space: "s", key: "\(number)", value: JSONText("1"), expiresAt: start + .seconds(number + 60)),
        at: start)
    }
    try settle(store) { try store.doctor().counts.decisions <= 125 }
    #expect(try store.decisions(DecisionQuery(job: "a", limit: 1_000)).count >= 100)
    clock.now = start + .seconds(10_000)
    try settle(store) { try store.doctor().counts.keyValues == 0 }
  }

  @Test("limits that change take effect while the store is open")
  func changedLimits() throws {
    let directory = try TemporaryDirectory()
    let store = try SQLiteStore(directory.path("moondial.db"), options: options { $0.largestUnindexedTail = 10 })
    defer { store.close() }
    for first in stride(from: 1, to: 900, by: 100) {
      try store.commit(batch { $0.finished = (Int64(first)..<Int64(first) + 100).map { finished($0, "a") } })
    }
    try settle(store) { try store.runs(RunQuery(job: "a", limit: 1_000)).count == 900 }
    var retention = Retention()
    retention.standard.runs = 10
    store.setRetention(retention)
    try settle(store) { try store.doctor().counts.runs <= 20 }
  }
}
