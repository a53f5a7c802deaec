package import Chronology

/// How much a log line matters, in rising order.
package enum LogLevel: String, Sendable, CaseIterable, Comparable {
  case debug, info, warn, error

  package static func < (left: LogLevel, right: LogLevel) -> Bool { left.rank < right.rank }

  private var rank: Int {
    switch self {
    case .debug: 0
    case .info: 1
    case .warn: 2
    case .error: 3
    }
  }
}

/// One line that a script wrote with `log` or `print`.
package struct LogLine: Sendable, Equatable {
  /// nil while the script was being loaded.
  package var run: RunID?
  package var job: String?
  /// Name of the store that has the run; nil without one.
  package var store: String?
  package var level: LogLevel
  /// Valid UTF-8, may have several lines.
  package var message: String
  /// A JSON object.
  package var fields: JSONText?
  /// Where an error comes from; a line for each call.
  package var traceback: String?
  package var at: Instant

  package init(
    run: RunID?, job: String?, store: String? = nil, level: LogLevel, message: String, fields: JSONText? = nil,
    traceback: String? = nil, at: Instant
  ) {
    self.traceback = traceback
    self.run = run
    self.job = job
    self.store = store
    self.level = level
    self.message = message
    self.fields = fields
    self.at = at
  }
}

/// Where the lines of scripts go: standard error, the store, both.
///
/// Threading: called on worker threads, from several at once. The lines of one run come in order. It must not wait for
/// I/O that can take long: a line is written in the middle of a step.
package protocol LogSink: AnyObject, Sendable {
  /// Lines below it are not even built.
  var threshold: LogLevel { get }
  func write(_ line: LogLine)
}

extension LogSink {
  package var threshold: LogLevel { .debug }
}

/// Where everything goes that runs say while they run: their log lines, and how far they are.
///
/// Threading: as ``LogSink``.
package protocol RunOutput: LogSink {
  /// The run says how far it is. Must be quick: it is called as often as a script likes.
  func note(_ progress: ProgressNote)
  /// A run that has said how far it is has ended, or one attempt of it.
  func runEnded(_ run: RunID, store: String)
}

/// For those who run nothing: what comes here is dropped.
package final class SilentLog: RunOutput {
  package init() {}
  package var threshold: LogLevel { .error }
  package func write(_ line: LogLine) {}
  package func note(_ progress: ProgressNote) {}
  package func runEnded(_ run: RunID, store: String) {}
}
