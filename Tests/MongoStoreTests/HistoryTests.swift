import Basics
import Chronology
import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("What a MongoDB store keeps, and for how long", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoHistoryTests {
  @Test("what is beyond the limits goes with its log, and the newest stays")
  func retention() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let store = try MongoStore(
      address, options: options { $0.retention.standard = Retention.Limit(runs: 10, age: nil) })
    defer { store.close() }
    for id in 1...100 {
      store.append(
        log: [RunLogLine(run: RunID(Int64(id)), job: "a", at: start, level: "info", message: "\(id)")])
      try store.commit(batch { $0.finished = [finished(Int64(id), "a")] })
    }
    var left = 100
    // Work in the background goes along with commits.
    for round in 0..<200 where left > 26 {
      try store.commit(batch { $0.clockEpoch = ClockEpoch(Int32(round + 1)) })
      left = try store.runs(RunQuery(limit: 1_000)).count
    }
    #expect(left <= 26)
    #expect(try store.runs(RunQuery(limit: 10)).map(\.id.number) == (91...100).reversed())
    #expect(try store.log(of: RunID(1), limit: 10).isEmpty)
    #expect(try store.log(of: RunID(100), limit: 10).map(\.message) == ["100"])
  }

  @Test("who waits for a commit waits for no line of the audit that has to go")
  func audit() throws {
    // There a commit is in its documents when it is made.
    let address = try MongoProcess.shared(.replicaSet).freshAddress()
    let store = try MongoStore(address, options: options { $0.retention.auditLines = 1 })
    defer { store.close() }
    let found = Monitor<Int?>(nil)
    let lines = (1...3).map { AuditLine(id: $0, at: start, by: "ann", door: "socket", action: "pause") }
    store.apply(batch { $0.audit = lines }) { [reader = store.reader] _ in
      let count = try? reader.audit(AuditLineQuery()).count
      found.change { $0 = count ?? -1 }
    }
    #expect(found.wait { $0 } == 3)
    try eventually { try store.reader.audit(AuditLineQuery()).map(\.id) == [3] }
  }

  @Test("a long text that was removed for its age by another clock is written again by the next run that has it")
  func sweptText() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    try MongoStore(address, options: options()).close()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let writer = StoreWriter(server, hasTransactions: false, lease: nil, state: StoreState(), options: options())
    try server.withClient { (client) throws(ServerError) in try writer.look(client) }
    func commit(_ edit: (inout StoreBatch) -> Void) throws {
      for answer in writer.commit([.batch(batch(edit)) { _ in }]) { _ = try answer.get() }
    }
    var run = claim(1, "a")
    run.result = JSONText("\"\(String(repeating: "x", count: 10_000))\"")
    try commit { $0.claims = [run] }
    try commit { $0.dropped = [run.id] }
    let old: BSON = ["q": [:], "u": ["$set": ["at": .date(0)]], "multi": true]
    try server.ask(["update": .text(Collections.texts), "updates": [old]])
    var pruner = Pruner(server, Retention())
    while pruner.isDue(start) { pruner.work(writer, start) }
    #expect(try server.first(Find(Collections.texts)) == nil)
    run.id = RunID(2)
    try commit { $0.claims = [run] }
    #expect(try MongoReader(server: server).openRuns() == [run])
  }

  @Test("a migration does not make a long text old that a host has written lately")
  func lateText() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let host = try MongoStore(address, options: options())
    defer { host.close() }
    var run = claim(1, "a")
    run.result = JSONText("\"\(String(repeating: "x", count: 10_000))\"")
    try host.commit(batch { $0.claims = [run] })
    let before = try #require(try host.server.first(Find(Collections.texts)))
    let hash = try #require(before["_id"]?.bytes)
    try host.server.ask(
      ["update": .text(Collections.texts), "updates": [MongoStore.entry(hash, run.result!.text)]])
    #expect(try host.server.first(Find(Collections.texts))?["at"] == before["at"])
  }
}
