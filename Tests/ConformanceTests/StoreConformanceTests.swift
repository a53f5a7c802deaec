import JobModel
import MemoryStore
import MoondialScheduler
import MoondialTesting
import TestSupport
import Testing

@Suite("Every store keeps the contract")
struct StoreConformanceTests {
  @Test("memory, as an embedder names it", arguments: StoreConformance.claims)
  func memory(claim: StoreConformance.Claim) throws {
    let isProved = try claim.run(on: StoreConformance.Subject(.memory, isDurable: false))
    #expect(isProved != claim.needsDurability)
  }

  @Test("SQLite, as an embedder names it", arguments: StoreConformance.claims)
  func sqlite(claim: StoreConformance.Claim) throws {
    let directory = try TemporaryDirectory()
    let store = Configuration.Store.sqlite(directory.path("jobs.db"))
    #expect(try claim.run(on: StoreConformance.Subject(store, isDurable: true, kept: 1_000)))
  }

  @Test("a store behind faults that never happen", arguments: StoreConformance.claims)
  func faultless(claim: StoreConformance.Claim) throws {
    _ = try claim.run(on: .init(isDurable: false) { FaultyJobStore(MemoryStore()) { _ in .pass } })
  }
}
