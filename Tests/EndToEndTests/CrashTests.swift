import Foundation
import Testing

/// `make crash-test` kills 200 times (`MOONDIAL_CRASHES`); `MOONDIAL_SEED` repeats the moments of an earlier test.
@Suite("kill -9", .serialized)
struct CrashTests {
  @Test(
    "no due instant is left without a decision, none runs twice unless it asked to recover, and the file is sound",
    arguments: CrashExecutor.allCases)
  func kills(executor: CrashExecutor) throws {
    let environment = ProcessInfo.processInfo.environment
    let crashes = environment["MOONDIAL_CRASHES"].flatMap { Int($0) } ?? 5
    let seed = environment["MOONDIAL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000_000)
    print(
      "crashes on \(executor): \(crashes), seed \(seed); again: MOONDIAL_SEED=\(seed) MOONDIAL_CRASHES=\(crashes) swift test --filter CrashTests"
    )
    var harness = try CrashHarness(jobs: executor == .process ? 50 : 250, seed: seed, on: executor)
    for number in 1...crashes {
      try harness.liveAndDie()
      try harness.account()
      #expect(harness.violations == [], "after crash \(number), seed \(seed)")
      guard harness.violations.isEmpty else { return }
    }
    try harness.liveAndStop()
    try harness.account(wasStopped: true)
    #expect(harness.violations == [], "after the drain, seed \(seed)")
    #expect(harness.linesRead > 100, "the jobs did run")
    #expect(harness.oneOffs.planted.count > 8 && harness.oneOffs.ran > 2, "one-offs were made at run time, and did run")
    print(
      "crashes on \(executor): \(harness.instants) instants decided, \(harness.linesRead) runs wrote a line, \(harness.interrupted) interrupted, "
        + "\(harness.recoveries) recovered, \(harness.children.killed) processes killed, \(harness.crashed) crashed, \(harness.oneOffs.planted.count) one-offs planted, \(harness.oneOffs.ran) run"
    )
  }
}

@Suite("kill -9 while files come in", .serialized)
struct FileCrashTests {
  @Test(
    "each file is handled at least once, none is lost, and none is given again after a recorded success",
    arguments: CrashExecutor.allCases)
  func kills(executor: CrashExecutor) throws {
    let environment = ProcessInfo.processInfo.environment
    let crashes = environment["MOONDIAL_CRASHES"].flatMap { Int($0) } ?? 5
    let seed = environment["MOONDIAL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000_000)
    print(
      "file crashes on \(executor): \(crashes), seed \(seed); again: MOONDIAL_SEED=\(seed) MOONDIAL_CRASHES=\(crashes) swift test --filter FileCrashTests"
    )
    var harness = try FileCrashHarness(seed: seed, on: executor)
    for number in 1...crashes {
      try harness.liveAndDie()
      try harness.account()
      #expect(harness.violations == [], "after crash \(number), seed \(seed)")
      guard harness.violations.isEmpty else { return }
    }
    try harness.liveAndStop()
    try harness.account(isComplete: true)
    #expect(harness.violations == [], "after the drain, seed \(seed)")
    print(
      "file crashes on \(executor): \(harness.files) files, \(harness.runs) runs, \(harness.interrupted) interrupted")
  }
}
