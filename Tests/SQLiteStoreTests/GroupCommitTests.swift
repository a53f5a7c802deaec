import JobModel
import MoondialTesting
import SQLiteStore
import Synchronization
import Testing
import TestSupport

@Suite("Batches that wait are committed together")
struct GroupCommitTests {
  @Test("one that fails does not fail the others")
  func badBatch() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options { $0.busySeconds = 60 })
    try store.commit(batch { $0.claims = [claim(1_000, "first")] })
    try tamper(
      path, "CREATE TRIGGER bad BEFORE INSERT ON open_runs WHEN NEW.id = 13 BEGIN SELECT RAISE(ABORT, 'unlucky'); END")
    let failed = Mutex<[Int64]>([])
    // While another connection writes, everything waits; then it is one group.
    try holdingWriteLock(path) {
      for id in 1...20 {
        store.apply(
          batch {
            $0.claims = [claim(Int64(id), "job\(id)")]
            $0.decisions = [
              DecisionRange(
                job: "job\(id)", kind: .misfired, first: start, last: start, count: 1, clockEpoch: ClockEpoch(0),
                decidedAt: start)
            ]
          }
        ) { error in
          guard let error else { return }
          failed.withLock { $0.append(Int64(id)) }
          #expect(error.message.contains("unlucky"))
        }
      }
    }
    try store.commit(StoreBatch())
    #expect(failed.withLock { $0 } == [13])
    #expect(try store.runs(RunQuery(limit: 100)).map(\.id.number) == [1_000] + (1...20).reversed().filter { $0 != 13 })
    #expect(try store.decisions(DecisionQuery(job: "job13")).isEmpty)
    // What the failed transaction had learned about new names and ranges was forgotten with it.
    try tamper(path, "DROP TRIGGER bad")
    try store.commit(batch { $0.claims = [claim(13, "job13")] })
    #expect(try store.runs(RunQuery(job: "job13")).map(\.id.number) == [13])
    store.close()
    let again = try SQLiteStore(path, options: options())
    defer { again.close() }
    for id in 1...20 { #expect(try again.runs(RunQuery(job: "job\(id)")).count == 1) }
    #expect(try again.doctor().isSound)
  }

  @Test("readers do not wait for a commit under way")
  func readersDoNotWait() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options { $0.busySeconds = 60 })
    defer { store.close() }
    try store.commit(batch { $0.finished = [finished(1, "a")] })
    try holdingWriteLock(path) { () throws in
      store.apply(batch { $0.finished = [finished(2, "a")] }) { _ in }
      #expect(try store.runs(RunQuery(job: "a")).count == 1)
      #expect(try store.schedules().isEmpty)
      #expect(try store.keyValues.value(of: "k", in: "s", at: start) == nil)
    }
  }

  @Test("log lines of a host whose disk hangs are dropped before they fill its memory")
  func boundedLog() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options { $0.busySeconds = 60 })
    let line = RunLogLine(run: RunID(1), job: "a", at: start, level: "info", message: "x")
    try holdingWriteLock(path) {
      store.apply(batch { $0.claims = [claim(1, "a")] }) { _ in }
      for _ in 0..<130 { store.append(log: Array(repeating: line, count: 1_000)) }
    }
    // Batches go before lines; the end of a store waits for both.
    store.close()
    let again = try SQLiteStore(path, mode: .reader)
    defer { again.close() }
    let kept = try again.log(of: RunID(1), limit: 1_000_000).count
    // 100,000 wait at most, and what the writer had taken before it met the lock comes on top.
    #expect(kept >= 99_000 && kept < 125_000)
  }
}
