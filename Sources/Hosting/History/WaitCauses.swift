internal import Basics
internal import Chronology
internal import Executors
internal import JobModel
internal import ScriptLoading
internal import ScriptRuntime

/// What a run that has not ended waits for, as far as stores, scripts and configuration tell: the questions of the
/// scheduler, in its order, asked from outside.
struct WaitCauses {
  let open: OpenRuns
  /// Jobs by name, as scripts declare them now.
  let jobs: [String: JobDefinition]
  let configuration: HostConfiguration
  let zone: TimeZoneRules
  /// Where a claimed run is, if it is not on the host that tells.
  let whereabouts: (RunID) -> String?
  /// Starts of a job since an instant, in no order.
  let starts: (_ job: String, _ since: Instant) throws(StoreError) -> [RecordedStart]

  func message(of run: RunRecord) throws(StoreError) -> String {
    switch open.phase(of: run) {
    case .leftOver:
      return "claimed, and the host that claimed it is gone: the next one records it as interrupted"
    case .retrying(let at):
      return "its \(ordinal(run.attempts)) attempt has failed; it waits for its next one until \(time(at))"
    case .parked(let park): return "parked \(park.words { time($0) }), and goes on then from its start"
    case .running: return try running(run)
    case .stuck: return "beyond its timeout, and it does not end: its worker is given up"
    case .waiting: return try waiting(run)
    }
  }

  private func running(_ run: RunRecord) throws(StoreError) -> String {
    if let due = run.resumesAt {
      var obstacle: String?
      if let job = jobs[run.job] { obstacle = try limit(on: job) }
      return "its next attempt was due at \(time(due)): it runs, or waits \(obstacle ?? "for a free worker")"
    }
    let since = "claimed at \(time(run.claimedAt ?? open.now))"
    if let place = whereabouts(run.id) {
      return run.startedAt.map { "running since \(time($0)) \(place)" } ?? "\(since): \(place)"
    }
    guard let job = jobs[run.job] else { return "\(since), and has not ended" }
    let workers =
      configuration.executors[job.executor].map { $0.workers ?? StepPool.Configuration().workers }
      ?? StepPool.Configuration().workers
    let others = open.all.count { $0.phase == .running && jobs[$0.record.job]?.executor == job.executor }
    guard others > workers else { return "running since \(time(run.startedAt ?? run.claimedAt ?? open.now))" }
    return "\(since): it runs, or waits for a free worker (\(others) runs for \(counted(workers, "worker")))"
  }

  private func waiting(_ run: RunRecord) throws(StoreError) -> String {
    guard open.isHosted else { return "waits for a host: none is up" }
    guard let job = jobs[run.job] else {
      return "due, and waits to be claimed, for an instance to end, or for its group or rate"
    }
    let instances = (open.ofJob[run.job] ?? []).map(\.record).filter { $0.claimedAt != nil || $0.park != nil }
    if instances.count >= job.maxInstances {
      let names = instances.prefix(5).map { "run \($0.id)" }.joined(separator: ", ")
      return "waits in the queue of its job (overlap = \"\(job.overlap.rawValue)\") until \(names) ends "
        + "(max_instances = \(job.maxInstances))"
    }
    if run.cause == .event, let debounce = job.debounce, run.scheduledAt.advanced(byNanoseconds: debounce) > open.now {
      return "waits for the events to stop for \(TimeFormat.span(debounce)) (debounce)"
    }
    if let limit = try limit(on: job) { return "waits \(limit)" }
    return "due, and waits to be claimed: what has a higher priority, or was due before, comes first"
  }

  /// `for a slot in group "db" (…)`; nil when no limit is in its way.
  private func limit(on job: JobDefinition) throws(StoreError) -> String? {
    if let rate = job.rate, let free = try freeAgain([job.name], rate) {
      return "for its rate (\(rate)): the next start is possible at \(time(free))"
    }
    guard let name = job.group, let group = configuration.groups[name] else { return nil }
    let members = jobs.values.filter { $0.group == name }.map(\.name)
    if let max = group.max {
      let holders = members.flatMap { open.ofJob[$0] ?? [] }.filter { $0.phase == .running }.map(\.record)
      if holders.count >= max {
        let names = holders.sorted { $0.id < $1.id }.prefix(5).map { "run \($0.id) of \($0.job)" }
        return "for a slot in group \"\(name)\" (max = \(max)): \(names.joined(separator: ", ")) must end first"
      }
    }
    if let rate = group.rate, let free = try freeAgain(members, rate) {
      return "for the rate of group \"\(name)\" (\(rate)): the next start is possible at \(time(free))"
    }
    return nil
  }

  /// When a rate that is used up lets the next run start; nil when it is not used up.
  private func freeAgain(_ members: [String], _ rate: RateLimit) throws(StoreError) -> Instant? {
    let since = open.now.advanced(byNanoseconds: -rate.window)
    var times: [Instant] = []
    for member in members {
      for start in try starts(member, since) { times += Array(repeating: start.at, count: start.attempts) }
      let running = (open.ofJob[member] ?? []).map(\.record)
      times += running.compactMap { $0.lastStartedAt ?? $0.claimedAt }.filter { $0 > since }
    }
    guard times.count >= rate.count else { return nil }
    return times.sorted(by: >)[rate.count - 1].advanced(byNanoseconds: rate.window)
  }

  private func time(_ instant: Instant) -> String { TimeFormat.time(instant, in: zone) }

  private func ordinal(_ number: Int32) -> String {
    let last = number % 100 / 10 == 1 ? 0 : number % 10
    return "\(number)" + (last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th")
  }
}
