import Chronology
import Foundation
import Glibc
import Hosting
import JobModel
import PostgresFixture
import TestSupport

/// Several hosts, as processes, that name one store on a server, and what can happen to them: killed, stopped for
/// longer than their lease, their connections cut, delayed or half-open, the server restarted, its disk full. Then an
/// account of every instant.
///
/// Two records are compared. One is the store. The other is independent of it: a file per job to which each run appends
/// a line when it begins and one when it ends.
struct ClusterHarness {
  enum Accident: CaseIterable {
    case killLeader, killStandby, freezeLeader, freezeStandby, stopLeader, cutConnections, restartServer, crashServer,
      delayLink, stallLeader, stallStandby, fillDisk
  }

  struct Job: Sendable {
    var name: String
    /// Milliseconds.
    var interval: Int64
    var recovers: Bool
  }

  /// Seconds.
  static let lease = 2.0

  let place: Place
  let server: ClusterServer
  let jobs: [Job]
  private var hosts: [HostProcess?]
  private var random: SeededGenerator
  private(set) var violations: [String] = []
  private(set) var instants = 0
  private(set) var linesRead = 0
  private(set) var interrupted = 0
  /// Seconds from each death of a leader to the first line of the next one.
  private(set) var takeovers: [Double] = []
  /// Seconds, by the server's clock, from the end of each dead leader's lease to the beginning of the next one's.
  private(set) var waits: [Double] = []
  /// Leaders that were frozen for longer than their lease, and found out.
  private(set) var fenced = 0
  /// Hosts that stood by and were frozen for longer than their lease.
  private(set) var thawed = 0
  /// Runs that a frozen host began when it woke up.
  private(set) var begunLate = 0
  /// How often each accident was.
  private(set) var happened: [Accident: Int] = [:]
  private let began = Date()
  /// The process of a host that was killed.
  private var lastLeader = ""

  /// The variable that sets each host's clock; nil: it has the machine's.
  private let clocks: [String?]

  /// - Parameter skews: whole seconds by which the clocks of the hosts are ahead; those beyond it have the machine's.
  init(_ server: ClusterServer, hosts count: Int, jobs jobCount: Int, skews: [Int] = [], seed: UInt64) throws {
    random = SeededGenerator(seed)
    let place = try Place()
    self.place = place
    clocks = try (0..<count).map { index in
      guard index < skews.count, skews[index] != 0 else { return nil }
      return "LD_PRELOAD=\(try place.skewedClock(seconds: skews[index]))"
    }
    self.server = server
    hosts = Array(repeating: nil, count: count)
    // Of two hundred jobs and more some 400 are due each second, so that a debug build on two processors keeps up.
    let intervals: [Int64] = [200, 500, 500, 1_000, 1_000, 2_000]
    let slower = max(1, Int64(jobCount) / 200)
    jobs = (0..<jobCount).map { number in
      Job(
        name: "j\(1_000 + number)", interval: intervals[number % intervals.count] * slower, recovers: number % 3 == 0)
    }
    try FileManager.default.createDirectory(atPath: place.path + "/lines", withIntermediateDirectories: true)
    let settings = "return { stores = { default = { url = \"\(server.url)\", lease = \"\(Int(Self.lease))s\" } } }"
    try Data(settings.utf8).write(to: URL(fileURLWithPath: place.path + "/moondial.lua"))
    var script = """
      local function note(ctx, what)
        local line = string.format("%s %s %d %.6f\\n", what, ctx.job, ctx.id, ctx.scheduled_at)
        assert(fs.append("\(place.path)/lines/" .. ctx.job, line))
      end
      local function work(ctx)
        note(ctx, "begin")
        sleep("40ms")
        note(ctx, "end")
      end

      """
    for job in jobs {
      script += "job \"\(job.name)\" { every = \"\(job.interval)ms\", recover = \(job.recovers), run = work }\n"
    }
    try place.save("jobs.lua", script)
    for index in hosts.indices { try start(index) }
  }

