import JobModel
import MoondialTesting
import PostgresFixture
import PostgresStore
import TestSupport
import Testing

@Suite("A PostgreSQL store keeps the contract of every store", .enabled(if: PostgresServer.isInstalled))
struct PostgresConformanceTests {
  @Test("every claim, against a real server", arguments: StoreConformance.claims)
  func postgres(claim: StoreConformance.Claim) throws {
    let server = try #require(PostgresServer.shared)
    let address = StoreAddress(try server.database())
    var options = PostgresStore.Options()
    // Or the suite's runs, which are of a fixed day, would soon be too old to keep.
    options.clock = StandingClock(StoreConformance.second(0))
    let settings = options
    let takeOver: () throws -> any JobStore = {
      var options = settings
      options.takesByForce = true
      return try PostgresStore(address, options: options)
    }
    let subject = StoreConformance.Subject(isDurable: true, kept: 1_000, takeOver: takeOver) {
      try PostgresStore(address, options: settings)
    }
    #expect(try claim.run(on: subject))
  }
}
