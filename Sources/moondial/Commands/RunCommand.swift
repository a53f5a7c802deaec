import ArgumentParser
import Basics
import Chronology
import Executors
import Glibc
import Hosting
import JobModel
internal import ScriptRuntime

struct RunCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "run",
    abstract:
      "Host the scripts of a directory: load, schedule, watch. Stays in the foreground and logs to standard error.",
    discussion: """
      Example:
        moondial run scripts --grace 10s
      Ctrl-C (or SIGTERM) lets what runs finish, a second one stops at once; SIGHUP reloads.
      """)

  @OptionGroup var scripts: ScriptOptions

  @Option(help: "How long running jobs may take to finish when the host is stopped.")
  var grace = "30s"

  @Option(
    help: ArgumentHelp(
      "What is logged: debug (each run's start and end as well), info, warn, error. Default: $MOONDIAL_LOG_LEVEL, else "
        + "info."))
  var logLevel: String?

  @Option(
    help: ArgumentHelp(
      "How lines look: text, json, or auto (as the journal wants them under systemd, else text). Default: "
        + "$MOONDIAL_LOG_FORMAT, else auto."))
  var logFormat: String?

  @Flag(help: .hidden) var beginsAnew = false

  @Flag(name: .shortAndLong, help: "The same as --log-level debug.")
  var verbose = false

  func run() throws {
    Signals.block()
    let grace = try duration(grace, "--grace")
    guard grace >= 0 else { throw CommandFailure(.usage, "--grace \(self.grace): give a duration from 0s up") }
    try StartLimits.check(workers: StepPool.Configuration().workers)
    let end = HostEnd()
    // First of all: whatever the start does, a signal ends it.
    let signals = try Host.orError { () throws(ThreadError) in
      try Signals(grace: grace, givesUp: { end.giveUp() }, { end.receive($0) })
    }
    end.whenUp { signals.hostIsUp() }
    let log = LogRenderer(zone: .utc, threshold: try level, format: try format)
    log.queueLines()
    let host = try NewBeginning.host(isNew: beginsAnew, log) {
      try Host(scripts.directory, scripts.settings, grace: grace, log: log, continues: beginsAnew, end: end)
    }
    let hasBegun = try host.start {
      end.attach(host)
      signals.hostIsUp()
    }
    if hasBegun {
      SpareMemory.forgetStart()
      host.awaitEnd(end)
    } else {
      host.sayEnd(end)
    }
    if end.beginsAnew { try NewBeginning.begin(log) }
    _ = signals
  }

  private var level: LogLevel {
    get throws {
      if verbose { return .debug }
      let (text, name) = RunCommand.setting(logLevel, "--log-level", "LOG_LEVEL")
      guard let text else { return .info }
      guard let level = LogLevel(rawValue: text) else {
        throw CommandFailure(.usage, "\(name) \(text): give debug, info, warn or error")
      }
      return level
    }
  }

  private var format: LogFormat {
    get throws {
      let (text, name) = RunCommand.setting(logFormat, "--log-format", "LOG_FORMAT")
      switch text {
      case nil, "auto": return .automatic(environment: Environment.all)
      case "text": return .text
      case "json": return .json
      case let text?: throw CommandFailure(.usage, "\(name) \(text): give text, json or auto")
      }
    }
  }

  /// What a flag says, or else its variable; and how messages call it.
  private static func setting(_ flag: String?, _ name: String, _ variable: String) -> (String?, String) {
    if let flag { return (flag, name) }
    let text = Environment["MOONDIAL_" + variable]
    return (text == "" ? nil : text, "MOONDIAL_\(variable)")
  }
}

/// A duration given as an option. Nanoseconds.
func duration(_ text: String, _ option: String) throws -> Int64 {
  do { return try DurationText.parseNanoseconds(text) } catch {
    throw CommandFailure(.usage, "\(option) \(text): \(error.message)")
  }
}

/// An instant given as an option: ISO 8601; without an offset, in `zone`.
func instant(_ text: String, _ option: String, in zone: TimeZoneRules) throws -> Instant {
  do { return try ISO8601.parse(text).instant(in: zone) } catch {
    throw CommandFailure(.usage, "\(option) \(text): \(error.message)")
  }
}
