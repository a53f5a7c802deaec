import ArgumentParser
import Basics
internal import Chronology
import Glibc
import Hosting
import JobModel
import Lua
internal import ScriptLoading
internal import ScriptRuntime
import Synchronization

struct ExecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec",
    abstract: "Run one job now, here, in the foreground, with its log. Exit code 0 if it succeeded, 1 if not.",
    discussion: """
      Examples:
        moondial exec cleanup scripts --param dry=true
        moondial exec alert --event '{"from":1,"to":2}'
        moondial exec import --file in/a.csv --file in/b.csv
      The run is recorded in the store, and `kv` is the job's own, whether a host is up or not. It is the only run: no \
      event is heard, no other job starts, and limits (max_instances, groups, rates) are not asked; what that leaves out \
      is said.
      """)

  @Argument(help: "The job's name.") var job: String
  @OptionGroup var scripts: ScriptOptions
  @Option(help: "A parameter, key=value; the value as JSON, or else as text. May be repeated.") var param: [String] = []
  @Option(
    help: ArgumentHelp(
      "What came with the event: ctx.event.data as JSON, or {\"name\": …, \"data\": …} to say which event it was; of a job "
        + "that runs after another one, {\"job\": …, \"result\": …}.",
      valueName: "json"))
  var event: String?
  @Option(help: "A file, as the job's watch gives it: one of ctx.event.paths. May be repeated.") var file: [String] = []
  @Flag(help: "End with one JSON document on standard output.") var json = false

  func run() throws {
    Signals.block()
    let running = Mutex<SingleRun?>(nil)
    // First of all: a script that does not come to an end of its loading must not outlive a Ctrl-C.
    let signals = try Host.orError { () throws(ThreadError) in
      try Signals(grace: 0, exitWhenStarting: 1) { signal in
        switch signal {
        case .end: running.withLock { $0 }?.cancel()
        case .childEnded: running.withLock { $0 }?.reapOrphans()
        case .reload: break
        }
      }
    }
    let log = LogRenderer(zone: .utc, threshold: .debug)
    log.queueLines()
    let sink = HostLogSink(log)
    let lonely = LonelyServices(log)
    let session = try ScriptSession(
      scripts.directory, scripts.settings, log: log, sink: sink, scheduler: lonely)
    let generation = try session.loadOnce()
    for problem in generation.errors { log.write(.error, problem.description) }
    for problem in generation.restored { log.write(.warn, problem.description) }
    let stored = try ReadStores(
      session, generation: generation, directory: scripts.directory, state: scripts.settings.stateDirectory)
    let definition = try JobLookup.declared(job, in: generation, scripts.directory, storedIn: stored)
    let event = try TriedEvent.json(event, files: file, of: definition, log)
    lonely.use(generation)
    let params = try Parameters.json(param)
    for note in Parameters.unknown(param, declared: definition.params) { log.write(.warn, note) }
    let state = try StateDirectory(making: scripts.settings.stateDirectory)
    let stores = try StoreKinds.standard.open(session.configuration, in: state, .alongside)
    defer {
      sink.stop()
      for (_, store) in stores { store.close() }
    }
    let named = NamedStores(stores)
    session.live.use(stores: named)
    sink.use(stores: named)
    let store = named[definition.store]
    for warning in try Self.limits(definition, stored) { log.write(.warn, warning) }
    let single = try SingleRun(definition, params: params, event: event, session: session, store: store, log: log)
    running.withLock { $0 = single }
    signals.hostIsUp()
    let record = single.run()
    _ = signals
    session.luaHost.stop()
    session.luaHost.services.metrics.say(in: log)
    let left = lonely.summary(after: record, in: generation)
    finish(record, leftOut: left)
    if record.outcome != .succeeded { throw CommandFailure.silent }
  }

  /// What limits would have kept the run from starting now, in a host.
  private static func limits(_ job: JobDefinition, _ stores: ReadStores) throws -> [String] {
    let open = try OpenRuns(stores, now: SystemWallClock().now)
    var warnings: [String] = []
    let active = (open.ofJob[job.name] ?? []).filter { $0.record.claimedAt != nil && $0.phase != .leftOver }
    if active.count >= job.maxInstances {
      let names = active.prefix(5).map { "run \($0.record.id)" }.joined(separator: ", ")
      warnings.append(
        "\(names) of this job is under way (max_instances = \(job.maxInstances)): this one runs at the same time")
    }
    guard open.isHosted else { return warnings }
    if let group = job.group {
      warnings.append(
        "a host is up, and this run does not count in group \"\(group)\": its max and rate do not hold it")
    }
    if let rate = job.rate { warnings.append("a host is up, and this run is not held by the job's rate (\(rate))") }
    return warnings
  }

  private func finish(_ record: RunRecord, leftOut: [String]) {
    guard json else {
      for message in leftOut { Terminal.error("moondial: " + message) }
      let took = TimeFormat.span(record.duration)
      let result = record.result.map { " → \($0.text)" } ?? ""
      let error = record.error.map { ": \($0.message)" } ?? ""
      Terminal.error("\(record.job) #\(record.id): \(record.outcome?.rawValue ?? "?") in \(took)\(result)\(error)")
      if let traceback = record.error?.traceback { Terminal.block(traceback, isError: true) }
      return
    }
    var document = JSONObject()
    document.set("job", record.job)
    ExecCommand.setOutcome(of: record, into: &document)
    if !leftOut.isEmpty { document.set("left_out", json: JSONObject.array(leftOut.map(JSONObject.quote))) }
    Terminal.json(document.json)
  }
  /// The fields that `history --json` has too.
  private static func setOutcome(of record: RunRecord, into run: inout JSONObject) {
    if let outcome = record.outcome { run.set("outcome", outcome.rawValue) } else { run.setNull("outcome") }
    if let result = record.result { run.set("result", stored: result.text) } else { run.setNull("result") }
    if let error = record.error {
      var object = JSONObject()
      object.set("message", error.message)
      object.set("file", error.file)
      object.set("line", error.line)
      object.set("traceback", error.traceback)
      object.set("data", stored: error.data)
      run.set("error", json: object.json)
    } else {
      run.setNull("error")
    }
    if let duration = record.knownDuration {
      run.set("duration_ms", Double(duration) / 1e6)
    } else {
      run.setNull("duration_ms")
    }
    run.set("memory_peak_bytes", record.memoryPeakBytes)
    run.set("attempts", record.attempts)
    run.set("params", stored: record.params?.text)
    run.set("event", stored: record.event?.text)
  }
}
