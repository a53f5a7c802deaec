import Chronology
import Foundation
import JobModel
import Testing

/// Rows whose numbers no host wrote: every command reads them or says what is wrong, and a host starts over them or
/// refuses in one sentence.
@Suite("Extreme numbers in a store and on the command line, end to end", .serialized)
struct PlantedNumbersTests {
  private func place(_ batch: StoreBatch) throws -> Place {
    let place = try Place()
    try FileManager.default.createDirectory(atPath: place.path + "/.moondial", withIntermediateDirectories: true)
    try place.save(
      "a.lua",
      """
      job "job" { every = "1h", rate = "5/1m", recover = true, retry = 3, limit = 1000000, misfire_grace_time = "1h",
        coalesce = false, max_instances = 1, overlap = "queue", jitter = "1m", run = function() end }
      """)
    let store = try openStore(place.store)
    try store.commit(batch)
    store.close()
    return place
  }

  /// Every column of every table that has a number, at one end of its range.
  private func batch(_ end: Int64, run id: Int64) -> StoreBatch { batch(run: id) { end } }

  /// The same with a number of its own for each.
  private func batch(run id: Int64, _ number: () -> Int64) -> StoreBatch {
    var at: Instant { Instant(nanoseconds: number()) }
    var small: Int32 { Int32(clamping: number()) }
    var end: Int64 { number() }
    func run(_ id: Int64, _ outcome: Outcome?, isClaimed: Bool = true) -> RunRecord {
      var run = RunRecord(
        id: RunID(id), job: "job", cause: .schedule, scheduledAt: at, claimedAt: isClaimed ? at : nil)
      (run.missed, run.duration, run.memoryPeakBytes, run.attempts) = (Int(end), end, Int(end), small)
      (run.clockEpoch, run.outcome) = (ClockEpoch(small), outcome)
      if isClaimed { run.startedAt = at }
      if outcome != nil { run.finishedAt = at }
      run.error = RunError(message: "x", file: "a.lua", line: Int(end))
      run.recovers = RunID(end)
      return run
    }
    var record = ScheduleRecord(job: "job", trigger: "every \"1h\"", registeredAt: at)
    (record.nextFire, record.anchor, record.lastFire, record.fireCount) = (at, at, at, Int(end))
    record.clockEpoch = ClockEpoch(small)
    var batch = StoreBatch()
    batch.schedules = [record]
    var options = ScheduleOptions()
    (options.jitter, options.misfireGraceTime) = (end, end)
    (options.maxInstances, options.priority) = (Int(end), Int(end))
    record.dynamic = DynamicSchedule(id: "made", options: options)
    batch.schedules.append(record)
    batch.claims = [run(id - 1, nil)]
    batch.waiting = [run(id - 2, nil, isClaimed: false)]
    batch.finished = [run(id, .failed), run(id - 3, .succeeded), run(1, .interrupted)]
    batch.decisions = [
      DecisionRange(
        job: "job", kind: .coalesced, first: at, last: at, count: Int(end), clockEpoch: ClockEpoch(small),
        decidedAt: at, run: RunID(id))
    ]
    let version = FileVersion(device: .max, inode: .max, size: end, modified: end)
    batch.files = [FileMark(job: "job", path: "/x", version: version, run: RunID(id), outcome: .failed, at: at)]
    batch.clockEpoch = ClockEpoch(small)
    return batch
  }

