internal import Chronology
internal import Hosting
internal import JobModel
internal import Scheduling
internal import TestSupport

/// Three to seven hosts on one ``SharedModel`` under a seed: one leads, the others stand by and execute runs that it
/// places on them. They freeze and thaw, crash and come back, are drained and resumed, have other versions of jobs or
/// none; their links break, delay, and lose answers, and some are not heard of although they hear. No thread, no sleep,
/// no real clock.
///
/// After each step no job has more instances than its limit over all hosts that are awake, no group more runs, no run
/// goes on in two of them, none began twice, and no host that is drained takes the store. At the end, when faults have
/// stopped, one host leads, every due instant has exactly one decision, every run has an outcome, what transactions and
/// outboxes asked for is done once, and nobody remembers a placement.
package struct ClusterSimulation {
  package struct Report: Sendable {
    package var violations: [String] = []
    package var hosts = 0
    package var runs = 0
    package var ranges = 0
    package var takeovers = 0
    package var crashes = 0
    package var freezes = 0
    package var fenced = 0
    package var doubts = 0
    package var drains = 0
    /// Leaders that were drained and gave the store up in good order.
    package var handovers = 0
    /// Runs that were placed on members, how many of them were given up with their member or declined by it, and how
    /// many went on under another leader.
    package var placed = 0
    package var lost = 0
    package var declined = 0
    package var adopted = 0

    package init() {}
  }

  /// That a host leads. Without a scheduler: it waits for what leaders before it have placed and nobody may adopt.
  struct Leading {
    let view: SharedModelView
    let inbox: LateInbox
    var host: SimulatedHost?
    var isDoubtful = false
    /// What it has heard of its members.
    var version = -1
  }

  /// One machine.
  struct Member {
    let name: String
    let labels: [String]
    /// nil: it is dead.
    var process: SimulatedProcess?
    var leading: Leading?
    var isFrozen = false
    var isLinked = true
    /// Its beats do not arrive, whatever else does.
    var isMute = false
    var delays = false
    var losesAnswers = false
    /// Another one whenever it begins anew, and whenever its process is another one.
    var life = 0
    var number = 0
    /// Whether it can tell that its former life is over.
    var knowsGone = false
    /// As it heard last.
    var isDraining = false
    /// Until when what it runs may end by itself; nil: it does not give anything up.
    var graceEnds: Int64?
    var beatAt = Int64.min
    /// When it tries to lead at the earliest.
    var leadsAt = Int64.min
    /// Until when nobody can give it up.
    var surelyUntil = Int64.min
    var isDoubtful = false
    /// Jobs that it has in another version, and that it has not.
    var altered: Set<String> = []
    var absent: Set<String> = []
    var reloads = 0

    /// When it went on last after it had been stopped.
    var wokeAt = Int64.min

    var isAwake: Bool { !isFrozen && process != nil }
    var scripts: String { "\(altered.sorted()) \(absent.sorted()) \(reloads)" }
  }

  static let lease: Int64 = 15_000_000_000
  /// How often a host looks at its lease, at least; when faults have stopped, a third of its length is enough.
  var slice: Int64 = 1_000_000_000
  static let grace: Int64 = 30_000_000_000
  /// How long a host that was stopped may take until its runs have ended.
  static let moment: Int64 = 10_000_000

  let seed: UInt64
  private let steps: Int
  var random: SeededGenerator
  let clock: SimulatedClock
  let model: SharedModel
  let definitions: [JobDefinition]
  let troubles: [Trouble]
  let groups: [String: GroupLimit]
  let rates = RateWitness()
  let stepWitness = StepWitness()
  let starts = StartWitness()
  var members: [Member]
  var declared: [JobDefinition]
  var drained: Set<String> = []
  /// What hosts have sent that lead no more, and when it arrives.
  var adrift: [(view: SharedModelView, arrivesAt: Int64)] = []
  /// The same of what its runs for others have sent.
  var strays: [(station: SimulatedStation, arrivesAt: Int64)] = []
  var report = Report()
  /// Runs that went on while the host that led had no such job.
  private var uncounted: Set<RunID> = []

  /// - Parameters:
  ///   - fences: one that is left out is a planted bug, which some story must find.
  ///   - troubles: what happens, as often as each is here.
  package init(
    seed: UInt64, steps: Int = 80, fences: SharedModel.Fences = .init(), troubles: [Trouble] = Trouble.all
  ) {
    self.troubles = troubles
    self.seed = seed
    self.steps = steps
    random = SeededGenerator(seed)
    clock = SimulatedClock(at: Instant(seconds: 1_767_225_600 + random.number(0...86_400 * 300)))
    model = SharedModel(clock: clock, length: Self.lease, fences: fences)
    definitions = SimulatedJobs.share(SimulatedJobs.make(Int(random.number(1...8)), &random), &random)
    groups = SimulatedJobs.groups(&random)
    declared = definitions
    members = []
    for number in 0..<Int(random.number(3...7)) {
      members.append(Member(name: "host\(number)", labels: number == 0 || random.oneIn(3) ? ["gpu"] : []))
    }
    report.hosts = members.count
    for index in members.indices { begin(index) }
  }

  package mutating func run() throws -> Report {
    defer { for member in members { member.process?.end() } }
    for _ in 0..<steps where report.violations.isEmpty {
      disturb()
      pass(random.oneIn(10) ? random.number(0...600_000_000_000) : random.number(0...30_000_000_000))
    }
    calm()
    if report.violations.isEmpty {
      report.violations += InvariantChecker.check(
        definitions.map { ($0, true) }, store: model.contents, now: clock.now)
      report.violations += SimulatedLedger.check(model.contents, definitions, at: clock.now).problems
      report.violations += model.contents.contents.late
      report.violations += memories
    }
    (report.placed, report.lost, report.declined) = model.totals
    report.runs = try model.contents.runs(RunQuery(limit: 1_000_000)).count
    report.ranges = try model.contents.decisions(DecisionQuery(limit: 1_000_000)).count
    return report
  }

  var now: Int64 { clock.monotonic.now.nanoseconds }

  // MARK: Time

  /// Time passes, stopping wherever something is due.
  mutating func pass(_ span: Int64) {
    let end = now + span
    var restless = 0
    while report.violations.isEmpty {
      let moment = now
      for late in adrift where late.arrivesAt <= moment {
        late.view.deliverStrays()
        late.view.deliver()
      }
      for late in strays where late.arrivesAt <= moment { late.station.deliver() }
      adrift.removeAll { $0.arrivesAt <= moment }
      strays.removeAll { $0.arrivesAt <= moment }
      for index in members.indices where members[index].isAwake { step(index) }
      witness()
      guard now < end else { return }
      let next = min(end, now + slice, nextEvent)
      restless = next <= now ? restless + 1 : 0
      if restless == 10_000 { report.violations.append("a host asks for a tick at once, 10,000 times in a row") }
      clock.advance(by: max(1, next - now))
    }
  }

  /// How long word of something is on its way.
  private static let notice: Int64 = 1_000_000

  private var nextEvent: Int64 {
    var next = Int64.max
    for member in members where !member.isFrozen {
      guard let process = member.process else { continue }
      if let due = process.executor.nextEvent { next = min(next, due) }
      if let due = process.placement.nextEvent { next = min(next, max(due, now + Self.notice)) }
      if let due = member.leading?.host?.nextEvent(wall: clock.now, monotonic: now) { next = min(next, due) }
      guard member.isLinked, !member.delays else { continue }
      let hears = member.leading != nil && !member.losesAnswers && process.hasNews
      if hears || process.station?.hasNews == true { next = min(next, now + Self.notice) }
    }
    return next
  }

  // MARK: What must hold

  /// Over all hosts that are awake no job runs more often than it may, no group has more runs, and no run is in two.
  private mutating func witness() {
    guard members.contains(where: { $0.isAwake && $0.process?.executor.running ?? 0 > 0 }) else { return }
    var instances: [String: Int] = [:]
    var inGroups: [String: Int] = [:]
    var runs: Set<RunID> = []
    let groupOf = Dictionary(definitions.map { ($0.name, $0.group) }) { $1 }
    // Whoever leads and has no such job cannot know its group (docs/clustering.md). Another one may believe that it
    // leads, too.
    let unknown = members.first { $0.leading?.host != nil && $0.leading?.view.epoch == model.epoch }?.absent ?? []
    let known = members.contains { $0.wokeAt + Self.moment > now } ? model.contents.contents.runs : [:]
    for member in members where member.isAwake {
      for (job, run) in member.process?.executor.attempts ?? [] {
        // Who has just woken up ends what was given up meanwhile (docs/clustering.md).
        if member.wokeAt + Self.moment > now, known[run]?.outcome != nil { continue }
        instances[job, default: 0] += 1
        if unknown.contains(job) { uncounted.insert(run) }
        if let group = groupOf[job] ?? nil, !uncounted.contains(run) { inGroups[group, default: 0] += 1 }
        if !runs.insert(run).inserted { report.violations.append("run \(run) of \(job) goes on in two hosts") }
      }
    }
    for job in definitions {
      let count = instances[job.name, default: 0]
      if count > job.maxInstances { report.violations.append("job \(job.name) has \(count) instances over all hosts") }
    }
    for (group, count) in inGroups.sorted(by: { $0.key < $1.key }) where count > groups[group]?.max ?? .max {
      report.violations.append("group \(group) has \(count) runs over all hosts")
    }
  }

  /// What is remembered of placements when all is over.
  private var memories: [String] {
    let left = model.placements.map { "run \($0.run) is still placed on \($0.node): \($0.state)" }
    return left
      + members.compactMap { member in
        let memories = member.process?.placement.memories ?? ""
        return memories.isEmpty ? nil : "\(member.name) remembers of placements: \(memories)"
      }
  }
}
