package import Chronology
package import JobModel
internal import ScriptRuntime

/// Where a host says what happens: lines about itself, its jobs and their runs, and those that scripts write.
///
/// Threading: any thread. Like every ``LogSink`` it must not wait for long.
package protocol HostLog: LogSink {
  /// The instant that lines without one carry.
  var now: Instant { get }
  /// The zone in which it shows times from now on.
  func use(_ zone: TimeZoneRules)
  /// An instant as it shows times.
  func format(_ instant: Instant) -> String
}

extension HostLog {
  package func use(_ zone: TimeZoneRules) {}
  package func format(_ instant: Instant) -> String { TimeFormat.time(instant, in: .utc) }

  /// Whether lines of this level are wanted.
  package func shows(_ level: LogLevel) -> Bool { level >= threshold }

  /// A line of the host itself.
  package func write(_ level: LogLevel, _ message: String, at instant: Instant? = nil) {
    guard shows(level) else { return }
    write(LogLine(run: nil, job: nil, level: level, message: message, at: instant ?? now))
  }

  /// A line about a job or one of its runs. `fields` is a JSON object.
  package func write(
    _ level: LogLevel, job: String, run: RunID? = nil, _ message: String, fields: JSONText? = nil,
    at instant: Instant? = nil
  ) {
    guard shows(level) else { return }
    write(LogLine(run: run, job: job, level: level, message: message, fields: fields, at: instant ?? now))
  }
}
