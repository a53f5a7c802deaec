import Chronology
import Executors
import Glibc
import JobModel
import JobStores
import Lua
import SchedulerService
import Scheduling
import ScriptHost
import Synchronization
import Triggers

/// The host's log on standard error: one line each, `time level job #run message field=value`.
///
/// Threading: any thread; a line is written whole.
final class LogRenderer: Sendable {
  private let zone: Mutex<TimeZoneRules>
  private let threshold: Mutex<LogLevel>
  private let clock: any WallClock
  private let isColoured: Bool

  init(zone: TimeZoneRules, threshold: LogLevel, clock: any WallClock = SystemWallClock()) {
    self.zone = Mutex(zone)
    self.threshold = Mutex(threshold)
    self.clock = clock
    isColoured = Terminal.errorIsTerminal
  }

  func use(_ zone: TimeZoneRules) { self.zone.withLock { $0 = zone } }

  /// An instant as the log shows times.
  func shown(_ instant: Instant) -> String { zone.withLock { Shown.time(instant, in: $0) } }

  func shows(_ level: LogLevel) -> Bool { threshold.withLock { level >= $0 } }

  /// A line of the host itself.
  func write(_ level: LogLevel, _ message: String, at instant: Instant? = nil) {
    write(level, subject: "", message, fields: nil, at: instant)
  }

  /// A line about a job or one of its runs. `fields` is a JSON object.
  func write(
    _ level: LogLevel, job: String, run: RunID? = nil, _ message: String, fields: JSONText? = nil, at instant: Instant? = nil
  ) {
    write(level, subject: run.map { "\(job) #\($0)" } ?? job, message, fields: fields, at: instant)
  }

  private func write(_ level: LogLevel, subject: String, _ message: String, fields: JSONText?, at instant: Instant?) {
    guard shows(level) else { return }
    let time = zone.withLock { Shown.logTime(instant ?? clock.now, in: $0) }
    var line = "\(dim(time)) \(coloured(level)) "
    if !subject.isEmpty { line += subject + ": " }
    line += LogRenderer.oneLine(message)
    if let fields { line += " " + fields.text }
    Terminal.error(line)
  }

  private func dim(_ text: String) -> String { isColoured ? "\u{1B}[2m\(text)\u{1B}[0m" : text }

  private func coloured(_ level: LogLevel) -> String {
    let name = level.rawValue.padded(to: 5)
    guard isColoured else { return name }
    switch level {
    case .debug: return "\u{1B}[2m\(name)\u{1B}[0m"
    case .info: return "\u{1B}[32m\(name)\u{1B}[0m"
    case .warn: return "\u{1B}[33m\(name)\u{1B}[0m"
    case .error: return "\u{1B}[31m\(name)\u{1B}[0m"
    }
  }

  /// Line breaks would make two records of one, and control characters could drive the terminal.
  static func oneLine(_ text: String) -> String {
    guard text.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else { return text }
    var line = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\n": line += "\\n"
      case "\t": line.unicodeScalars.append(" ")
      case _ where scalar.value < 0x20 || scalar.value == 0x7F: line += "\\x" + String(scalar.value, radix: 16)
      default: line.unicodeScalars.append(scalar)
      }
    }
    return line
  }
}

extension String {
  func padded(to width: Int) -> String { count >= width ? self : self + String(repeating: " ", count: width - count) }
}
