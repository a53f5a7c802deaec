import Chronology
import JobModel
import MoondialTesting
import SQLiteStore
import Testing
import TestSupport

/// Random batches, reopening and pruning at random, against a plain dictionary. What the index of runs by job does
/// (strokes, late finishers, entries without a run, tails after a crash) must never show in an answer.
@Suite("SQLite answers like a dictionary")
struct StoreModelTests {
  @Test(arguments: [1, 2, 1288, UInt64.random(in: 0...9_999)])
  func randomHistories(seed: UInt64) throws {
    var numbers = SeededGenerator(seed)
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let opened = options {
      $0.largestUnindexedTail = Int.random(in: 1...40, using: &numbers)
      $0.retention.standard = .init(runs: seed % 2 == 0 ? 30 : nil, age: nil)
      $0.checkpointPages = 50
    }
    var store = try SQLiteStore(path, options: opened)
    var model: [RunID: RunRecord] = [:]
    var nextID: Int64 = 1
    let jobs = (0..<Int.random(in: 1...12, using: &numbers)).map { "job\($0)" }

    for step in 0..<150 {
      var changes = StoreBatch()
      for _ in 0..<Int.random(in: 0...12, using: &numbers) {
        var run = claim(nextID, jobs.randomElement(using: &numbers)!)
        // Late ones, and some very late ones: their blocks of ids span a long time.
        if Int.random(in: 0..<4, using: &numbers) == 0 {
          run.scheduledAt = run.scheduledAt.advanced(byNanoseconds: -Int64.random(in: 0...500, using: &numbers))
        }
        nextID += 1
        changes.claims.append(run)
        model[run.id] = run
      }
      let open = model.values.filter { $0.outcome == nil }.sorted { $0.id < $1.id }
      for run in open where Int.random(in: 0..<4, using: &numbers) == 0 {
        var ended = run
        ended.outcome = Int.random(in: 0..<9, using: &numbers) == 0 ? .failed : .succeeded
        ended.finishedAt = start
        changes.finished.append(ended)
        model[run.id] = ended
      }
      if let dropped = open.randomElement(using: &numbers), model[dropped.id]?.outcome == nil, step % 5 == 0 {
        changes.dropped.append(dropped.id)
        model[dropped.id] = nil
      }
      try store.commit(changes)
      if step % 40 == 39 {
        store.close()
        store = try SQLiteStore(path, options: opened)
        #expect(try store.load().nextRunID == RunID(nextID), "seed \(seed)")
      }
      if step % 10 == 9 {
        try compare(store, model, jobs, isPruned: seed % 2 == 0, seed: seed)
        if seed % 2 == 1 { try comparePages(store, model, jobs, &numbers, seed: seed) }
      }
    }
    #expect(try store.doctor().isSound, "seed \(seed)")
    store.close()
  }

  private func compare(
    _ store: SQLiteStore, _ model: [RunID: RunRecord], _ jobs: [String], isPruned: Bool, seed: UInt64
  ) throws {
    let all = model.values.sorted { $0.id > $1.id }
    #expect(try store.load().unfinished == all.filter { $0.outcome == nil }.reversed(), "seed \(seed)")
    for job in jobs {
      let expected = all.filter { $0.job == job }
      let found = try store.runs(RunQuery(job: job, limit: 100_000))
      let failed = try store.runs(RunQuery(job: job, outcomes: [.failed], limit: 100_000))
      if isPruned {
        // The newest 30 are there. Older ones may be, as they were; and not always without a gap, for a run that took
        // long may end when its elders, and those after it, have been pruned.
        let ended = found.filter { $0.outcome != nil }
        let newest = expected.filter { $0.outcome != nil }.prefix(30)
        #expect(Array(ended.prefix(newest.count)) == Array(newest), "seed \(seed) job \(job)")
        #expect(ended.allSatisfy { model[$0.id] == $0 }, "seed \(seed) job \(job)")
        #expect(zip(ended, ended.dropFirst()).allSatisfy { $0.id > $1.id }, "seed \(seed) job \(job)")
        #expect(failed.allSatisfy { model[$0.id] == $0 }, "seed \(seed) job \(job)")
      } else {
        #expect(found == expected, "seed \(seed) job \(job)")
        #expect(failed == expected.filter { $0.outcome == .failed }, "seed \(seed) job \(job)")
      }
    }
  }

  /// Random questions with spans of time, pages, outcomes and limits.
  private func comparePages(
    _ store: SQLiteStore, _ model: [RunID: RunRecord], _ jobs: [String], _ numbers: inout SeededGenerator, seed: UInt64
  ) throws {
    let all = model.values.sorted { $0.id > $1.id }
    let highest = all.first?.id.number ?? 1
    for _ in 0..<30 {
      func maybe<T>(_ make: (inout SeededGenerator) -> T) -> T? { Bool.random(using: &numbers) ? make(&numbers) : nil }
      let from = maybe { start.advanced(byNanoseconds: Int64.random(in: -500...highest, using: &$0)) }
      let query = RunQuery(
        job: maybe { jobs.randomElement(using: &$0)! },
        outcomes: maybe {
          [Set([.failed]), [.succeeded], [.failed, .cancelled], [.succeeded, .failed]].randomElement(using: &$0)!
        },
        from: from, to: maybe { (from ?? start).advanced(byNanoseconds: Int64.random(in: 0...200, using: &$0)) },
        before: maybe { RunID(Int64.random(in: 1...highest + 1, using: &$0)) },
        limit: Int.random(in: 1...50, using: &numbers))
      let expected = all.filter { run in
        (query.job == nil || run.job == query.job)
          && (query.outcomes == nil || run.outcome.map(query.outcomes!.contains) == true)
          && (query.from == nil || run.scheduledAt >= query.from!) && (query.to == nil || run.scheduledAt < query.to!)
          && (query.before == nil || run.id < query.before!)
      }.prefix(query.limit)
      #expect(try store.runs(query) == Array(expected), "seed \(seed) \(query)")
    }
  }
}
