import JobModel
import MongoFixtures
import MoondialTesting
import TestSupport
import Testing

@testable import MongoStore

@Suite("The MongoDB store keeps the contract of every store", .serialized, .enabled(if: MongoProcess.isThere))
struct MongoConformanceTests {
  @Test(
    "every claim, on a server alone and on a replica set", arguments: MongoProcess.Kind.allCases,
    StoreConformance.claims)
  func mongo(kind: MongoProcess.Kind, claim: StoreConformance.Claim) throws {
    let address = try MongoProcess.shared(kind).address("claims")
    try empty(address)
    let subject = StoreConformance.Subject(
      isDurable: true, kept: 1_000,
      takeOver: { try MongoStore(address, options: options { $0.ignoresLease = true }) }
    ) { try MongoStore(address, options: options()) }
    #expect(try claim.run(on: subject))
  }

  /// Makes a store hold nothing: collections and indexes stay, which take a while to make.
  private func empty(_ address: String) throws {
    let server = try MongoServer(address, failure: MongoFailure(address))
    defer { server.close() }
    guard try server.first(Find(Collections.meta)) != nil else { return }
    for collection in Collections.contents + [Collections.meta] {
      try server.ask(["delete": .text(collection), "deletes": [["q": [:], "limit": 0]]])
    }
    try server.ask(["insert": .text(Collections.meta), "documents": .array(MongoStore.beginning)])
  }
}
