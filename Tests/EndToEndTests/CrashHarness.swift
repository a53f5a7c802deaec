import Chronology
import Foundation
import Glibc
import JobModel
import TestSupport

/// The real binary on many jobs, killed again and again, and after each kill an account of every instant.
///
/// The jobs are on an executor of threads, or of processes: then these are killed too, while the host goes on.
///
/// Two records are compared. One is the store. The other is independent of it: a file per job to which each run appends
/// one line, `job run_id scheduled_at`. What a killed process wrote is in the kernel, so nothing but Moondial itself
/// can lose a line or a row.
struct CrashHarness {
  struct Job: Sendable {
    var name: String
    /// Milliseconds.
    var interval: Int64
    var recovers: Bool
  }

  /// What was found out about one job so far.
  private struct Account {
    /// The first instant that is not accounted for.
    var next: Instant?
    var registeredAt: Instant?
    /// Bytes of its file that were read.
    var bytesRead = 0
    /// By fire time in microseconds: the runs that wrote a line.
    var lines: [Int64: [RunID]] = [:]
  }

  let place: Place
  let jobs: [Job]
  private var accounts: [String: Account] = [:]
  /// Every run row ever seen, in its latest form.
  private var rows: [RunID: RunRecord] = [:]
  private var random: SeededGenerator
  private(set) var oneOffs: OneOffAccount
  private let executor: CrashExecutor
  private(set) var children = ChildKills()
  private(set) var linesRead = 0
  private(set) var instants = 0
  /// What contradicts a promise, in sentences.
  private(set) var violations: [String] = []

  /// More rows than two lives of the host add.
  private static let rowsRead = 20_000