  private mutating func start(_ index: Int) throws {
    hosts[index] = try place.host(
      "--allow-all", "--grace", "5s", "--state", ".state\(index)", "--set", "node.name=host\(index)", "--set",
      "stores.default.url=\(server.url(of: index))", prefix: clocks[index].map { ["/usr/bin/env", $0] } ?? [])
  }

  // MARK: What happens to them

  /// The host that leads, as the store says; nil: none of them.
  private func leader() throws -> Int? {
    let process = try server.leader()
    return hosts.firstIndex { $0.map { String($0.pid) == process } ?? false }
  }

  /// Waits until a job begins that had not begun before.
  private mutating func awaitProgress(_ what: String) throws {
    let before = size
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while size == before {
      guard Date() < end else {
        violations.append("nothing ran for \(HostProcess.patience) s after \(what): \(said)")
        return
      }
      try startAgain()
      // A host that ends by itself ends the wait; the loop looks again.
      _ = hosts.compactMap(\.self).first?.processEnds(within: 0.05)
    }
  }

  /// A host that begins while the server is away ends with a sentence; whoever watches over it starts it again.
  private mutating func startAgain() throws {
    for index in hosts.indices {
      guard let host = hosts[index], host.processEnds(within: 0) else { continue }
      try host.awaitExit()
      if !host.text.contains("its jobs wait until"), !host.text.contains("look whether it is up") {
        violations.append("a host ended by itself: \(host.text.suffix(2_000))")
      }
      try start(index)
    }
  }

  /// Waits for another host to lead, then for its first run: what the others were given goes on meanwhile.
  private mutating func awaitTakeover(from former: Int?, _ what: String) throws {
    let process = former.flatMap { hosts[$0] }.map { String($0.pid) } ?? lastLeader
    let end = Date(timeIntervalSinceNow: HostProcess.patience)
    while try server.leader() == process {
      guard Date() < end else {
        violations.append("nobody took over for \(HostProcess.patience) s after \(what): \(said)")
        return
      }
      try startAgain()
      _ = hosts.compactMap(\.self).first?.processEnds(within: 0.05)
    }
    try awaitProgress(what)
  }

  private var size: Int {
    jobs.reduce(0) { sum, job in
      let attributes = try? FileManager.default.attributesOfItem(atPath: place.path + "/lines/" + job.name)
      return sum + (attributes?[.size] as? Int ?? 0)
    }
  }

  private var said: String { hosts.compactMap { $0?.text.suffix(1_500) }.map(String.init).joined(separator: "\n--\n") }

