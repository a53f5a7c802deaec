import Basics
import Chronology
import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("Processes alongside the host of a MongoDB store", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoAlongsideTests {
  @Test("a run alongside is alive while its process is, though the server was away for longer than its lease")
  func aliveWithoutLease() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let host = try MongoStore(address, options: options())
    defer { host.close() }
    let alongside = try MongoStore(address, mode: .alongside, options: options())
    let id = try alongside.externalRunID()
    try alongside.commit(batch { $0.claims = [claim(id.number, "x")] })
    let entry: BSON = ["q": [:], "u": ["$set": ["lease": .date(0)]], "multi": true]
    try host.server.ask(["update": .text(Collections.external), "updates": [entry]])
    #expect(try host.load().unfinished.isEmpty)
    alongside.close()
    #expect(try host.load().unfinished.map(\.id) == [id])
  }

  @Test("a process alongside decides by what the host has committed, also before that is in its documents")
  func behind() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let host = try MongoStore(address, options: options())
    let alongside = try MongoStore(address, mode: .alongside, options: options())
    func change(_ value: JSONText?, in store: MongoStore) throws -> Bool {
      let answer = Monitor<Result<Bool, StoreError>?>(nil)
      let change = KeyValueChange(space: "a", key: "k", value: value, expecting: nil)
      store.keyValues.change(change, at: start) { result in answer.change { $0 = result } }
      return try answer.wait { $0 }!.get()
    }
    let applier = try #require(host.server.applier.withLock { $0 })
    // What the host commits stays in its journal from here on.
    applier.pause()
    #expect(try change(JSONText("1"), in: host))
    #expect(try alongside.server.first(Find(Collections.keyValues)) == nil)
    #expect(try change(nil, in: alongside))
    applier.goOn(after: nil)
    try host.server.awaitChanges(of: Collections.keyValues)
    #expect(try host.server.first(Find(Collections.keyValues, ["gone": .null])) == nil)
    alongside.close()
    host.close()
  }

  @Test(
    "an orphan is forgotten with its parked run and its steps, unless a host is up that will go on with it",
    arguments: MongoProcess.Kind.allCases)
  func forgetting(kind: MongoProcess.Kind) throws {
    let address = try MongoProcess.shared(kind).freshAddress()
    let host = try MongoStore(address, options: options())
    var record = schedule("a")
    record.orphanedAt = start
    var parked = claim(1, "a")
    (parked.claimedAt, parked.startedAt) = (nil, start)
    parked.park = RunPark(position: 1, until: nil, event: "go")
    let step = RunStep(run: RunID(1), position: 1, kind: .wait, name: "go", attempt: 1, startedAt: start)
    try host.commit(
      batch {
        $0.schedules = [record]
        $0.waiting = [parked]
        $0.steps = [.put(step)]
      })
    let beside = try MongoStore(address, mode: .alongside, options: options())
    #expect(try beside.forget("a") == .underWay(RunID(1)))
    host.close()
    #expect(try beside.forget("a") == .forgotten)
    #expect(try beside.steps(of: RunID(1)).isEmpty && beside.openRuns().isEmpty && beside.schedules().isEmpty)
    beside.close()
  }
}
