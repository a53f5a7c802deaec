internal import Basics
package import Chronology
package import JobModel
internal import ScriptRuntime
internal import Synchronization

/// The host's log on standard error: one line each, `time level job #run message {"field":"value"}`.
///
/// A message of several lines stays one record, with `\n` in it: what a script logs cannot look like a line of the host
/// (``VisibleText``). The store keeps it as it was.
///
/// Threading: any thread; a line is written whole.
package final class LogRenderer: HostLog {
  private let zone: Mutex<TimeZoneRules>
  package let threshold: LogLevel
  private let clock: any WallClock
  private let isColoured: Bool

  /// - Parameter threshold: lines below it are not written.
  package init(zone: TimeZoneRules, threshold: LogLevel, clock: any WallClock = SystemWallClock()) {
    self.zone = Mutex(zone)
    self.threshold = threshold
    self.clock = clock
    isColoured = StandardError.isTerminal
  }

  /// From now on nobody who writes a line waits for who reads it. Once, before there are threads that log.
  package func queueLines() {
    StandardError.queueLines { [self] count in
      rendered(
        LogLine(
          run: nil, job: nil, level: .warn,
          message: count == 1
            ? "1 log line dropped here: whoever reads standard error did not keep up"
            : "\(count) log lines dropped here: whoever reads standard error did not keep up",
          at: now))
    }
  }

  package func use(_ zone: TimeZoneRules) { self.zone.withLock { $0 = zone } }

  package func format(_ instant: Instant) -> String { zone.withLock { TimeFormat.time(instant, in: $0) } }

  package var now: Instant { clock.now }

  package func write(_ line: LogLine) {
    guard shows(line.level) else { return }
    StandardError.line(styled: rendered(line))
  }

  private func rendered(_ line: LogLine) -> String {
    let time = zone.withLock { TimeFormat.logTime(line.at, in: $0) }
    var text = "\(dim(time)) \(coloured(line.level)) "
    if let job = line.job.map(VisibleText.line) { text += line.run.map { "\(job) #\($0): " } ?? "\(job): " }
    text += VisibleText.line(line.message)
    if let fields = line.fields { text += " " + VisibleText.json(fields.text) }
    return text
  }

  private func dim(_ text: String) -> String { isColoured ? "\u{1B}[2m\(text)\u{1B}[0m" : text }

  private func coloured(_ level: LogLevel) -> String {
    let name = VisibleText.padded(level.rawValue, to: 5)
    guard isColoured else { return name }
    switch level {
    case .debug: return "\u{1B}[2m\(name)\u{1B}[0m"
    case .info: return "\u{1B}[32m\(name)\u{1B}[0m"
    case .warn: return "\u{1B}[33m\(name)\u{1B}[0m"
    case .error: return "\u{1B}[31m\(name)\u{1B}[0m"
    }
  }
}