  /// 128 + the signal is a crash; everything else is an answer.
  private func answers(_ place: Place, _ arguments: String...) throws {
    let ended = try HostProcess.run(arguments, in: place.path)
    #expect([0, 1, 2].contains(ended.status), "\(arguments): \(ended.status) \(ended.errors.suffix(20))")
    if ended.status != 0 { #expect(!ended.errors.isEmpty, "\(arguments)") }
  }

  @Test(
    "every command answers over rows with the ends of the numbers",
    arguments: [
      (.max, .max), (.min, .max), (.max, 1_000), (.min, 1_000), (.max, -9_223_372_036_854_775_805),
      (-1, 4_611_686_018_427_387_904),
      (0, 4_611_686_018_427_387_894), (.max - 1, 9_007_199_254_740_993),
    ] as [(Int64, Int64)])
  func rows(end: Int64, id: Int64) throws {
    try ask(try place(batch(end, run: id)), id)
  }

  private static let isLong = ProcessInfo.processInfo.environment["MOONDIAL_LONG_TESTS"] == "1"

  @Test("every command answers over rows of random numbers", arguments: [41, UInt64.random(in: 0...UInt64.max)])
  func randomRows(seed: UInt64) throws {
    var state = seed
    func random(_ count: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int((state >> 33) % UInt64(count))
    }
    let numbers: [Int64] = [
      .min, .min + 1, -9_200_000_000_000_000_000, -1, 0, 1, 2, 7, 1_000, 2_147_483_647, 2_147_483_648,
      1_790_000_000_000_000_000, 9_200_000_000_000_000_000, .max - 1, .max,
    ]
    for _ in 0..<(Self.isLong ? 60 : 2) {
      let id: Int64 = [4, 1_000, 1 << 40][random(3)]
      try ask(try place(batch(run: id) { numbers[random(numbers.count)] }), id)
    }
  }

  @Test("next --batch answers every line", arguments: [42, UInt64.random(in: 0...UInt64.max)])
  func batchLines(seed: UInt64) throws {
    var state = seed
    func pick<T>(_ items: [T]) -> T {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return items[Int((state >> 33) % UInt64(items.count))]
    }
    let keys = ["id", "expr", "timezone", "after", "from", "count", "x", ""]
    let values = [
      #""every '90s'""#, #""cron '0 0 29 2 *'""#, #""rrule 'FREQ=DAILY'""#, #""at(9e18)""#,
      #""every(math.mininteger)""#,
      #""Europe/Berlin""#, #""../etc/passwd""#, #""2026-01-01""#, #""2262-12-31T23:59:59-26:59""#, #""1677-01-01""#,
      "9223372036854775807", "-9223372036854775808", "9223372036854775808", "1e400", "-0", "0.5", "3", "null", "true",
      "{}", "[]", #""\ud800""#, #""\u0000""#, #"{"a":[1,{"b":null}]}"#, "1.", "nul", #"""#, "",
    ]
    let lines = (0..<(Self.isLong ? 20_000 : 300)).map { _ in
      let fields = (0...pick([0, 1, 2, 3, 4])).map { _ in "\"\(pick(keys))\":\(pick(values))" }
      return pick(["{", "{", "{", "[", ""]) + fields.joined(separator: pick([",", ",", ",", " "]))
        + pick(["}", "}", "}", "]", ""])
    }
    let place = try Place()
    let ended = try place.run("next", "--batch", input: lines.joined(separator: "\n") + "\n")
    #expect(ended.status == 0 && ended.errors.isEmpty, "seed \(seed): \(ended.status) \(ended.errors.suffix(10))")
    #expect(ended.output.count == lines.count { !$0.isEmpty }, "seed \(seed)")
  }

  private func ask(_ place: Place, _ id: Int64) throws {
    try answers(place, "history")
    try answers(place, "history", "--json", "--limit", "9223372036854775807")
    try answers(place, "history", "job", "--outcome", "failed")
    try answers(place, "history", "--run", "\(max(1, id))")
    try answers(place, "explain", "job")
    try answers(place, "explain", "job", "--json")
    try answers(place, "explain", "job", "--at", "2262-04-11T23:47:16.854775807Z")
    try answers(place, "doctor")
    try answers(place, "list")
    try answers(place, "list", "--json")
    try answers(place, "exec", "job")
    let host = try place.host()
    let line = try host.awaitLine { $0.contains("moondial") }
    if line.contains("1 job from 1 script") {
      #expect(id < RunID.largest)
      host.signal(SIGTERM)
    } else {
      #expect(line.contains("which no host ever made"), "\(line)")
    }
    let status = try host.awaitExit()
    #expect(status == (id < RunID.largest ? 0 : 1), "\(host.text)")
    try answers(place, "history")
  }

  @Test("numbers on the command line are used or refused")
  func options() throws {
    let place = try place(batch(1_000_000, run: 10))
    for number in ["9223372036854775807", "-9223372036854775808", "-1", "0", "9223372036854775808", "1e9", "nan"] {
      for command in ["history", "explain job", "simulate"] {
        try answers(place, command.components(separatedBy: " "), ["--limit=\(number)"])
      }
      try answers(place, ["history"], ["--run=\(number)"])
      try answers(place, ["run"], ["--grace=\(number)x"])
    }
    for grace in ["-1s", "-106751d"] { #expect(try place.run("run", "--grace=\(grace)").status == 2) }
    for time in ["1677-01-01", "2262-12-31T23:59:59.999999999Z", "2262-12-31T23:59:59-26:59"] {
      try answers(place, ["simulate"], ["--from=\(time)", "--limit=3"])
      try answers(place, ["simulate"], ["--to=\(time)", "--limit=3"])
      try answers(place, ["next", "every '1h'", "cron '0 0 29 2 *'"], ["--after=\(time)"])
      try answers(place, ["next", "every '106751d'"], ["--from=\(time)"])
      try answers(place, ["explain", "job"], ["--at=\(time)"])
    }
  }

  private func answers(_ place: Place, _ command: [String], _ options: [String]) throws {
    let ended = try HostProcess.run(command + options, in: place.path)
    #expect([0, 1, 2].contains(ended.status), "\(command + options): \(ended.status) \(ended.errors.suffix(20))")
  }

  @Test("a huge number of fire times is refused, a large one streams")
  func manyFires() throws {
    let place = try Place()
    for number in ["9223372036854775807", "1000001", "0", "-5"] {
      let ended = try place.run("next", "every '1s'", "-n=\(number)")
      #expect(ended.status == 2, "\(number): \(ended.errors)")
      #expect(ended.errors.contains { $0.contains("1 to 1000000") }, "\(number): \(ended.errors)")
    }
    let many = try place.run("next", "every '1s'", "-n", "2500", "--after", "2026-01-01T00:00:00Z", "--timezone", "UTC")
    #expect(many.output.count == 2_501 && many.output.last == "  2026-01-01T00:41:40Z")
    let json = try place.run("next", "every '1s'", "at '2026-01-02'", "-n", "2500", "--after", "2026-01-01", "--json")
    let documents = try JSONSerialization.jsonObject(with: Data(json.output.joined().utf8)) as? [[String: Any]]
    #expect(documents?.map { ($0["fires"] as? [String])?.count } == [2_500, 1])
  }

  @Test("a backup needs a name")
  func emptyName() throws {
    let place = try place(batch(1_000_000, run: 10))
    let ended = try place.run("backup", "")
    #expect(ended.status == 2 && ended.errors.last?.contains("is empty: name a new file") == true, "\(ended.errors)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.path).sorted() == [".moondial", "scripts"])
  }
}
