import Foundation
import Testing

/// `make crash-test` kills 200 times (`MOONDIAL_CRASHES`); `MOONDIAL_SEED` repeats the moments of an earlier test.
@Suite("kill -9 under runs with steps", .serialized)
struct StepCrashTests {
  @Test(
    "each run comes through, no stored step is done again, and nothing that was committed is lost or doubled",
    arguments: CrashExecutor.allCases)
  func kills(executor: CrashExecutor) throws {
    let environment = ProcessInfo.processInfo.environment
    let crashes = environment["MOONDIAL_CRASHES"].flatMap { Int($0) } ?? 10
    let seed = environment["MOONDIAL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000_000)
    let again = "MOONDIAL_SEED=\(seed) MOONDIAL_CRASHES=\(crashes) swift test --filter StepCrashTests"
    print("step crashes on \(executor): \(crashes), seed \(seed); again: \(again)")
    var harness = try StepCrashHarness(seed: seed, on: executor)
    for number in 1...crashes {
      try harness.liveAndDie()
      #expect(harness.violations == [], "after crash \(number), seed \(seed)")
      guard harness.violations.isEmpty else { return }
    }
    try harness.finish()
    #expect(harness.violations == [], "at the end, seed \(seed)")
    #expect(harness.completed > 3, "runs did come through")
    print(
      "step crashes: \(harness.completed) runs came through, \(harness.interrupted) were interrupted, "
        + "\(harness.executed) steps were done")
  }
}
