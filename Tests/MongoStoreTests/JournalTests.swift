import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("Journals of a MongoDB server alone", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoJournalTests {
  @Test("changes of several commits together are what they are one after the other, whatever comes late")
  func together() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    var random = SeededGenerator(20)
    for round in 0..<40 {
      var commits: [[Change]] = []
      // Whether the document has gone.
      var known: [Int: Bool] = [:]
      for sequence in 1...Int64(2 + random.below(6)) {
        var commit: [Change] = []
        for key in 0..<4 where random.chance(60) {
          var body = Change.Body.put(["a": .int(Int64(random.below(9))), "b": .int(sequence)])
          let isNew = known[key] == nil
          var goes = false
          if known[key] == false, random.chance(60) {
            goes = random.chance(50)
            body = goes ? .remove : .merge(["a": .int(10 + sequence)])
          }
          known[key] = goes
          var change = Change("one\(round)", .int(Int64(key)), body, isNew: isNew)
          change.sequence = sequence
          commit.append(change)
        }
        commits.append(commit)
      }
      var pending = PendingChanges()
      for change in commits.joined() { pending.add(change) }
      #expect(Set(pending.all.map(\.key.int)).count == pending.count)
      try send(pending.all, insertsNew: true, server)
      let together = try contents("one\(round)", server)
      // What was frozen while it sent each commit for itself.
      for commit in commits { try send(commit, insertsNew: random.chance(50), server) }
      #expect(try contents("one\(round)", server) == together)
      try server.ask(["drop": .text("one\(round)")])
      try server.ask(["create": .text("one\(round)")])
      for commit in commits { try send(commit, insertsNew: true, server) }
      #expect(try contents("one\(round)", server) == together, "\(commits)")
    }
  }

  @Test("the documents of commits are made after them, and what the server refuses is there as soon as it takes it")
  func refused() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let store = try MongoStore(address, options: options())
    try refuse("bad", in: store.server)
    try store.commit(
      batch {
        $0.schedules = [schedule("bad")]
        $0.claims = [claim(1, "bad")]
      })
    try store.commit(batch { $0.claims = [claim(2, "bad")] })
    #expect(throws: StoreError.self) { try store.schedules() }
    // As if a process alongside had committed something: the host looks, and cannot apply what it finds.
    let raise: BSON = ["q": ["_id": StoreState.id], "u": ["$inc": ["sequence": 1]]]
    try store.server.ask(["update": .text(Collections.meta), "updates": [raise]])
    #expect(throws: StoreError.self) { try store.commit(batch { $0.claims = [claim(3, "bad")] }) }
    #expect(throws: StoreError.self) { try store.schedules() }
    try refuse(nil, in: store.server)
    // The attempt that was under way may still be refused.
    try eventually { (try? store.schedules()) != nil }
    #expect(try store.schedules().map(\.job) == ["bad"])
    #expect(try store.openRuns() == [claim(1, "bad"), claim(2, "bad")])
    store.close()
    let reader = try MongoStore(address, mode: .reader, options: options())
    defer { reader.close() }
    #expect(try reader.schedules().map(\.job) == ["bad"])
  }

  @Test("who opens the store of a host that died brings all of its journals to their documents, also to read only")
  func successor() throws {
    for mode in [StoreAccess.scheduler, .alongside, .reader, .transfer] {
      let address = try MongoProcess.shared(.alone).freshAddress()
      let store = try MongoStore(address, options: options())
      try refuse("bad", in: store.server)
      // The first ones are long, and lie in parts.
      var runs = (1...600).map { claim($0, "bad") }
      try store.commit(batch { $0.schedules = [schedule("bad")] })
      try store.commit(batch { $0.claims = runs })
      runs[0] = finished(1, "bad")
      try store.commit(batch { $0.finished = [runs[0]] })
      try store.commit(batch { $0.claims = [claim(601, "bad")] })
      #expect(try store.reader.state().journals.count == 4)
      // It ends as one that is killed: what waits is not applied, and its lease is nobody's.
      store.close()
      try refuse(nil, in: try MongoServer(address, failure: MongoFailure(address)))
      let next = try MongoStore(address, mode: mode, options: options())
      #expect(try next.reader.schedules().map(\.job) == ["bad"], "\(mode)")
      #expect(try next.reader.runs(RunQuery(limit: 1_000)).count == 601)
      #expect(try next.reader.openRuns().count == 600)
      next.close()
    }
  }

  @Test("whoever was told of a commit finds it, in this process and in others")
  func told() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let store = try MongoStore(address, options: options())
    defer { store.close() }
    for id in 1...30 as ClosedRange<Int64> {
      try store.commit(batch { $0.claims = [claim(id, "a")] })
      if id % 2 == 0 { try store.commit(batch { $0.finished = [finished(id, "a")] }) }
      if id % 3 == 0 { #expect(try store.runs(RunQuery(limit: 100)).count == Int(id)) }
      let reader = try MongoStore(address, mode: .reader, options: options())
      #expect(try reader.runs(RunQuery(limit: 100)).count == Int(id))
      #expect(try reader.openRuns().count == Int(id) - Int(id) / 2)
      reader.close()
    }
    #expect(try store.reader.state().journals.count < 10)
  }

  // MARK: Helpers

  private func send(_ changes: [Change], insertsNew: Bool, _ server: MongoServer) throws {
    try server.withClient { (client) throws(ServerError) in
      for command in WriteCommand.all(for: changes, insertsNew: insertsNew) { try command.run(client) {} }
    }
  }

  /// Without what says when something has gone.
  private func contents(_ collection: String, _ server: MongoServer) throws -> [String] {
    try server.all(Find(collection, sort: ["_id": 1])) { document in
      let fields = document.fields.filter { $0.name != "gone" }.sorted { $0.name < $1.name }
      return fields.map { "\($0.name)=\($0.value)" }.joined(separator: " ") + (document["gone"] == nil ? "" : " gone")
    }
  }
}
