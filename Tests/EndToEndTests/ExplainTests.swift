import Chronology
import Foundation
import JobModel
import Testing

/// What `explain` says about a store whose runs and ranges are known.
@Suite("explain, end to end", .serialized, .timeLimit(.minutes(5)))
struct ExplainTests {
  private struct Noon: WallClock {
    let now: Instant
  }

  /// Noon of a day, UTC, and some seconds.
  private static func at(_ seconds: Double) -> Instant {
    Instant(seconds: 1_767_268_800).advanced(byNanoseconds: Int64(seconds * 1e9))
  }

  private func run(_ id: Int64, due: Double, claimed: Double, ended: Double, missed: Int = 0) -> RunRecord {
    var run = RunRecord(
      id: RunID(id), job: "job", cause: .schedule, scheduledAt: Self.at(due), claimedAt: Self.at(claimed))
    run.startedAt = Self.at(claimed)
    run.finishedAt = Self.at(ended)
    run.outcome = .succeeded
    run.attempts = 1
    run.missed = missed
    return run
  }

  private func range(_ kind: DecisionKind, _ due: Double, run: RunID? = nil) -> DecisionRange {
    DecisionRange(
      job: "job", kind: kind, first: Self.at(due), last: Self.at(due), count: 1, clockEpoch: ClockEpoch(0),
      decidedAt: Self.at(due + 1), run: run)
  }

  /// A place whose host came up at noon.
  private func place(_ runs: [RunRecord], _ ranges: [DecisionRange] = []) throws -> Place {
    let place = try Place()
    try FileManager.default.createDirectory(atPath: place.path + "/.moondial", withIntermediateDirectories: true)
    let store = try openStore(place.store, clock: Noon(now: Self.at(0)))
    var batch = StoreBatch()
    batch.schedules = [ScheduleRecord(job: "job", trigger: nil, registeredAt: Self.at(-100_000))]
    batch.finished = runs
    batch.decisions = ranges
    try store.commit(batch)
    store.close()
    return place
  }

  @Test(
    "why a claim was late",
    arguments: [
      (3_600.2, 3_600.3, 0, nil),
      (-40, 0.5, 0, "claimed 40.5 s late: no host was up until 2026-01-01T12:00:00Z"),
      (7_200, 7_230, 0, "claimed 30.0 s late: run 1 of the job went on until then"),
      (
        3_600, 3_602.5, 0,
        "claimed 2.5 s late: by its jitter, or because the host stood still (stopped, starved, or the machine slept), "
          + "the claim window was full or the store did not write"
      ),
      (
        3_600, 3_602.5, 2,
        "claimed 2.5 s late: the host was down or stood still, the machine slept, or the claim window was full"
      ),
    ] as [(Double, Double, Int, String?)])
  func lateClaims(due: Double, claimed: Double, missed: Int, message: String?) throws {
    let place = try place([
      run(1, due: 7_170, claimed: 7_170, ended: 7_229.95),
      run(2, due: due, claimed: claimed, ended: claimed + 1, missed: missed),
    ])
    let ended = try place.run("explain", "job", "--limit", "1")
    let line = try #require(ended.output.first { $0.contains("run 2") })
    if let message { #expect(line.contains("(\(message))")) } else { #expect(!line.contains("claimed")) }
  }

  @Test(
    "--at finds a fire time by as much of it as was typed",
    arguments: [
      ("2026-01-01T13:00:07Z", true), ("2026-01-01T13:00:07.304Z", true), ("2026-01-01T13:00:07.304648Z", true),
      ("2026-01-01T13:00:07.303Z", false), ("2026-01-01T13:00:08Z", false),
    ])
  func instants(text: String, isFound: Bool) throws {
    let due = 3_607.304_648
    for place in try [place([run(1, due: due, claimed: due, ended: due + 1)]), place([], [range(.misfired, due)])] {
      let output = try place.run("explain", "job", "--at", text).output
      let line = try #require(output.first)
      #expect(output.count == 1 && line.contains("was not a fire time of this job") == !isFound, "\(output)")
    }
  }

  @Test("a range that names a run which was never claimed says so")
  func neverClaimed() throws {
    let place = try place(
      [run(1, due: 10, claimed: 10, ended: 11), run(4, due: 40, claimed: 40, ended: 41)],
      [range(.coalesced, 20, run: RunID(3)), range(.misfired, 30), range(.coalesced, 35, run: RunID(4))])
    let output = try place.run("explain", "job").output
    let first = try #require(output.first { $0.hasPrefix("2026-01-01T12:00:20Z") })
    #expect(
      first.hasSuffix("coalesced into run 3, which was never claimed: what became of its own fire time is told apart"))
    #expect(output.contains { $0.hasPrefix("2026-01-01T12:00:35Z") && $0.hasSuffix("coalesced into run 4") })
  }

