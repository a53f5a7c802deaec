import Foundation
import Glibc
import JobModel
import ScriptFixtures
import Testing

/// Many short runs at once on an executor of processes, through the binary, and what is left of them.
@Suite("Bursts of runs on processes, end to end", .serialized, .timeLimit(.minutes(10)))
struct ProcessBurstTests {
  /// Runs of each of three bursts; 10,000 with `MOONDIAL_LONG_TESTS=1`.
  private static let runs = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1" ? 10_000 : 400

  private static let script = """
    job_defaults { executor = 'isolated' }
    job 'short' { max_instances = 100000, run = function(ctx) return ctx.params.n end }
    job 'burst' { executor = 'default', max_instances = 1, run = function(ctx)
      for n = 1, ctx.params.runs do assert(jobs.run('short', { n = n })) end
    end }
    """

  /// What a host has of what the kernel gives.
  private struct Holdings {
    var descriptors: Int
    var children: [ProcessList.Entry]
    /// KB of memory that no file stands for.
    var memory: Int

    init(_ host: HostProcess) throws {
      descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(host.pid)/fd").count
      children = ProcessList().children(of: host.pid)
      let status = try String(contentsOfFile: "/proc/\(host.pid)/status", encoding: .utf8)
      let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
      memory = try #require(line.split(separator: " ").compactMap { Int($0) }.first)
    }
  }

  @Test("each has its result, and the host has no more descriptors, children or memory after them than before")
  func bursts() throws {
    let threads = try rounds(on: .threads)
    let processes = try rounds(on: .process)
    for (number, holdings) in processes.enumerated() {
      #expect(holdings.children.count <= 3 + 1 && !holdings.children.contains { $0.state == "Z" }, "\(number)")
      #expect(holdings.descriptors <= processes[0].descriptors + 4, "\(number)")
    }
    // What the store keeps in memory is the same on both.
    let growth = [threads, processes].map { $0[$0.count - 1].memory - $0[0].memory }
    #expect(growth[1] <= growth[0] + Self.runs, "KB of \(3 * Self.runs) runs on threads, and on processes: \(growth)")
  }

  /// What the host has after each of four bursts.
  private func rounds(on executor: CrashExecutor) throws -> [Holdings] {
    let place = try Place()
    let settings = "type = '\(executor.rawValue)', workers = 3\(executor == .process ? ", recycle_after = 100" : "")"
    try Data("return { executors = { isolated = { \(settings) } }, retention = { runs = false } }".utf8).write(
      to: URL(filePath: place.path + "/moondial.lua"))
    try place.save("a.lua", Self.script)
    let host = try place.host()
    try host.awaitLine(containing: "2 jobs")
    let began = Date()
    let seen = try (1...4).map { round in
      let burst = try place.run("trigger", "burst", "--param", "runs=\(Self.runs)", "--wait")
      try #require(burst.status == 0, "\(burst)")
      try awaitEnds(round * Self.runs, of: place, host)
      return try Holdings(host)
    }
    print(
      "bursts on \(executor): 4 of \(Self.runs) runs in \(Date().timeIntervalSince(began)) s; descriptors "
        + "\(seen.map(\.descriptors)), KB \(seen.map(\.memory)), children \(seen.map(\.children.count))")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let store = try openStore(place.store, .reader)
    defer { store.close() }
    let rows = try store.runs(RunQuery(limit: 5 * Self.runs)).filter { $0.job == "short" }
    #expect(rows.count == 4 * Self.runs && rows.allSatisfy { $0.outcome == .succeeded })
    let results = rows.compactMap { $0.result.flatMap { Int($0.text) } }
    #expect(results.sorted() == (1...Self.runs).flatMap { [$0, $0, $0, $0] })
    return seen
  }

  /// Waits until so many runs have ended.
  private func awaitEnds(_ count: Int, of place: Place, _ host: HostProcess) throws {
    let store = try openStore(place.store, .reader)
    defer { store.close() }
    let end = Date(timeIntervalSinceNow: HostProcess.patience + Double(Self.runs) / 20)
    while Date() < end {
      let rows = try store.runs(RunQuery(limit: 5 * Self.runs))
      if rows.count(where: { $0.job == "short" && $0.outcome != nil }) >= count { return }
      if let status = host.endWithin(0.1) {
        throw HostProcess.Failure(description: "the host ended with \(status): \(host.text.suffix(2_000))")
      }
    }
    Issue.record("the runs have not come to their end: \(host.text.suffix(2_000))")
  }
}
