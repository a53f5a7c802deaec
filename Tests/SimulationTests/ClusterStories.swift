import MoondialTesting
import Testing

/// One seed is one story of three to seven hosts. `MOONDIAL_SEEDS=10000` tells so many fresh ones; `MOONDIAL_SEED=n`
/// the one story n, after a failure.
@Suite("Hosts that share a store, and run what is placed on them, under seeds")
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

  @Test(
    "seeds that have found faults",
    arguments: [
      1_700, 271_869_134, 300_000_422, 500_002_907, 600_003_309, 700_002_664, 700_014_899, 1_000_029_900,
      1_000_036_268, 1_300_012_623,
    ] as [UInt64])
  func known(seed: UInt64) throws { try hold(seed) }

  @Test("fresh seeds", arguments: SimulationTests.fresh)
  func fresh(seed: UInt64) throws { try hold(seed) }

  @Test("the stories are worth telling: takeovers, freezes, crashes, fenced hosts, doubts, handovers, placed runs")
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
      total.placed += report.placed
      total.lost += report.lost
      total.declined += report.declined
      total.adopted += report.adopted
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
    #expect(try isFound(fences, [.glitch, .glitch, .delays, .run, .run, .event]))
  }

  @Test("a canary: members that are given up before their leases have ended are found out")
  func leases() throws {
    var fences = SharedModel.Fences()
    fences.leases = false
    #expect(try isFound(fences))
  }

  @Test("a canary: a leader that does not know what members have of the one before it is found out")
  func adoption() throws {
    var fences = SharedModel.Fences()
    fences.adoption = false
    #expect(try isFound(fences))
  }

  @Test("a seed is a story: told twice, it is the same")
  func same() throws {
    var (one, other) = (ClusterSimulation(seed: 12), ClusterSimulation(seed: 12))
    let (a, b) = (try one.run(), try other.run())
    #expect("\(a)" == "\(b)" && a.placed > 10, "\(a), \(b)")
  }

  private func isFound(
    _ fences: SharedModel.Fences, _ troubles: [ClusterSimulation.Trouble] = ClusterSimulation.Trouble.all
  ) throws -> Bool {
    try (1...300 as ClosedRange<UInt64>).contains { seed in
      var story = ClusterSimulation(seed: seed, fences: fences, troubles: troubles)
      return try !story.run().violations.isEmpty
    }
  }
}
