internal import Chronology
internal import Hosting
package import JobModel
internal import Triggers
package import TestSupport

/// Random jobs for a simulation: every policy, short and long schedules.
package enum SimulatedJobs {
  package static func make(_ count: Int, _ random: inout SeededGenerator) -> [JobDefinition] {
    (0..<count).map { make("job \($0)", &random) }
  }

  /// Groups that the jobs name.
  package static func groups(_ random: inout SeededGenerator) -> [String: GroupLimit] {
    var groups: [String: GroupLimit] = [:]
    for name in groupNames {
      groups[name] = GroupLimit(
        max: random.oneIn(4) ? nil : Int(random.number(1...3)), rate: random.oneIn(2) ? rate(&random) : nil)
    }
    return groups
  }

  private static let groupNames = ["db", "api"]

  private static func rate(_ random: inout SeededGenerator) -> RateLimit {
    let count = Int(random.number(1...12))
    let seconds = random.number(1...300)
    return RateLimit(count: count, window: seconds * 1_000_000_000, text: "\(count)/\(seconds)s")
  }

  private static func make(_ name: String, _ random: inout SeededGenerator) -> JobDefinition {
    var job = JobDefinition(
      name: name, source: SourceLocation(file: "simulated.lua", line: 1), payload: SimulatedPayload())
    switch random.next() % 8 {
    case 0: job.trigger = nil
    case 1: job.trigger = .every(nanoseconds: random.number(2...30) * 1_000_000_000)
    case 2, 3: job.trigger = .every(nanoseconds: random.number(30...900) * 1_000_000_000)
    default:
      let text = random.pick([
        "* * * * *", "*/5 * * * *", "0 * * * *", "30 3 * * *", "*/10 8-18 * * mon-fri", "0 2 * * *",
      ])
      let zone = random.pick(["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
      job.timeZone = zone
      job.trigger = cron(text, in: zone)
    }
    job.coalesce = random.pick([.latest, .latest, .earliest, .all])
    job.catchUpMax = Int(random.number(1...20))
    job.misfireGraceTime = random.oneIn(3) ? random.number(0...120) * 1_000_000_000 : nil
    job.maxInstances = Int(random.number(1...3))
    job.overlap = random.pick([.skip, .skip, .queue, .queueOne, .replace])
    job.priority = Int(random.number(-5...5))
    job.retry =
      random.oneIn(3)
      ? RetryPolicy(
        max: Int(random.number(1...3)), backoff: random.pick([.fixed, .linear, .exponential]), base: 2_000_000_000)
      : nil
    job.recover = random.oneIn(3)
    job.runAtStart = random.oneIn(6)
    job.jitter = random.oneIn(4) ? random.number(1...10) * 1_000_000_000 : 0
    job.limit = random.oneIn(8) ? Int(random.number(1...50)) : nil
    if random.oneIn(3) { job.group = random.pick(groupNames) }
    if random.oneIn(6) { job.rate = rate(&random) }
    if random.oneIn(3) { job.events = ["event"] }
    if random.oneIn(3) {
      job.payload = SimulatedPayload(hasSteps: true)
      // Each time that a parked run goes on counts as a start, and over a restart only the last one is known.
      (job.rate, job.group) = (nil, nil)
    }
    if random.oneIn(6) { job.debounce = random.number(1...30) * 1_000_000_000 }
    return job
  }

  private static let zones = TimeZoneDatabase()

  private static func cron(_ text: String, in zone: String) -> AnyTrigger {
    // The texts and zones above are constants of this file: if one does not parse, the simulation is wrong.
    do {
      let context = TriggerContext(zones: zones, zone: try zones.zone(named: zone))
      return try TriggerBuilder.build("cron", [.string(text)], context: context).trigger
    } catch { preconditionFailure("\(text): \(error)") }
  }
}

/// Code that never differs for a host that is asked whether it has changed, and is never run.
final class SimulatedPayload: PlaceablePayload {
  /// Whether its runs do steps, and park.
  let hasSteps: Bool
  /// Whether other hosts may have its runs.
  let isPlaced: Bool
  /// Of its code: a host with another one is not given the job's runs.
  let version: Int

  init(hasSteps: Bool = false, isPlaced: Bool = false, version: Int = 1) {
    self.hasSteps = hasSteps
    self.isPlaced = isPlaced
    self.version = version
  }

  var placementDigest: String { "version \(version)" }
  var staysWithLeader: String? { isPlaced ? nil : "it asks the scheduler" }

  func difference(from other: any JobPayload) -> PayloadDifference {
    (other as? SimulatedPayload)?.version == version ? .none : .code
  }
}

extension SimulatedJobs {
  /// Jobs of hosts that share a store: most may run on any of them, some ask for a label.
  static func share(_ jobs: [JobDefinition], _ random: inout SeededGenerator) -> [JobDefinition] {
    jobs.map { job in
      guard let payload = job.payload as? SimulatedPayload, !random.oneIn(5) else { return job }
      var job = job
      job.payload = SimulatedPayload(hasSteps: payload.hasSteps, isPlaced: true)
      if random.oneIn(3) { job.onNodes = ["gpu"] }
      return job
    }
  }

  /// The same job in another version of the scripts.
  static func altered(_ job: JobDefinition) -> JobDefinition {
    guard let payload = job.payload as? SimulatedPayload else { return job }
    var job = job
    job.payload = SimulatedPayload(hasSteps: payload.hasSteps, isPlaced: payload.isPlaced, version: payload.version + 1)
    return job
  }
}
