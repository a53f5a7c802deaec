import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("A migration into a MongoDB store", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoMigrationTests {
  @Test("a store that must be there is not made where there is none")
  func misspelt() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    for mode in [StoreAccess.transfer, .reader] {
      do {
        try MongoStore(address, mode: mode, options: options { $0.mustExist = true }).close()
        Issue.record("there is a store")
      } catch { #expect(error.code == .absent) }
    }
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let list = try server.ask(["listCollections": 1])
    #expect(list["cursor"]?.document?["firstBatch"]?.array?.isEmpty == true)
  }

  @Test("a store that was cut off while it was cleared is cleared again")
  func cutClear() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    try MongoStore(address, mode: .transfer, options: options()).close()
    // As it is between the first word and the last one.
    let server = try MongoServer(address, failure: MongoFailure(address))
    let store = try MongoStore(address, mode: .transfer, options: options())
    try store.clear(mark: "x\nruns")
    #expect(try store.transferMark() == "x\nruns")
    try server.ask(["drop": .text(Collections.external)])
    try server.ask(["create": .text(Collections.external), "viewOn": .text(Collections.runs)])
    #expect(throws: StoreError.self) { try store.clear(mark: "y\nruns") }
    #expect(try store.transferMark() == "being cleared", "no migration goes on from here")
    store.close()
    server.close()
  }

  @Test("what a migration that was frozen sends late takes back nothing that a host has done since")
  func lateMigration() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let moving = try MongoStore(address, mode: .transfer, options: options())
    let row = StoreRow.run(claim(1, "a"))
    // Twice is fine: the last page comes again after a cut.
    for _ in 1...2 { try moving.receive([row], mark: "x\nruns") }
    try moving.finishTransfer(moving.counters())
    moving.close()
    let host = try MongoStore(address, options: options())
    defer { host.close() }
    try host.commit(batch { $0.finished = [finished(1, "a")] })
    // Its change is in the document from here on.
    #expect(try host.openRuns().isEmpty)
    var texts = LongTexts()
    let change = Change(Collections.runs, .int(1), .put(RunDocuments.document(claim(1, "a"), texts: &texts)))
    let answer = try host.server.ask(
      ["update": .text(Collections.runs), "updates": [change.replacement], "ordered": false])
    #expect(throws: ServerError.self) { try StoreWriter.check(answer, ignoresDuplicates: false) }
    #expect(try host.runs(RunQuery()) == [finished(1, "a")])
  }
}
