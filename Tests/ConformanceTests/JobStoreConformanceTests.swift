import JobModel
import MemoryStore
import MoondialTesting
import Testing

@Suite("Every store keeps the contract")
struct JobStoreConformanceTests {
  @Test("memory", arguments: JobStoreConformance.claims)
  func memory(claim: JobStoreConformance.Claim) throws {
    _ = try claim.run(on: .init(isDurable: false, kept: MemoryStore.runsPerJob) { MemoryStore() })
  }

  @Test("a store behind faults that never happen", arguments: JobStoreConformance.claims)
  func faultless(claim: JobStoreConformance.Claim) throws {
    _ = try claim.run(on: .init(isDurable: false) { FaultyJobStore(MemoryStore()) { _ in .pass } })
  }
}
