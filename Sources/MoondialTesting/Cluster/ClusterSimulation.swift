internal import Chronology
internal import JobModel
internal import Scheduling
internal import TestSupport

/// Three to seven hosts on one ``SharedModel`` under a seed: one leads, the others stand by. They freeze and thaw,
/// crash and come back, are drained and resumed; their links break, delay, and lose answers. No thread, no sleep, no
/// real clock.
///
/// After each step no job has more instances than its limit over all hosts that are awake, no run goes on in two of
/// them, and no host that is drained takes the store. At the end, when faults have stopped, one host leads, every due
/// instant has exactly one decision, and every run has an outcome.
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

    package init() {}
  }

  /// One machine.
  struct Member {
    let name: String
    var leading: (host: SimulatedHost, view: SharedModelView, isDoubtful: Bool)?
    var isFrozen = false
    var isDead = false
    var isLinked = true
    var delays = false
    var losesAnswers = false
    var life = 0
    /// As it heard last.
    var isDraining = false
    /// Until when what it runs may end by itself; nil: it does not give anything up.
    var graceEnds: Int64?
    var beatAt = Int64.min

    var isAwake: Bool { !isFrozen && !isDead }
  }

  static let lease: Int64 = 15_000_000_000
  /// How often a host looks at its lease, at least.
  private static let slice: Int64 = 1_000_000_000
  private static let grace: Int64 = 30_000_000_000

  private let seed: UInt64
  private let steps: Int
  var random: SeededGenerator
  let clock: SimulatedClock
  let model: SharedModel
  let definitions: [JobDefinition]
  private let groups: [String: GroupLimit]
  private let rates = RateWitness()
  private let stepWitness = StepWitness()
  var members: [Member]
  var declared: [JobDefinition]
  var drained: Set<String> = []
  /// What hosts have sent that lead no more, and when it arrives.
  var adrift: [(view: SharedModelView, arrivesAt: Int64)] = []
  var report = Report()

  /// - Parameter fences: one that is left out is a planted bug, which some story must find.
  package init(seed: UInt64, steps: Int = 80, fences: SharedModel.Fences = .init()) {
    self.seed = seed
    self.steps = steps
    random = SeededGenerator(seed)
    clock = SimulatedClock(at: Instant(seconds: 1_767_225_600 + random.number(0...86_400 * 300)))
    model = SharedModel(clock: clock, length: Self.lease, fences: fences)
    definitions = SimulatedJobs.make(Int(random.number(1...8)), &random)
    groups = SimulatedJobs.groups(&random)
    declared = definitions
    members = (0..<Int(random.number(3...7))).map { Member(name: "host\($0)") }
    report.hosts = members.count
  }

  package mutating func run() throws -> Report {
    defer { for member in members { member.leading?.host.end() } }
    for _ in 0..<steps where report.violations.isEmpty {
      disturb()
      pass(random.oneIn(10) ? random.number(0...600_000_000_000) : random.number(0...30_000_000_000))
    }
    calm()
    if report.violations.isEmpty {
      report.violations += InvariantChecker.check(
        definitions.map { ($0, true) }, store: model.contents, now: clock.now)
    }
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
      adrift.removeAll { $0.arrivesAt <= moment }
      for index in members.indices where members[index].isAwake { step(index) }
      witness()
      guard now < end else { return }
      var next = min(end, now + Self.slice)
      for member in members where !member.isFrozen {
        if let due = member.leading?.host.nextEvent(wall: clock.now, monotonic: now) { next = min(next, due) }
      }
      restless = next <= now ? restless + 1 : 0
      if restless == 10_000 { report.violations.append("a host asks for a tick at once, 10,000 times in a row") }
      clock.advance(by: max(1, next - now))
    }
  }

  /// What a host that is awake does at this moment.
  mutating func step(_ index: Int) {
    beat(index)
    guard let (host, view, wasDoubtful) = members[index].leading else { return lead(index) }
    if random.oneIn(8) { view.deliverStrays() }
    if members[index].isLinked {
      if random.oneIn(8) || !members[index].delays { view.deliver() }
      if now >= view.surelyUntil - Self.lease + Self.lease / 3 {
        guard model.renew(view.epoch) else {
          report.fenced += 1
          return stepDown(index)
        }
        view.renewed(at: now)
      }
    }
    let isDoubtful = now >= view.surelyUntil - Self.lease / 3
    if isDoubtful, !wasDoubtful {
      report.doubts += 1
      host.leaseIsDoubtful()
    } else if !isDoubtful, wasDoubtful {
      host.leaseIsRegained()
    }
    members[index].leading?.isDoubtful = isDoubtful
    host.tick()
    report.violations += host.violations
    handOver(index, host, view)
  }

  /// Twice in the length of a lease, over a link that is up.
  private mutating func beat(_ index: Int) {
    let member = members[index]
    guard member.isLinked, now >= member.beatAt + Self.lease / 2 else { return }
    guard let isDraining = model.beat(member.name, life: member.life) else {
      if model.join(member.name, life: member.life) {
        members[index].beatAt = .min
        members[index].isDraining = false
        // The drain was of the row that is gone.
        drained.remove(member.name)
      }
      return
    }
    members[index].beatAt = now
    members[index].isDraining = isDraining
  }

  /// A host that leads and is drained ends what it runs, and gives the store up when all is written.
  private mutating func handOver(_ index: Int, _ host: SimulatedHost, _ view: SharedModelView) {
    guard members[index].isDraining || members[index].graceEnds != nil else { return }
    guard let graceEnds = members[index].graceEnds else {
      members[index].graceEnds = now + Self.grace
      host.drain()
      return host.tick()
    }
    if now >= graceEnds { host.cancelAll() }
    guard host.hasEnded, members[index].isLinked else { return }
    model.release(view.epoch)
    report.handovers += 1
    stepDown(index)
  }

  /// Takes the lease if it is free, and begins with what the store knows: the restart path.
  private mutating func lead(_ index: Int) {
    let member = members[index]
    guard member.isLinked, member.beatAt != .min, let epoch = model.take(member.name) else { return }
    if drained.contains(member.name) {
      report.violations.append("\(member.name) takes the store although it is drained")
    }
    report.takeovers += 1
    let view = SharedModelView(model, epoch: epoch, clock: clock)
    view.set(isUp: true, delays: member.delays, losesAnswers: member.losesAnswers)
    rates.hostDied(clockSetAt: .min, absent: [])
    let host = SimulatedHost(
      store: view, clock: clock, seed: seed &+ UInt64(index) &* 1_000 &+ UInt64(epoch), window: 16,
      definitions: declared, groups: groups, rates: rates, steps: stepWitness)
    members[index].leading = (host, view, false)
    host.tick()
  }

  /// Over all hosts that are awake no job runs more often than it may, and no run in two of them.
  private mutating func witness() {
    var instances: [String: Int] = [:]
    var runs: Set<RunID> = []
    for member in members where member.isAwake {
      for (job, run) in member.leading?.host.attempts ?? [] {
        instances[job, default: 0] += 1
        if !runs.insert(run).inserted { report.violations.append("run \(run) of \(job) goes on in two hosts") }
      }
    }
    for job in definitions where instances[job.name, default: 0] > job.maxInstances {
      report.violations.append("job \(job.name) has \(instances[job.name] ?? 0) instances over all hosts")
    }
  }
}
