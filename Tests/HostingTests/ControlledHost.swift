import Basics
import Chronology
import Hosting
import JobModel
import MoondialTesting
import ScriptLoading
import Synchronization
import TestSupport

/// A host over a scripts directory of its own, as the command makes it, with SQLite in the directory.
final class ControlledHost: Sendable {
  let directory: TemporaryDirectory
  let assembly: SchedulerAssembly
  let log: TestLog

  var control: any HostControl { assembly.control }
  static let ann = Caller("ann", .socket)

  /// - Parameter scripts: by file name.
  convenience init(
    _ scripts: [String: String], _ change: (inout HostConfiguration) -> Void = { _ in }
  ) throws {
    let directory = try TemporaryDirectory()
    try self.init(scripts, in: directory, change)
  }

  /// In a directory that another host may have left.
  init(
    _ scripts: [String: String], in directory: TemporaryDirectory,
    _ change: (inout HostConfiguration) -> Void = { _ in }
  ) throws {
    self.directory = directory
    _ = try StateDirectory(making: directory.path("scripts"))
    for (name, text) in scripts { try ControlledHost.write(text, to: directory.path("scripts/\(name)")) }
    var configuration = HostConfiguration()
    configuration.timeZone = "UTC"
    change(&configuration)
    let zones = TimeZoneDatabase()
    let log = TestLog()
    self.log = log
    var blueprint = SchedulerAssembly.Blueprint(log: log)
    blueprint.scripts = ScriptLocation(
      directory.path("scripts"), source: .value(configuration), systemZone: zones.machineZone(tz: "UTC"),
      environment: { _ in nil }, variables: { [:] })
    blueprint.stateDirectory = directory.path("state")
    blueprint.publishesRuns = false
    assembly = try SchedulerAssembly(blueprint)
    try assembly.start()
  }

  deinit { stop() }

  func stop() { assembly.stop(grace: 0) }

  func edit(_ name: String, _ text: String) throws {
    try ControlledHost.write(text, to: directory.path("scripts/\(name)"))
  }

  static func write(_ text: String, to path: String) throws {
    if let failure = TestFile.write(text, to: path) { throw WriteFailure(description: failure) }
  }

  /// Events from now on.
  func listen() -> TestEvents { TestEvents(control.events.reader()) }
}

/// Reads events one by one. Waits for them, never for time.
final class TestEvents {
  private let reader: JournalReader<HostEvent>
  private var waiting: [Event] = []

  init(_ reader: JournalReader<HostEvent>) { self.reader = reader }

  /// The first of those that were not looked at yet that is it.
  func next<Found>(_ match: (Event) -> Found?) async throws -> Found {
    while true {
      while !waiting.isEmpty { if let found = match(waiting.removeFirst()) { return found } }
      guard let page = await reader.next() else { throw TestEnded() }
      waiting += page.entries.map(\.content.event)
    }
  }

  /// The run, when it has ended.
  func end(of run: Int64) async throws -> RunRecord {
    try await next { event in
      if case .runFinished(let record) = event, record.id.number == run { record } else { nil }
    }
  }
}

struct TestEnded: Error {}

/// Keeps what the host says.
final class TestLog: HostLog {
  private let lines = Mutex<[String]>([])
  var now: Instant { SystemWallClock().now }
  var threshold: LogLevel { .info }
  func write(_ line: LogLine) { lines.withLock { $0.append(line.message) } }
  var all: [String] { lines.withLock { $0 } }
}

struct WriteFailure: Error, CustomStringConvertible { let description: String }
