import Foundation
import MongoFixtures
import PostgresFixture
import Testing

/// `make cluster-test` lets it go on for `MOONDIAL_CLUSTER_SECONDS`; `MOONDIAL_SEED` repeats the order of accidents.
@Suite("Several hosts on one store", .serialized)
struct ClusterTests {
  private static let environment = ProcessInfo.processInfo.environment

  private static let hosts = environment["MOONDIAL_CLUSTER_HOSTS"].flatMap { Int($0) } ?? 3

  private func account(
    _ kind: String, _ server: ClusterServer, seconds standard: Double, skews: [Int] = []
  ) throws {
    let (environment, hosts) = (Self.environment, Self.hosts)
    let seconds = environment["MOONDIAL_CLUSTER_SECONDS"].flatMap { Double($0) } ?? standard
    let jobs = environment["MOONDIAL_CLUSTER_JOBS"].flatMap { Int($0) } ?? 30
    let seed = environment["MOONDIAL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000_000)
    print("cluster on \(kind): \(seconds) s, \(hosts) hosts, \(jobs) jobs, seed \(seed)")
    var harness = try ClusterHarness(server, hosts: hosts, jobs: jobs, skews: skews, seed: seed)
    let end = Date(timeIntervalSinceNow: seconds)
    var accidents = 0
    while Date() < end, harness.violations.isEmpty {
      try harness.live()
      accidents += 1
    }
    try harness.stop()
    try harness.account()
    #expect(harness.violations == [], "seed \(seed)")
    #expect(harness.linesRead > 100, "the jobs did run")
    func list(_ happened: [ClusterHarness.Accident: Int]) -> String {
      happened.map { "\($0.key) \($0.value)" }.sorted().joined(separator: ", ")
    }
    func list(_ spans: [Double]) -> String { spans.map { String(format: "%.2f", $0) }.joined(separator: ", ") }
    print(
      "cluster on \(kind): \(accidents) accidents (\(list(harness.happened))), \(harness.instants) instants decided, \(harness.linesRead) runs, "
        + "\(harness.interrupted) interrupted; seconds from a leader's death to the next run: \(list(harness.takeovers)); "
        + "from the end of its lease to the next one's beginning: \(list(harness.waits)); "
        + "frozen leaders fenced: \(harness.fenced), runs that they began when they woke up: \(harness.begunLate)")
  }

  @Test(
    "on PostgreSQL, whatever happens to hosts and server, each instant has one decision, and no run begins twice",
    .enabled(if: PostgresServer.isInstalled))
  func postgres() throws { try account("PostgreSQL", .postgres(hosts: Self.hosts), seconds: 60) }

  /// What has been decided by a clock that is ahead is not decided again by one that is behind it: its hosts wait.
  @Test(
    "on PostgreSQL, with clocks that are seconds ahead and behind, no instant is decided twice and none is left out",
    .enabled(if: PostgresServer.isInstalled))
  func skewed() throws {
    try account("PostgreSQL, clocks differ", .postgres(hosts: Self.hosts), seconds: 30, skews: [0, 5, -5])
  }

  @Test(
    "on MongoDB, whatever happens to hosts and server, each instant has one decision, and no run begins twice",
    .enabled(if: MongoProcess.isThere), arguments: MongoProcess.Kind.allCases)
  func mongo(kind: MongoProcess.Kind) throws {
    try account("MongoDB (\(kind))", .mongo(kind), seconds: 20)
  }
}