  private static let jobs = """
    job "asked" { run = function() end }
    job "other" { run = function() end }
    job "starts" { run_at_start = true, run = function() end }
    job "heard" { on = { "a", "b" }, after = { job = "other", outcome = "failed" }, run = function() end }
    job "timed" { cron = "0 3 1 1 *", on = "a", run = function() end }
    job "off" { cron = "0 3 1 1 *", enabled = false, run = function() end }
    job "deaf" { on = "a", enabled = false, run = function() end }
    job "unasked" { enabled = false, run = function() end }
    job "both" { after = { all = { "asked", "other" } }, run = function() end }
    """

  @Test("what lets a job run, and what keeps it from it, from the host and from the store")
  func standing() throws {
    let place = try Place()
    try place.save("jobs.lua", Self.jobs)
    try Data("return { timezone = 'UTC' }".utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    let host = try place.host()
    try host.awaitLine(containing: "9 jobs from 1 script")
    func explained(_ job: String, _ lines: [String]) throws {
      for stored in [[], ["--stored"]] {
        let ended = try HostProcess.run(["explain", job] + stored, in: place.path)
        #expect(Array(ended.output.prefix(lines.count)) == lines, "\(job) \(stored): \(ended)")
      }
    }
    let asked = try place.run("trigger", "asked", "--wait")
    #expect(asked.status == 0, "\(asked)")
    let run = try #require(try place.run("history", "asked", "--json").output.first?.firstMatch(of: #/"id":(\d+)/#)).1
    #expect(try place.run("pause", "heard", "--reason", "a feast").status == 0)
    #expect(try place.run("pause", "deaf").status == 0)
    let year = Calendar(identifier: .gregorian).dateComponents(in: .gmt, from: Date()).year! + 1
    try explained("asked", ["no trigger: runs only when asked"])
    try explained("starts", ["no trigger: runs at each start of the host or when asked"])
    try explained(
      "heard",
      ["paused (a feast): it does not run on the events \"a\" or \"b\" or after a failure of other, only when asked"])
    try explained("timed", ["next fire time \(year)-01-01T03:00:00Z; it also runs on the event \"a\""])
    try explained("off", ["disabled (enabled = false); next fire time \(year)-01-01T03:00:00Z will be skipped"])
    try explained(
      "deaf", ["disabled (enabled = false) and paused: it does not run on the event \"a\", only when asked"])
    try explained("unasked", ["disabled (enabled = false): it runs only when asked, as it would anyway"])
    let both = "no trigger: runs after all of asked, other or when asked"
    try explained(
      "both", [both, "it waits for other: asked (run \(run)) succeeded since this job was last let run by them"])
    #expect(try place.run("trigger", "other", "--wait").status == 0)
    try explained(
      "both", [both, "it waits for asked and other: none has succeeded since this job was last let run by them"])
    #expect(try place.run("pause", "--all").status == 0)
    let everything = try place.run("explain", "timed").output
    #expect(
      everything.contains("paused with everything; next fire time \(year)-01-01T03:00:00Z will be skipped"),
      "\(everything)")
  }
}
