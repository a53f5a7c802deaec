import JobModel
import MongoFixtures
import TestSupport
import Testing

@testable import MongoStore

@Suite("Long journals of a MongoDB server alone", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoJournalPartsTests {
  @Test("a part that was written is on the disk: a server that dies before the commit has not forgotten it")
  func onDisk() throws {
    let server = try MongoProcess(.alone)
    // By a connection of its own each time: those that were there when the server died are of no use.
    func withServer<Result>(_ body: (MongoServer) throws -> Result) throws -> Result {
      let own = try MongoServer(server.address("jobs"), failure: MongoFailure(server.address("jobs")))
      defer { own.close() }
      return try body(own)
    }
    for sequence in 1...4 as ClosedRange<Int64> {
      let journal = try withServer { try keep(sequence, $0) }
      server.kill()
      try server.start()
      let count = try withServer { try parts(of: journal, $0) }
      #expect(journal.parts > 0 && count == journal.parts)
    }
  }

  @Test(
    "who removes applied parts leaves those of commits that another process is making, or has made since",
    arguments: MongoProcess.Kind.allCases)
  func others(kind: MongoProcess.Kind) throws {
    let address = try MongoProcess.shared(kind).freshAddress()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    let (own, others) = try (keep(4, server), keep(5, server))
    // A replica set may have been a server alone before.
    let late = StoreWriter(
      server, hasTransactions: kind == .replicaSet, lease: nil, state: StoreState(), options: options())
    defer { late.close() }
    late.forgetJournals()
    #expect(try parts(of: own, server) == own.parts && parts(of: others, server) == others.parts)
    try server.withClient { (client) throws(ServerError) in try StoreWriter.mark(applied: 4, client) }
    late.forgetJournals()
    #expect(try parts(of: own, server) == 0 && parts(of: others, server) == others.parts)
  }

  @Test("a commit of which a part is missing is not taken for applied", arguments: [StoreAccess.scheduler, .reader])
  func missing(mode: StoreAccess) throws {
    let address = try MongoProcess.shared(.alone).freshAddress()
    let store = try MongoStore(address, options: options())
    try refuse("bad", in: store.server)
    try store.commit(batch { $0.claims = (1...600).map { claim($0, "bad") } })
    let sequence = try store.reader.state().sequence
    // It ends as one that is killed: what waits is not applied.
    store.close()
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    try refuse(nil, in: server)
    try server.ask(["delete": .text(Collections.journal), "deletes": [["q": [:], "limit": 0]]])
    do {
      try MongoStore(address, mode: mode, options: options()).close()
      Issue.record("the store was opened")
    } catch {
      #expect(error.code == .corrupt)
      #expect(error.message.contains("a part of commit \(sequence) is missing in the collection journal"))
    }
    // Somebody else has brought it to its documents.
    try server.withClient { (client) throws(ServerError) in try StoreWriter.mark(applied: sequence, client) }
    try MongoStore(address, mode: mode, options: options()).close()
  }

  // MARK: Helpers

  /// Writes the parts of a commit that is not made.
  private func keep(_ sequence: Int64, _ server: MongoServer) throws -> StoreState.Journal {
    let writer = StoreWriter(server, hasTransactions: false, lease: nil, state: StoreState(), options: options())
    defer { writer.close() }
    var next = StoreState()
    next.sequence = sequence
    next.name(drawnName(), isHosts: true)
    let text = BSON.text(String(repeating: "x", count: 100_000))
    return try server.withClient { (client) throws(ServerError) in
      try writer.keep([Change(Collections.runs, .int(1), .put(["text": text]))], of: next, client)
    }
  }

  private func parts(of journal: StoreState.Journal, _ server: MongoServer) throws -> Int {
    try server.all(Find(Collections.journal, ["_id.commit": .text(journal.commit)])) { _ in true }.count
  }
}
