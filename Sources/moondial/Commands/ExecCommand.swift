import ArgumentParser
import Chronology
import Executors
import Glibc
import Hosting
import JobModel
import JobStores
import Lua
import SchedulerService
import Scheduling
import ScriptHost
import Triggers

struct ExecCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "exec",
    abstract: "Run one job now, here, in the foreground, with its log. Exit code 0 if it succeeded, 1 if not.",
    discussion: """
      Example:
        moondial exec cleanup scripts --param dry=true
      The run is recorded in the store, and `kv` is the job's own, whether a host is up or not.
      """)

  @Argument(help: "The job's name.") var job: String
  @OptionGroup var scripts: ScriptOptions
  @Option(help: "A parameter, key=value; the value as JSON, or else as text. May be repeated.") var param: [String] = []
  @Flag(help: "End with one JSON document on standard output.") var json = false

  func run() throws {
    Signals.block()
    let log = LogRenderer(zone: .utc, threshold: .debug)
    log.queueLines()
    let sink = HostLogSink(log)
    let session = try ScriptSession(scripts.directory, scripts.settings, log: log, sink: sink)
    let generation = try session.loadOnce()
    for problem in generation.errors { log.write(.error, problem.description) }
    for problem in generation.restored { log.write(.warn, problem.description) }
    guard let definition = generation.job(named: job) else {
      let close = closestName(to: job, in: generation.jobs.map(\.name)).map { " (did you mean \"\($0)\"?)" } ?? ""
      throw CommandFailure(.usage, "no job is named \"\(job)\" in \(scripts.directory)\(close)")
    }
    let params = try Parameters.json(param)
    let state = try StateDirectory(making: scripts.settings.stateDirectory)
    let stores = try Stores.open(session.configuration, in: state, mode: .beside)
    defer { for (_, store) in stores { store.close() } }
    let named = NamedStores(stores)
    session.live.use(stores: named)
    sink.use(stores: named)
    let store = named[definition.store]
    let single = try SingleRun(definition, params: params, session: session, store: store, log: log)
    let signals = try Signals { signal in if signal == .end { single.cancel() } }
    let record = single.run()
    _ = signals
    session.luaHost.stop()
    finish(record)
    if record.outcome != .succeeded { throw CommandFailure.silent }
  }

  private func finish(_ record: RunRecord) {
    guard json else {
      let took = Shown.span(record.duration)
      let result = record.result.map { " → \($0.text)" } ?? ""
      let error = record.error.map { ": \($0.message)" } ?? ""
      Terminal.error("\(record.job) #\(record.id): \(record.outcome?.rawValue ?? "?") in \(took)\(result)\(error)")
      if let traceback = record.error?.traceback { Terminal.error(traceback) }
      return
    }
    var document = JSONObject()
    document.set("job", record.job)
    RunRendering.setOutcome(of: record, into: &document)
    Terminal.line(document.json)
  }
}

/// `--param key=value` as one JSON object.
enum Parameters {
  static func json(_ parameters: [String]) throws -> JSONText? {
    guard !parameters.isEmpty else { return nil }
    var object = JSONObject()
    for parameter in parameters {
      guard let equals = parameter.firstIndex(of: "="), equals != parameter.startIndex else {
        throw CommandFailure(.usage, "--param \(parameter): write key=value")
      }
      let value = String(parameter[parameter.index(after: equals)...])
      let key = String(parameter[..<equals])
      if isScalar(value) { object.set(key, json: value) } else { object.set(key, value) }
    }
    return JSONText(object.json)
  }

  /// true, false, null and plain numbers are JSON; everything else is text.
  private static func isScalar(_ text: String) -> Bool {
    if ["true", "false", "null"].contains(text) { return true }
    guard let first = text.utf8.first, first == UInt8(ascii: "-") || (48...57).contains(first), Double(text) != nil
    else {
      return false
    }
    let digits = text.first == "-" ? text.dropFirst() : text[...]
    if digits.count > 1, digits.first == "0", digits.dropFirst().first != "." { return false }
    return text.utf8.allSatisfy { (48...57).contains($0) || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
  }
}