  /// Lets them run, then has one thing happen, then waits until they run again.
  mutating func live() throws {
    try awaitProgress("a quiet moment")
    let accidents = server.accidents
    let accident = accidents[Int(random.next() % UInt64(accidents.count))]
    happened[accident, default: 0] += 1
    let leading = try leader()
    switch accident {
    case .killLeader, .killStandby:
      let victim = accident == .killLeader ? leading : hosts.indices.first { $0 != leading }
      guard let victim, let host = hosts[victim] else { return }
      host.signal(SIGKILL)
      try host.awaitExit()
      lastLeader = String(host.pid)
      hosts[victim] = nil
      let began = Date()
      let end = try server.lease("expires_at")
      if accident == .killLeader {
        try awaitTakeover(from: nil, "\(accident)")
      } else {
        try awaitProgress("\(accident)")
      }
      if accident == .killLeader {
        takeovers.append(Date().timeIntervalSince(began))
        if let end, let taken = try server.lease("taken_at") {
          waits.append(taken - end)
          if !(0..<2).contains(taken - end) {
            violations.append("the next leader came \(taken - end) s after the end of the lease")
          }
        }
      }
      try start(victim)
    case .freezeLeader:
      guard let leading, let host = hosts[leading] else { return }
      host.signal(SIGSTOP)
      _ = host.processEnds(within: 0.2)
      try awaitTakeover(from: leading, "a frozen leader")
      host.signal(SIGCONT)
      do {
        try host.awaitLine(containing: "this host begins anew, to stand by")
        fenced += 1
      } catch { violations.append("a leader that thawed was not fenced: \(error)") }
      try awaitProgress("a leader that thawed")
    case .freezeStandby:
      guard let index = hosts.indices.first(where: { $0 != leading }), let host = hosts[index] else { return }
      host.signal(SIGSTOP)
      // Past its lease: what it had is given up, and then it wakes up.
      _ = host.processEnds(within: Self.lease * 1.5)
      try awaitProgress("a frozen host that stood by")
      host.signal(SIGCONT)
      thawed += 1
    case .stopLeader:
      guard let leading, let host = hosts[leading] else { return }
      host.signal(SIGTERM)
      let status = try host.awaitExit()
      if status != 0 { violations.append("a drain ended with \(status): \(host.text.suffix(2_000))") }
      hosts[leading] = nil
      try awaitProgress("a leader that was stopped")
      try start(leading)
    case .delayLink:
      guard let leading, let host = hosts[leading], let link = server.link(of: leading) else { return }
      link.delay = Double(random.next() % 400) / 1_000
      _ = host.processEnds(within: Self.lease * 1.5)
      link.delay = 0
    case .stallLeader:
      guard let leading, let host = hosts[leading], let link = server.link(of: leading) else { return }
      link.stall()
      try awaitTakeover(from: leading, "a leader that the server does not hear")
      link.mend()
      do { try host.awaitLine(containing: "this host begins anew, to stand by") } catch {
        violations.append("a leader that nobody heard was not fenced: \(error)")
      }
    case .stallStandby:
      guard let index = hosts.indices.first(where: { $0 != leading }), let host = hosts[index],
        let link = server.link(of: index)
      else { return }
      link.stall()
      // Past its lease, as one that is frozen.
      _ = host.processEnds(within: Self.lease * 1.5)
      link.mend()
    case .fillDisk:
      guard let leading, let host = hosts[leading] else { return }
      try server.withFullDisk { _ = host.processEnds(within: 3) }
    case .cutConnections: try server.cutConnections()
    case .restartServer: try server.restart()
    case .crashServer: try server.crash()
    }
    try awaitProgress("\(accident)")
  }

  /// Ends all hosts as they should.
  mutating func stop() throws {
    // Six naps for each lease; twenty a second leave room for what else wakes a thread.
    let most = 200 + Int(Date().timeIntervalSince(began) * 20)
    for host in hosts.compactMap(\.self) {
      let naps = try host.naps(of: "store-lease")
      if naps > most { violations.append("the watchman of a lease has woken \(naps) times") }
    }
    for host in hosts.compactMap(\.self) { host.signal(SIGTERM) }
    for host in hosts.compactMap(\.self) { try host.awaitExit() }
    hosts = hosts.map { _ in nil }
  }

  // MARK: The account

  mutating func account() throws {
    let store = try StoreKinds.standard.open(StoreAddress(server.url), StoreRequest(.reader))
    defer { store.close() }
    var rows: [RunID: RunRecord] = [:]
    var before: RunID?
    while true {
      let page = try store.runs(RunQuery(before: before, limit: 5_000))
      for row in page { rows[row.id] = row }
      guard page.count == 5_000 else { break }
      before = page.last?.id
    }
    interrupted = rows.values.count { $0.outcome == .interrupted }
    let runs = Dictionary(grouping: rows.values.filter { $0.cause == .schedule }, by: \.job)
    let ranges = Dictionary(grouping: try store.decisions(DecisionQuery(limit: 100_000)), by: \.job)
    let schedules = Dictionary(try store.schedules().map { ($0.job, $0) }, uniquingKeysWith: { first, _ in first })
    for job in jobs {
      checkInstants(job, schedules[job.name], runs: runs[job.name] ?? [], ranges: ranges[job.name] ?? [])
      checkLines(job, rows)
    }
    let recovered = Set(rows.values.compactMap(\.recovers))
    let asks = Set(jobs.filter(\.recovers).map(\.name))
    for row in rows.values where row.outcome == .interrupted && asks.contains(row.job) && !recovered.contains(row.id) {
      violations.append("\(row.job): run \(row.id) was interrupted and not recovered")
    }
    for row in rows.values where row.outcome == nil && row.claimedAt != nil {
      violations.append("\(row.job): run \(row.id) is still claimed after all hosts have ended")
    }
    violations += try examination(of: store).damages
  }

