internal import Chronology
public import FoundationEssentials
internal import Hosting
internal import JobModel
internal import ScriptRuntime

/// Where a scheduler says what happens: skipped runs, failures, what jobs and scripts log.
///
///     configuration.log = .standardError(.info)
///     configuration.log = .custom(.warn) { line in logger.warning("\(line.message)") }
public struct Log: Sendable {
  /// How much a line matters, in rising order.
  public enum Level: String, Sendable, CaseIterable, Comparable {
    case debug, info, warn, error

    /// Whether `left` matters less.
    public static func < (left: Level, right: Level) -> Bool { left.inner < right.inner }
    var inner: LogLevel { LogLevel(rawValue: rawValue)! }
    init(_ level: LogLevel) { self = Level(rawValue: level.rawValue)! }
  }

  /// One line.
  public struct Line: Sendable {
    /// When it was written, by the scheduler's clock.
    public let time: Date
    /// How much it matters.
    public let level: Level
    /// nil for a line about the scheduler itself.
    public let job: String?
    /// nil for a line about a job as such.
    public let run: RunID?
    /// May have several lines.
    public let message: String
    /// An object, when whoever logged gave fields.
    public let fields: JSON?
  }

  let make: @Sendable (any WallClock) -> any HostLog

  /// Nothing is written.
  public static let none = Log { QuietLog(clock: $0) }

  /// Lines on standard error, `time level job #run: message`: those of `threshold` and above.
  public static func standardError(_ threshold: Level = .info) -> Log {
    Log { LogRenderer(zone: .utc, threshold: threshold.inner, clock: $0) }
  }

  /// Lines of `threshold` and above go to `write`, from several threads at once, the scheduler's own among them: it
  /// must be quick, and must not ask the scheduler anything.
  public static func custom(_ threshold: Level = .info, _ write: @escaping @Sendable (Line) -> Void) -> Log {
    Log { CustomLog(threshold.inner, clock: $0, write) }
  }
}

private final class QuietLog: HostLog {
  private let clock: any WallClock
  init(clock: any WallClock) { self.clock = clock }
  var now: Instant { clock.now }
  var threshold: LogLevel { .error }
  func write(_ line: LogLine) {}
}

private final class CustomLog: HostLog {
  let threshold: LogLevel
  private let clock: any WallClock
  private let receive: @Sendable (Log.Line) -> Void

  init(_ threshold: LogLevel, clock: any WallClock, _ receive: @escaping @Sendable (Log.Line) -> Void) {
    self.threshold = threshold
    self.clock = clock
    self.receive = receive
  }

  var now: Instant { clock.now }

  func write(_ line: LogLine) {
    guard shows(line.level) else { return }
    receive(
      Log.Line(
        time: Date(line.at), level: Log.Level(line.level), job: line.job, run: line.run.map { RunID($0) },
        message: line.message, fields: line.fields.map { JSON($0) }))
  }
}
