import Basics
import Chronology
import JobModel
import MongoFixtures
import Synchronization
import TestSupport
import Testing

@testable import MongoStore

@Suite("Questions to a MongoDB store", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoReadingTests {
  @Test("many threads read long answers at once")
  func cursors() throws {
    let kept = options { $0.retention.standard = Retention.Limit(runs: nil, age: nil) }
    let store = try MongoStore(MongoProcess.shared(.alone).freshAddress(), options: kept)
    defer { store.close() }
    for first in stride(from: 1, through: 2_000, by: 500) {
      try store.commit(batch { $0.finished = (first..<first + 500).map { finished(Int64($0), "a") } })
    }
    let counts = Mutex<[Int]>([])
    Threads.run(6) { _ in
      for _ in 0..<3 {
        let count = (try? store.runs(RunQuery(limit: 5_000)).count) ?? -1
        counts.withLock { $0.append(count) }
      }
    }
    #expect(Set(counts.withLock { $0 }) == [2_000])
  }

  @Test("a script sees no value that a failover could take back")
  func valuesOfMajority() throws {
    let address = try MongoProcess.shared(.replicaSet).freshAddress()
    let store = try MongoStore(address, options: options())
    defer { store.close() }
    try store.server.ask(["profile": 2])
    let answers = Monitor(0)
    store.keyValues.value(of: "k", in: "s", upTo: 100, at: start) { _ in answers.change { $0 += 1 } }
    store.keyValues.keys(prefix: "", in: "s", limit: 1, upTo: 100, at: start) { _ in answers.change { $0 += 1 } }
    _ = answers.wait { $0 == 2 ? true : nil }
    try store.server.ask(["profile": 0])
    let levels = try store.server.all(
      Find("system.profile", ["command.find": .text(Collections.keyValues)])
    ) { $0["command"]?.document?["readConcern"]?.document?["level"]?.text ?? "" }
    #expect(levels.filter { $0 == "majority" }.count == 2, "\(levels)")
  }
}