  /// Every instant before the schedule's next fire time has one decision, and none after it has any.
  private mutating func checkInstants(
    _ job: Job, _ schedule: ScheduleRecord?, runs: [RunRecord], ranges: [DecisionRange]
  ) {
    guard let schedule, let next = schedule.nextFire else {
      violations.append("\(job.name): its schedule is lost")
      return
    }
    let interval = job.interval * 1_000_000
    let claimed = Dictionary(grouping: runs, by: \.scheduledAt)
    for run in runs where run.scheduledAt >= next {
      violations.append("\(job.name): run \(run.id) is for \(run.scheduledAt), and the schedule says \(next) is next")
    }
    var instant = schedule.registeredAt.advanced(byNanoseconds: interval)
    while instant < next {
      let deciding = (claimed[instant] ?? []).count + ranges.count { $0.first <= instant && instant <= $0.last }
      if deciding != 1 { violations.append("\(job.name): \(instant) has \(deciding) decisions") }
      instants += 1
      instant = instant.advanced(byNanoseconds: interval)
    }
    if instant != next { violations.append("\(job.name): \(next) is not in the phase of its schedule") }
  }

  /// Every line has its row; no run begins twice; no fire time has two runs unless the second makes good for an
  /// interrupted one; and no run begins before one that succeeded has ended.
  private mutating func checkLines(_ job: Job, _ rows: [RunID: RunRecord]) {
    var begun: [RunID: Int64] = [:]
    var byFireTime: [Int64: [RunID]] = [:]
    var running: RunID?
    for line in place.text("lines/\(job.name)").split(separator: "\n") {
      let parts = line.split(separator: " ")
      guard parts.count == 4, parts[1] == job.name, let number = Int64(parts[2]), let seconds = Double(parts[3]) else {
        violations.append("\(job.name): a torn line: \(line)")
        continue
      }
      let id = RunID(number)
      guard let row = rows[id], row.job == job.name, row.claimedAt != nil else {
        violations.append("\(job.name): run \(id) ran without a claim in the store")
        continue
      }
      guard parts[0] == "begin" else {
        if running == id { running = nil }
        continue
      }
      linesRead += 1
      let microseconds = Int64((seconds * 1e6).rounded())
      if begun.updateValue(microseconds, forKey: id) != nil { violations.append("\(job.name): run \(id) ran twice") }
      let earlier = byFireTime[microseconds] ?? []
      // A host that was frozen between the claim and the beginning of the run begins it when it wakes up, and ends it
      // at once: the next one has recovered it by then (docs/clustering.md, what is not promised).
      let mayBeLate = fenced + thawed > 0 && row.outcome == .interrupted
      let wasFrozen = mayBeLate && earlier.allSatisfy { rows[$0]?.recovers == id }
      if wasFrozen, !earlier.isEmpty { begunLate += 1 }
      if !earlier.isEmpty, !wasFrozen, !(job.recovers && row.cause == .recovery) {
        violations.append("\(job.name): \(row.scheduledAt) ran as \(earlier.map(\.description)) and as \(id)")
      }
      byFireTime[microseconds, default: []].append(id)
      if let other = running, rows[other]?.outcome == .succeeded, row.outcome == .succeeded {
        violations.append("\(job.name): runs \(other) and \(id) ran at once")
      }
      running = id
    }
  }
}
