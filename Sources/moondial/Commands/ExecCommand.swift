import ArgumentParser
import Basics
internal import Chronology
import Glibc
import Hosting
import JobModel
import Lua
import SQLiteStore
internal import ScriptLoading
internal import ScriptRuntime
import Synchronization

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
    let session = try ScriptSession(scripts.directory, scripts.settings, log: log, sink: sink)
    let generation = try session.loadOnce()
    for problem in generation.errors { log.write(.error, problem.description) }
    for problem in generation.restored { log.write(.warn, problem.description) }
    guard let definition = generation.job(named: job) else {
      let close = closestName(to: job, in: generation.jobs.map(\.name)).map { " (did you mean \"\($0)\"?)" } ?? ""
      throw CommandFailure(.usage, "no job is named \"\(job)\" in \(scripts.directory)\(close)")
    }
    let params = try Parameters.json(param)
    for note in Parameters.unknown(param, declared: definition.params) { log.write(.warn, note) }
    let state = try StateDirectory(making: scripts.settings.stateDirectory)
    let stores = try Stores.open(session.configuration, in: state, mode: .beside)
    defer { for (_, store) in stores { store.close() } }
    let named = NamedStores(stores)
    session.live.use(stores: named)
    sink.use(stores: named)
    let store = named[definition.store]
    let single = try SingleRun(definition, params: params, session: session, store: store, log: log)
    running.withLock { $0 = single }
    signals.hostIsUp()
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
      if let traceback = record.error?.traceback { Terminal.block(traceback, isError: true) }
      return
    }
    var document = JSONObject()
    document.set("job", record.job)
    RunRendering.setOutcome(of: record, into: &document)
    Terminal.json(document.json)
  }
}

/// `--param key=value` as one JSON object. A value that is JSON is that, and any other is text.
enum Parameters {
  static func json(_ parameters: [String]) throws -> JSONText? {
    guard !parameters.isEmpty else { return nil }
    var object = JSONObject()
    var seen: Set<String> = []
    for parameter in parameters {
      let (key, value) = try split(parameter)
      guard seen.insert(key).inserted else { throw CommandFailure(.usage, "--param \(key) is given twice") }
      // As it was written, so that no digit of a number is lost.
      if LuaValue.parseJSON(value) != nil { object.set(key, json: value) } else { object.set(key, value) }
    }
    return JSONText(object.json)
  }

  /// A sentence for each parameter that a job with declared parameters does not declare.
  static func unknown(_ parameters: [String], declared: JSONText?) -> [String] {
    guard let declared, case .table(let table)? = LuaValue.parseJSON(declared.text) else { return [] }
    let names = table.fields.map(\.key)
    return parameters.compactMap { parameter in
      guard let (key, _) = try? split(parameter), table[key] == nil else { return nil }
      let close = closestName(to: key, in: names).map { " (did you mean \"\($0)\"?)" } ?? ""
      return "--param \(key): the job declares no such parameter\(close); it has \(names.joined(separator: ", "))"
    }
  }

  private static func split(_ parameter: String) throws -> (key: String, value: String) {
    guard let equals = parameter.utf8.firstIndex(of: UInt8(ascii: "=")), equals != parameter.startIndex else {
      throw CommandFailure(.usage, "--param \(parameter): write key=value")
    }
    let key = String(parameter[..<equals])
    let value = String(parameter[parameter.utf8.index(after: equals)...])
    // What the system handed over was not UTF-8: bytes are lost already.
    guard !parameter.unicodeScalars.contains("\u{FFFD}") else {
      throw CommandFailure(.usage, "--param \(key): the value is not UTF-8, which JSON text must be")
    }
    return (key, value)
  }
}
