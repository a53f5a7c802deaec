import Foundation
import PostgresFixture
import Testing

/// `make cluster-test` lets it go on for `MOONDIAL_CLUSTER_SECONDS`; `MOONDIAL_SEED` repeats the order of accidents.
@Suite("Several hosts on one PostgreSQL store", .serialized, .enabled(if: PostgresServer.isInstalled))
struct ClusterTests {
  @Test(
    "whatever happens to hosts and server, each instant has one decision, and no run begins twice or beside another")
  func accidents() throws {
    let environment = ProcessInfo.processInfo.environment
    let seconds = environment["MOONDIAL_CLUSTER_SECONDS"].flatMap { Double($0) } ?? 40
    let hosts = environment["MOONDIAL_CLUSTER_HOSTS"].flatMap { Int($0) } ?? 3
    let jobs = environment["MOONDIAL_CLUSTER_JOBS"].flatMap { Int($0) } ?? 30
    let seed = environment["MOONDIAL_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1_000_000_000)
    print("cluster: \(seconds) s, \(hosts) hosts, \(jobs) jobs, seed \(seed)")
    var harness = try ClusterHarness(hosts: hosts, jobs: jobs, seed: seed)
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
    let takeovers = harness.takeovers.map { String(format: "%.2f", $0) }.joined(separator: ", ")
    print(
      "cluster: \(accidents) accidents, \(harness.instants) instants decided, \(harness.linesRead) runs, "
        + "\(harness.interrupted) interrupted; seconds from a leader's death to the next run: \(takeovers)")
  }
}
