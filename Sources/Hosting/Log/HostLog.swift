package import Chronology
package import JobModel
internal import ScriptRuntime

/// Where a host says what happens: lines about itself, its jobs and their runs, and those that scripts write.
///
/// Threading: any thread. Like every ``LogSink`` it must not wait for long.
package protocol HostLog: LogSink {
  /// The instant that lines without one carry.
  var now: Instant { get }
  /// From which level on lines of a job are shown; nil: those of the host itself.
  func level(of job: String?) -> LogLevel
  /// From now on these jobs have levels of their own.
  func use(levels jobs: [String: LogLevel])
  /// The zone in which it shows times from now on.
  func use(_ zone: TimeZoneRules)
  /// An instant as it shows times.
  func format(_ instant: Instant) -> String
}

extension HostLog {
  package func use(_ zone: TimeZoneRules) {}
  package func use(levels jobs: [String: LogLevel]) {}
  package func level(of job: String?) -> LogLevel { threshold }
  package func format(_ instant: Instant) -> String { TimeFormat.time(instant, in: .utc) }

  /// Whether lines of this level are wanted of anybody.
  package func shows(_ level: LogLevel) -> Bool { level >= threshold }

  /// Whether lines of this level are wanted of a job; nil: of the host itself.
  package func shows(_ level: LogLevel, job: String?) -> Bool { level >= threshold && level >= self.level(of: job) }

  /// A line of the host itself.
  package func write(_ level: LogLevel, _ message: String, at instant: Instant? = nil) {
    guard shows(level, job: nil) else { return }
    write(LogLine(run: nil, job: nil, level: level, message: message, at: instant ?? now))
  }

  /// A line about a job or one of its runs. `fields` is a JSON object.
  package func write(
    _ level: LogLevel, job: String, run: RunID? = nil, _ message: String, fields: JSONText? = nil,
    traceback: String? = nil, at instant: Instant? = nil
  ) {
    guard shows(level, job: job) else { return }
    write(
      LogLine(
        run: run, job: job, level: level, message: message, fields: fields, traceback: traceback, at: instant ?? now))
  }
}