  init(jobs count: Int, seed: UInt64, on executor: CrashExecutor) throws {
    random = SeededGenerator(seed)
    self.executor = executor
    place = try Place()
    try Data("return { \(executor.table) }".utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    let intervals: [Int64] = [50, 100, 200, 500, 500, 1_000, 1_000, 1_500, 2_000, 2_000]
    jobs = (0..<count).map { number in
      Job(name: "j\(1_000 + number)", interval: intervals[number % intervals.count], recovers: number % 3 == 0)
    }
    try FileManager.default.createDirectory(atPath: place.path + "/lines", withIntermediateDirectories: true)
    for (number, first) in stride(from: 0, to: count, by: 25).enumerated() {
      var script =
        CrashExecutor.choice + """
          local function append(ctx)
            local line = string.format("%s %d %.6f\\n", ctx.job, ctx.id, ctx.scheduled_at)
            assert(fs.append("\(place.path)/lines/" .. ctx.job, line))
          end

          """
      for job in jobs[first..<min(count, first + 25)] {
        script += "job \"\(job.name)\" { every = \"\(job.interval)ms\", recover = \(job.recovers), run = append }\n"
      }
      try place.save("jobs\(number).lua", script)
    }
    oneOffs = try OneOffAccount(place)
  }

  private var started: String { "\(jobs.count + OneOffAccount.jobs) jobs" }

  private func start() throws -> HostProcess { try place.host("--allow-all", "--grace", "10s") }

  /// One life that ends at a random moment: while it starts, or soon after.
  mutating func liveAndDie() throws {
    let host = try start()
    if random.next() % 4 > 0 { try host.awaitLine(containing: started) }
    let time = Double(random.next() % 1_200) / 1_000
    let status = executor == .process ? children.live(host, for: time, &random) : host.endWithin(time)
    if let status { violations.append("the host ended by itself with \(status): \(host.text.suffix(2_000))") }
    violations += try children.endHost(host)
  }

  /// One life that ends as it should.
  mutating func liveAndStop() throws {
    let host = try start()
    try host.awaitLine(containing: started)
    _ = host.endWithin(1)
    host.signal(SIGTERM)
    let status = try host.awaitExit()
    if status != 0 { violations.append("a drain ended with \(status): \(host.text.suffix(2_000))") }
  }

  // MARK: The account

  /// Reads both records and adds what contradicts a promise to `violations`. No host is up.
  mutating func account(wasStopped: Bool = false) throws {
    guard FileManager.default.fileExists(atPath: place.store) else { return checkNothingRan() }
    let store: any JobStore
    do { store = try openStore(place.store, .reader) } catch {
      // Killed before the file was a store.
      if rows.isEmpty { return checkNothingRan() }
      throw error
    }
    defer { store.close() }
    let recent = try store.runs(RunQuery(limit: Self.rowsRead))
    if recent.count == Self.rowsRead, let oldest = recent.last?.id, rows[oldest] == nil {
      violations.append("the harness reads too few rows: \(oldest) is new")
    }
    for row in recent { rows[row.id] = row }
    let runs = Dictionary(grouping: rows.values.filter { $0.cause == .schedule && $0.schedule == nil }, by: \.job)
    let ranges = Dictionary(grouping: try store.decisions(DecisionQuery(limit: Self.rowsRead)), by: \.job)
    let records = try store.schedules()
    let schedules = Dictionary(
      records.filter { $0.dynamic == nil }.map { ($0.job, $0) }, uniquingKeysWith: { first, _ in first })
    for job in jobs {
      checkInstants(job, schedules[job.name], runs: runs[job.name] ?? [], ranges: ranges[job.name] ?? [])
      checkLines(job)
    }
    checkRecoveries()
    checkCrashes()
    violations += oneOffs.check(rows.values, records)
    if wasStopped {
      for row in recent where row.outcome == nil && row.claimedAt != nil {
        violations.append("run \(row.id) of \(row.job) is still claimed after a drain")
      }
    }
    let report = try examination(of: store)
    for damage in report.damages { violations.append("integrity: \(damage)") }
  }

  private mutating func checkNothingRan() {
    for job in jobs where !place.text("lines/\(job.name)").isEmpty {
      violations.append("\(job.name) ran, and there is no store")
    }
  }

  /// Every instant before the schedule's next fire time has one decision, and none after it has any.
  private mutating func checkInstants(
    _ job: Job, _ schedule: ScheduleRecord?, runs: [RunRecord], ranges: [DecisionRange]
  ) {
    var account = accounts[job.name] ?? Account()
    defer { accounts[job.name] = account }
    guard let schedule, let next = schedule.nextFire else {
      if account.registeredAt != nil { violations.append("\(job.name): its schedule is lost") }
      return
    }
    if let known = account.registeredAt, known != schedule.registeredAt {
      violations.append("\(job.name): it was registered anew")
    }
    account.registeredAt = schedule.registeredAt
    let interval = job.interval * 1_000_000
    var instant = account.next ?? schedule.registeredAt.advanced(byNanoseconds: interval)
    if next < instant { violations.append("\(job.name): its next fire time went back from \(instant) to \(next)") }
    let claimed = Dictionary(grouping: runs, by: \.scheduledAt)
    for run in runs where run.scheduledAt >= next {
      violations.append("\(job.name): run \(run.id) is for \(run.scheduledAt), and the schedule says \(next) is next")
    }
    while instant < next {
      let deciding = (claimed[instant] ?? []).count + ranges.count { $0.first <= instant && instant <= $0.last }
      if deciding != 1 { violations.append("\(job.name): \(instant) has \(deciding) decisions") }
      instants += 1
      instant = instant.advanced(byNanoseconds: interval)
    }
    if instant != next { violations.append("\(job.name): \(next) is not in the phase of its schedule") }
    account.next = next
  }

  /// Every new line has its row, and no fire time has two lines unless the second run makes good for an interrupted
  /// one.
  private mutating func checkLines(_ job: Job) {
    var account = accounts[job.name] ?? Account()
    defer { accounts[job.name] = account }
    let text = place.text("lines/\(job.name)")
    let fresh = text.utf8.dropFirst(account.bytesRead)
    account.bytesRead = text.utf8.count
    for line in String(fresh)?.split(separator: "\n") ?? [] {
      let parts = line.split(separator: " ")
      guard parts.count == 3, parts[0] == job.name, let number = Int64(parts[1]), let seconds = Double(parts[2]) else {
        violations.append("\(job.name): a torn line: \(line)")
        continue
      }
      linesRead += 1
      let id = RunID(number)
      let microseconds = Int64((seconds * 1e6).rounded())
      guard let row = rows[id], row.job == job.name, row.claimedAt != nil else {
        violations.append("\(job.name): run \(id) ran without a claim on disk")
        continue
      }
      if abs(row.scheduledAt.nanoseconds / 1_000 - microseconds) > 1 {
        violations.append("\(job.name): run \(id) was told another fire time than its row has")
      }
      let earlier = account.lines[microseconds] ?? []
      if earlier.contains(id) { violations.append("\(job.name): run \(id) ran twice") }
      if !earlier.isEmpty, !(job.recovers && row.cause == .recovery) {
        violations.append("\(job.name): \(row.scheduledAt) ran as \(earlier.map(\.description)) and as \(id)")
      }
      account.lines[microseconds, default: []].append(id)
    }
  }

  /// Each interrupted run of a job that asked for it has a run that makes good for it, and no other has.
  private mutating func checkRecoveries() {
    let asks = Set(jobs.filter(\.recovers).map(\.name))
    let recovered = Set(rows.values.compactMap(\.recovers))
    for row in rows.values {
      if row.outcome == .interrupted, asks.contains(row.job), !recovered.contains(row.id) {
        violations.append("\(row.job): run \(row.id) was interrupted and not recovered")
      }
      if let of = row.recovers, !asks.contains(row.job) {
        violations.append("\(row.job): run \(of) was recovered unasked")
      }
    }
  }

  /// A run crashes when its process was killed, and for no other reason.
  private mutating func checkCrashes() {
    if crashed > children.killed {
      violations.append("\(crashed) runs have crashed, and \(children.killed) processes were killed")
    }
    for row in rows.values where row.outcome == .crashed && row.error?.message.contains("SIGKILL") != true {
      violations.append("run \(row.id) of \(row.job) crashed otherwise: \(row.error?.message ?? "")")
    }
  }

  var crashed: Int { rows.values.count { $0.outcome == .crashed } }
  var interrupted: Int { rows.values.count { $0.outcome == .interrupted } }
  var recoveries: Int { rows.values.count { $0.cause == .recovery } }
}
