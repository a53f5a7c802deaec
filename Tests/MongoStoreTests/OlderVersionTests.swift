import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("A MongoDB store that an older version has written", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoOlderVersionTests {
  @Test("beneath a host that is up it stays as it is", arguments: [StoreAccess.scheduler, .alongside, .transfer])
  func livingHost(mode: StoreAccess) throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let host = try MongoStore(address, options: options())
    defer { host.close() }
    try makeOlder(host.server)
    do {
      try MongoStore(address, mode: mode, options: options()).close()
      Issue.record("the store was opened")
    } catch { #expect(error.code == .locked) }
    #expect(try schema(host.server) == 2)
  }

  @Test(
    "what its host has left in a journal when it died is applied, and the store is of this version from then on",
    arguments: [StoreAccess.scheduler, .alongside, .transfer, .reader], [false, true])
  func deadHost(mode: StoreAccess, isLong: Bool) throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    try MongoStore(address, options: options()).close()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    try makeOlder(server, journal: claim(1, "a"), isLong: isLong)
    let next = try MongoStore(address, mode: mode, options: options())
    #expect(try next.reader.openRuns() == [claim(1, "a")])
    // Who only reads changes no more than that.
    #expect(try schema(server) == (mode == .reader ? 2 : 3))
    next.close()
    let host = try MongoStore(address, options: options())
    try host.commit(batch { $0.finished = [finished(1, "a")] })
    #expect(try host.runs(RunQuery()) == [finished(1, "a")])
    host.close()
  }

  @Test("a process of that version alongside commits nothing more without looking")
  func alongside() throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    try MongoStore(address, options: options()).close()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    try makeOlder(server)
    let before = try MongoReader(server: server).state().sequence
    try MongoStore(address, mode: .alongside, options: options()).close()
    #expect(try MongoReader(server: server).state().sequence > before)
  }

  // MARK: Helpers

  private func schema(_ server: MongoServer) throws -> Int64? {
    try server.first(Find(Collections.meta, ["_id": StoreState.id]))?["schema"]?.int
  }

  /// As the second schema had it: the last commit's journal in `journal`, and nobody says what is applied.
  private func makeOlder(_ server: MongoServer, journal run: RunRecord? = nil, isLong: Bool = false) throws {
    var fields: BSONDocument = ["schema": 2, "sequence": 7, "commit": "one"]
    if let run {
      var texts = LongTexts()
      let change = Change(
        Collections.runs, .int(run.id.number), .put(RunDocuments.document(run, texts: &texts)))
      let bytes = (["changes": [.document(change.document)]] as BSONDocument).bytes
      fields.add("journal", isLong ? ["parts": 1] : ["bytes": .bytes(bytes), "parts": 0])
      let part: BSON = ["_id": ["commit": "one", "part": 0], "bytes": .bytes(bytes)]
      if isLong { try server.ask(["insert": .text(Collections.journal), "documents": [part]]) }
    }
    let entry: BSON = [
      "q": ["_id": StoreState.id], "u": ["$set": .document(fields), "$unset": ["journals": ""]],
    ]
    try server.ask(["update": .text(Collections.meta), "updates": [entry]])
    let mark: BSON = ["q": ["_id": "applied"], "limit": 1]
    try server.ask(["delete": .text(Collections.meta), "deletes": [mark]])
  }
}
