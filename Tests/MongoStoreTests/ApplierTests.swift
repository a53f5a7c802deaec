import Basics
import JobModel
import MongoFixtures
import StoreSupport
import TestSupport
import Testing

@testable import MongoStore

@Suite(
  "When journals of a MongoDB server alone are brought to their documents", .serialized,
  .enabled(if: MongoProcess.isThere))
struct MongoApplierTests {
  @Test("what waits in a host that another one has followed is dropped, and undoes nothing that this one did")
  func followed() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let first = try MongoStore(address, options: options { $0.lease = 600_000_000 })
    let applier = try #require(first.server.applier.withLock { $0 })
    // Its thread stands still from here on.
    applier.pause()
    try first.commit(
      batch {
        $0.schedules = [schedule("a")]
        $0.claims = (1...20).map { claim($0, "a") }
        $0.audit = [AuditLine(id: 1, at: start, by: "ann", door: "socket", action: "pause")]
      })
    let second = try MongoStore(
      address,
      options: options { edit in
        edit.ignoresLease = true
        edit.retention.standard = Retention.Limit(runs: 0, age: nil)
      })
    #expect(try second.load().unfinished.count == 20)
    try second.commit(batch { $0.finished = (1...20).map { finished($0, "a", .interrupted) } })
    // They have ended, and there is room for none.
    try eventually { try second.server.first(Find(Collections.runs)) == nil }
    try eventually { first.lease?.held.isOver == true }
    applier.goOn(after: nil)
    // Nothing waits any more when this returns.
    try first.server.awaitChanges(of: Collections.runs, Collections.schedules)
    #expect(try second.server.first(Find(Collections.runs)) == nil)
    #expect(try second.openRuns().isEmpty && second.schedules() == [schedule("a")])
    first.close()
    second.close()
  }

  @Test("what was dropped does not count as applied: the next commit must name its journal")
  func dropped() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let applier = try JournalApplier(server) { () throws(ServerError) in throw ServerError(server.failure.overtaken) }
    defer { applier.close() }
    var change = Change("some", .int(1), .put(["a": 1]))
    change.sequence = 1
    applier.add([change], sequence: 1)
    try applier.awaitChanges(of: ["some"])
    applier.add([], sequence: 2)
    try applier.awaitRoom()
    #expect(try server.first(Find("some")) == nil && applier.applied == 0)
  }

  @Test("while nobody can say who has the store nothing is sent, and what waited is when that is known")
  func doubt() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let isDoubtful = Monitor(true)
    let applier = try JournalApplier(server) { () throws(ServerError) in
      if isDoubtful.withLock({ $0 }) { throw ServerError(server.failure.doubtful) }
    }
    defer { applier.close() }
    var change = Change("some", .int(1), .put(["a": 1]))
    change.sequence = 1
    applier.add([change], sequence: 1)
    #expect(throws: ServerError.self) { try applier.awaitChanges(of: ["some"]) }
    #expect(try server.first(Find("some")) == nil)
    isDoubtful.change { $0 = false }
    try eventually { (try? applier.awaitChanges(of: ["some"])) != nil }
    #expect(try server.first(Find("some"))?["a"]?.int == 1)
  }

  @Test("commits without changes that come while something is being sent leave nobody waiting for room")
  func commitsWithoutChanges() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let (isSending, maySend) = (Gate(), Gate())
    let applier = try JournalApplier(server) { () throws(ServerError) in
      isSending.open()
      maySend.wait()
    }
    var change = Change("some", .int(1), .put(["a": 1]))
    change.sequence = 1
    applier.add([change], sequence: 1)
    isSending.wait()
    for sequence in 2...300 as ClosedRange<Int64> { applier.add([], sequence: sequence) }
    let hasRoom = Gate()
    let waiter = try NamedThread("waits") { if (try? applier.awaitRoom()) != nil { hasRoom.open() } }
    maySend.open()
    #expect(hasRoom.wait())
    // Nobody waits in an applier that is closed.
    applier.close()
    waiter.join()
  }

  @Test("who reads from another process is told how far it is, also when the server could not be told at first")
  func told() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let store = try MongoStore(address, options: options())
    defer { store.close() }
    func refuseMark(_ validator: BSON) throws {
      try store.server.ask(
        ["collMod": .text(Collections.meta), "validator": validator, "validationAction": "error"])
    }
    try refuseMark(["_id": ["$ne": "applied"]])
    try store.commit(batch { $0.claims = [claim(1, "a")] })
    #expect(try store.openRuns() == [claim(1, "a")])
    try refuseMark([:])
    let last = try store.reader.state().sequence
    try eventually {
      try store.server.withClient { (client) throws(ServerError) in try StoreWriter.applied(client) } == last
    }
  }

  @Test("changes of many megabytes each go in commands that the server takes")
  func large() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    for isNew in [true, false] {
      let changes = [5, 14, 3].enumerated().map { key, megabytes -> Change in
        let text = String(repeating: "x", count: megabytes << 20)
        var change = Change("some\(isNew)", .int(Int64(key)), .put(["text": .text(text)]), isNew: isNew)
        change.sequence = 1
        return change
      }
      let commands = WriteCommand.all(for: changes, insertsNew: true)
      try server.withClient { (client) throws(ServerError) in
        for command in commands { try command.run(client) {} }
      }
      #expect(try server.all(Find("some\(isNew)")) { _ in true }.count == 3)
    }
  }

  @Test("entries are split before they are too many or too large, and a large one goes alone")
  func portions() {
    #expect(Portions.ranges(of: []).isEmpty)
    #expect(Portions.ranges(of: [1, 2]) == [0..<2])
    let most = Portions.mostBytes
    #expect(Portions.ranges(of: [most - 1, 1, 1]) == [0..<2, 2..<3])
    #expect(Portions.ranges(of: [2 * most, 1, 2 * most]) == [0..<1, 1..<2, 2..<3])
    let many = Array(repeating: 1, count: 2 * Portions.mostEntries + 1)
    #expect(Portions.ranges(of: many).map(\.count) == [Portions.mostEntries, Portions.mostEntries, 1])
  }
}
