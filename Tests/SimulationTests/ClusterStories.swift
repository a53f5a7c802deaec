import MoondialTesting
import Testing

/// One seed is one story of three to seven hosts. `MOONDIAL_SEEDS=10000` tells so many fresh ones; `MOONDIAL_SEED=n`
/// the one story n, after a failure.
@Suite("Hosts that share a store, under seeds")
struct ClusterStories {
  private func hold(_ seed: UInt64, sourceLocation: Testing.SourceLocation = #_sourceLocation) throws {
    var story = ClusterSimulation(seed: seed)
    let violations = try story.run().violations
    #expect(
      violations == [], "replay: MOONDIAL_SEED=\(seed) swift test --filter ClusterStories",
      sourceLocation: sourceLocation)
  }

  @Test(
    "fixed seeds: one leads, one decision per due instant, limits over all hosts, everything ends",
    arguments: 1...16 as ClosedRange<UInt64>)
  func fixed(seed: UInt64) throws { try hold(seed) }

  @Test("fresh seeds", arguments: SimulationTests.fresh)
  func fresh(seed: UInt64) throws { try hold(seed) }

  @Test("the stories are worth telling: takeovers, freezes, crashes, fenced hosts, doubts, handovers")
  func worth() throws {
    var total = ClusterSimulation.Report()
    var sizes: Set<Int> = []
    for seed in 17...26 as ClosedRange<UInt64> {
      var story = ClusterSimulation(seed: seed)
      let report = try story.run()
      sizes.insert(report.hosts)
      total.runs += report.runs
      total.ranges += report.ranges
      total.takeovers += report.takeovers
      total.crashes += report.crashes
      total.freezes += report.freezes
      total.fenced += report.fenced
      total.doubts += report.doubts
      total.drains += report.drains
      total.handovers += report.handovers
    }
    #expect(sizes.count >= 3, "\(sizes)")
    #expect(total.runs > 300 && total.ranges > 100, "\(total)")
    #expect(total.takeovers > 30 && total.crashes > 10 && total.freezes > 30, "\(total)")
    #expect(total.fenced > 5 && total.doubts > 15 && total.drains > 15 && total.handovers > 5, "\(total)")
  }

  @Test("a canary: hosts that go on writing after another one has taken the store are found out")
  func epochs() throws {
    var fences = SharedModel.Fences()
    fences.epochs = false
    #expect(try isFound(fences))
  }

  @Test("a canary: what was sent over a broken link, and arrives after what was sent over the next, is found out")
  func sessions() throws {
    var fences = SharedModel.Fences()
    fences.sessions = false
    // Found by the seed 90 at the time of writing; sixty seeds before it do not find it, in 20 s.
    #expect(try isFound(fences, from: 85))
  }

  private func isFound(_ fences: SharedModel.Fences, from first: UInt64 = 1) throws -> Bool {
    try (first...first + 300 as ClosedRange<UInt64>).contains { seed in
      var story = ClusterSimulation(seed: seed, fences: fences)
      return try !story.run().violations.isEmpty
    }
  }
}
