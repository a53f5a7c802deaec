import Basics
import JobModel
import MoondialTesting
import SQLiteStore
import Testing
import TestSupport

@testable import StoreSupport

@Suite("What waits for a commit takes turns, and no commit is large")
struct CommitQueueTests {
  private func value(_ space: String, _ key: Int, bytes: Int) -> CommitQueue.Operation {
    .keyValue(
      KeyValueChange(space: space, key: "\(key)", value: JSONText(String(repeating: "x", count: bytes))), start,
      { _ in })
  }

  private func name(_ operation: CommitQueue.Operation) -> String {
    switch operation {
    case .batch: "batch"
    case .keyValue(let change, _, _): "\(change.space)\(change.key)"
    case .log(let lines): "log \(lines.count)"
    case .externalRun: "external"
    case .transaction: "transaction"
    }
  }

  @Test("the scheduler's batch comes before values that were there first, and values in slices of 4 MB")
  func slices() {
    var queue = CommitQueue()
    for key in 0..<1_000 { queue.append(value("a", key, bytes: 1 << 20)) }
    queue.append(.batch(batch { $0.claims = [claim(1, "b")] }, { _ in }))
    var taken = queue.take()
    #expect(taken.map(name) == ["batch", "a0", "a1", "a2"])
    var commits = 1
    while !queue.isEmpty {
      taken = queue.take()
      #expect(taken.count <= 4)
      commits += 1
    }
    #expect(commits >= 250)
  }

  @Test("scripts take turns, and each keeps its order")
  func turns() {
    var queue = CommitQueue()
    for key in 0..<6 { queue.append(value("a", key, bytes: 1 << 20)) }
    queue.append(value("b", 0, bytes: 10))
    queue.append(value("b", 1, bytes: 10))
    #expect(queue.take().map(name) == ["a0", "b0", "a1", "b1", "a2"])
    #expect(queue.take().map(name) == ["a3", "a4", "a5"])
    #expect(queue.isEmpty && queue.take().isEmpty)
  }

  @Test("a batch of many megabytes lets values through, and one value larger than a commit is one")
  func large() {
    var queue = CommitQueue()
    var run = finished(1, "b")
    run.result = JSONText(String(repeating: "x", count: 8 << 20))
    queue.append(.batch(batch { $0.finished = [run] }, { _ in }))
    queue.append(value("a", 0, bytes: 1_000))
    queue.append(value("a", 1, bytes: 9 << 20))
    #expect(queue.take().map(name) == ["batch", "a0"])
    #expect(queue.take().map(name) == ["a1"])
  }

  @Test("lines beyond 16 MB are dropped while they wait")
  func lines() {
    var queue = CommitQueue()
    let line = RunLogLine(
      run: RunID(1), job: "a", at: start, level: "info", message: String(repeating: "x", count: 1 << 20))
    for _ in 0..<100 { queue.append(.log([line])) }
    var kept = 0
    while !queue.isEmpty { kept += queue.take().count }
    #expect(kept == 15)
  }

  @Test("a thousand values of a megabyte leave claims their way: each waits for two commits of 4 MB at most")
  func claimsPass() throws {
    let directory = try TemporaryDirectory()
    let path = directory.path("moondial.db")
    let store = try SQLiteStore(path, options: options { $0.busySeconds = 60 })
    defer { store.close() }
    let order = Monitor<[String]>([])
    let text = JSONText(String(repeating: "1", count: 1 << 20))
    try holdingWriteLock(path) {
      for key in 0..<40 {
        store.keyValues.change(KeyValueChange(space: "s", key: "\(key)", value: text), at: start) { _ in
          order.change { $0.append("value") }
        }
      }
      store.apply(batch { $0.claims = [claim(1, "a")] }) { _ in order.change { $0.append("claim") } }
    }
    let all = try #require(order.wait { $0.count == 41 ? $0 : nil })
    let before = try #require(all.firstIndex(of: "claim"))
    // What the writer had taken before it met the lock comes first: one slice.
    #expect(before <= 4, "\(before) values were written before the claim")
  }
}
