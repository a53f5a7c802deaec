import Glibc
import JobModel
import MoondialTesting
import SQLiteStore
import Testing
import TestSupport

@Suite("The SQLite store keeps the contract of every store")
struct SQLiteConformanceTests {
  @Test(
    "every claim, with a long and a short tail without an index", arguments: StoreConformance.claims, [16_384, 3])
  func sqlite(claim: StoreConformance.Claim, largestUnindexedTail: Int) throws {
    let directory = try TemporaryDirectory()
    var options = SQLiteStore.Options()
    options.synchronous = .normal  // The contract is the same, and the suite is quicker.
    // Or the suite's runs, which are of a fixed day, would soon be too old to keep.
    options.clock = StandingClock(start)
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
}
