import ArgumentParser
import Chronology
import Glibc
import Hosting
import JobModel
import Scheduling
internal import ScriptLoading
import ScriptRuntime
internal import Triggers

struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Everything that would run in a window of time, on a virtual clock, in milliseconds. No job runs.",
    discussion: "Example:\n  moondial simulate scripts --from 2026-03-28T00:00 --to 2026-03-30T00:00")

  @OptionGroup var scripts: ScriptOptions
  @Option(help: "Begin of the window. Default: now.") var from: String?
  @Option(help: "End of the window, exclusive. Default: one day after its begin.") var to: String?
  @Option(help: "Only this job.") var job: String?
  @Option(help: "At most so many runs.") var limit = 10_000
  @Flag(help: "JSON lines.") var json = false

  func run() throws {
    guard limit > 0 else { throw CommandFailure(.usage, "--limit \(limit): give a number above 0") }
    let session = try ScriptSession(
      scripts.directory, scripts.settings, log: LogRenderer(zone: .utc, threshold: .error), sink: SilentLog())
    let generation = try session.loadOnce()
    for problem in generation.errors + generation.restored { Terminal.error("moondial: \(problem)") }
    let zone = try session.zones.zone(named: session.configuration.timeZone ?? session.systemZone.name)
    let begin = try from.map { try instant($0, "--from", in: zone) } ?? SystemWallClock().now
    let end = try to.map { try instant($0, "--to", in: zone) } ?? begin.advanced(byNanoseconds: 86_400_000_000_000)
    guard begin < end else { throw CommandFailure(.usage, "--to must be later than --from") }
    let stores = try ReadStores(
      session, generation: generation, directory: scripts.directory, state: scripts.settings.stateDirectory)
    let chosen = try job.map {
      [try JobLookup.declared($0, in: generation, scripts.directory, storedIn: stores)]
    }
    let jobs = try (chosen ?? generation.jobs).map { definition in
      var definition = definition
      definition.trigger = try definition.trigger.map { try stores.phased($0, of: definition) }
      return definition
    }
    let known = try KnownSchedules(stores)
    var simulation = ScheduleSimulation(jobs, from: begin)
    var count = 0
    while count < limit, let run = simulation.nextRun(before: end) {
      count += 1
      let time = json ? ISO8601.format(run.scheduledAt, in: zone) : TimeFormat.time(run.scheduledAt, in: zone)
      if json {
        var line = JSONObject()
        line.set("job", run.job)
        line.set("scheduled_at", time)
        line.set("cause", run.cause.rawValue)
        Terminal.json(line.json)
      } else {
        Terminal.line("\(time)  \(run.job)\(run.cause == .schedule ? "" : " (\(run.cause.rawValue))")")
      }
    }
    if !json {
      for job in jobs where known.schedule(of: job)?.isPaused == true {
        Terminal.error("\(job.name) is paused: until it is resumed, its fire times will be skipped")
      }
      for job in jobs where job.enabled {
        if let watch = job.watch { Terminal.error("\(job.name) also runs \(watch.inWords), which nobody can foresee") }
      }
      Terminal.error(count == limit ? "stopped at \(counted(limit, "run")): --limit shows more" : counted(count, "run"))
    }
    if !generation.errors.isEmpty { throw CommandFailure.silent }
  }
}

/// The real scheduler under a virtual clock: claims are durable at once, and every run succeeds in no time.
struct ScheduleSimulation {
  private var core = SchedulerCore(configuration: .init(), stores: ["default"], executors: ["default"])
  private var actions = Evaluation(stores: 1, executors: 1)
  private var now: ClockReading
  private var pending: [RunRecord] = []

  init(_ definitions: [JobDefinition], from begin: Instant) {
    now = ClockReading(wall: begin, monotonic: 0)
    let local = definitions.map { definition in
      var definition = definition
      definition.store = "default"
      definition.executor = "default"
      return definition
    }
    core.start(at: now, into: &actions)
    for definition in local {
      // A fire time on the window's first instant counts; an interval begins with the window.
      let first = definition.trigger.flatMap {
        $0.needsAnchor ? nil : $0.next(after: begin.advanced(byNanoseconds: -1))
      }
      core.add(definition, firstFire: first, at: now, into: &actions)
    }
    flush(at: now)
  }

  /// The next run that would start before `end`, in the order of starts.
  mutating func nextRun(before end: Instant) -> RunRecord? {
    while pending.isEmpty {
      guard let wake = core.nextWake.wall, wake < end else { return nil }
      now.monotonic += max(0, wake.nanoseconds(since: now.wall))
      now.wall = max(now.wall, wake)
      flush(at: now)
    }
    return pending.removeFirst()
  }

  private mutating func flush(at now: ClockReading) {
    repeat {
      core.advance(to: now, into: &actions)
      let claims = actions.stores[0].claims
      let orders = actions.orders[0]
      pending += actions.stores[0].batch.claims
      actions.removeAll()
      guard !claims.isEmpty || !orders.isEmpty else { return }
      core.committed(claims, at: now, into: &actions)
      core.report(
        orders.map { .init(token: $0.token, kind: .ended, startedAt: now.wall) }, at: now, into: &actions)
    } while true
  }
}
