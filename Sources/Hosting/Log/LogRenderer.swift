internal import Basics
package import Chronology
package import JobModel
internal import ScriptRuntime
internal import Synchronization

/// The host's log on standard error: one record each, in one of the forms of ``LogFormat``.
///
/// A message of several lines stays one line, with `\n` in it: what a script logs cannot look like a line of the host
/// (``VisibleText``). The store keeps it as it was. Only a traceback has lines of its own, which are indented.
///
/// Threading: any thread; a record is written whole.
package final class LogRenderer: HostLog {
  private let zone: Mutex<TimeZoneRules>
  private let levels: Mutex<LogLevels>
  /// The level of the lowest of them, by its index: read for each line.
  private let lowest: Atomic<Int>
  private let clock: any WallClock
  private let format: LogFormat
  private let isColoured: Bool

  /// - Parameter threshold: lines below it are not written, unless their job has a level of its own.
  package init(
    zone: TimeZoneRules, threshold: LogLevel, format: LogFormat = .text, clock: any WallClock = SystemWallClock()
  ) {
    self.zone = Mutex(zone)
    levels = Mutex(LogLevels(threshold))
    lowest = Atomic(Self.rank(threshold))
    self.clock = clock
    self.format = format
    isColoured = format == .text && StandardError.isTerminal
  }

  private static func rank(_ level: LogLevel) -> Int { LogLevel.allCases.firstIndex(of: level)! }

  package var threshold: LogLevel { LogLevel.allCases[lowest.load(ordering: .relaxed)] }

  package func level(of job: String?) -> LogLevel { levels.withLock { $0[job] } }

  /// From now on these jobs have levels of their own.
  package func use(levels jobs: [String: LogLevel]) {
    let now = levels.withLock { levels in
      levels = LogLevels(levels.standard, jobs: jobs)
      return levels.lowest
    }
    lowest.store(Self.rank(now), ordering: .relaxed)
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
    guard shows(line.level, job: line.job) else { return }
    StandardError.line(styled: rendered(line))
  }

  // MARK: Forms

  /// The record without its last line end.
  func rendered(_ line: LogLine) -> String {
    switch format {
    case .json: return json(line)
    case .text, .journal:
      var text =
        format == .text ? "\(dim(zone.withLock { TimeFormat.logTime(line.at, in: $0) })) " : priority(line.level)
      text += coloured(line.level) + " "
      if let job = line.job.map(VisibleText.line) { text += line.run.map { "\(job) #\($0): " } ?? "\(job): " }
      text += VisibleText.line(line.message)
      if let fields = line.fields { text += " " + VisibleText.json(fields.text) }
      // Indented, each line by itself made visible: none of them can begin as a record does.
      for part in line.traceback?.split(separator: "\n") ?? [] where part != "stack traceback:" {
        text +=
          "\n" + (format == .journal ? priority(line.level) : "") + "    "
          + VisibleText.line(String(part.drop { $0 == "\t" }))
      }
      return text
    }
  }

  /// `<4>`: what journald takes for the priority of the line (sd-daemon(3)).
  private func priority(_ level: LogLevel) -> String {
    switch level {
    case .debug: "<7>"
    case .info: "<6>"
    case .warn: "<4>"
    case .error: "<3>"
    }
  }

  private func json(_ line: LogLine) -> String {
    var text =
      "{\"time\":\"\(zone.withLock { TimeFormat.logTime(line.at, in: $0) })\",\"level\":\"\(line.level.rawValue)\""
    if let job = line.job { text += ",\"job\":" + quotedJSON(job) }
    if let run = line.run { text += ",\"run\":\(run)" }
    text += ",\"message\":" + quotedJSON(line.message)
    if let fields = line.fields {
      text += ",\"fields\":" + (JSONValue(parsing: fields.text) == nil ? quotedJSON(fields.text) : fields.text)
    }
    if let traceback = line.traceback { text += ",\"traceback\":" + quotedJSON(traceback) }
    return VisibleText.json(text + "}")
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
