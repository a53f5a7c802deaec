import Chronology
import Glibc
import JobModel
import MemoryStore
import MoondialTesting
import SQLiteStore
import Testing

@Suite("Every store keeps the contract")
struct JobStoreConformanceTests {
  @Test("memory", arguments: JobStoreConformance.claims)
  func memory(claim: JobStoreConformance.Claim) throws {
    _ = try claim.run(on: .init(isDurable: false, kept: MemoryStore.runsPerJob) { MemoryStore() })
  }

  @Test("SQLite", arguments: JobStoreConformance.claims, [16_384, 3])
  func sqlite(claim: JobStoreConformance.Claim, largestUnindexedTail: Int) throws {
    let directory = try TemporaryDirectory()
    var options = SQLiteStore.Options()
    options.synchronous = .normal  // The contract is the same, and the suite is quicker.
    options.clock = StoppedClock()  // Or the suite's runs, which are of a fixed day, would soon be too old to keep.
    options.largestUnindexedTail = largestUnindexedTail
    let path = directory.path("moondial.db")
    let settings = options
    let takeOver: () throws -> any JobStore = {
      _ = unsafe unlink(path + ".lock")
      return try SQLiteStore(path, options: settings)
    }
    #expect(
      try claim.run(
        on: .init(isDurable: true, kept: 1_000, takeOver: takeOver) { try SQLiteStore(path, options: settings) }))
  }

  @Test("a store behind faults that never happen", arguments: JobStoreConformance.claims)
  func faultless(claim: JobStoreConformance.Claim) throws {
    _ = try claim.run(on: .init(isDurable: false) { FaultyJobStore(MemoryStore()) { _ in .pass } })
  }
}

private struct StoppedClock: WallClock {
  var now: Instant { Instant(seconds: 1_767_225_600) }
}
