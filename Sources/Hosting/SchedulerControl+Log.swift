internal import Chronology
package import JobModel

/// Questions about what runs wrote.
extension SchedulerControl {
  package func log(_ query: LogQuery) async throws(ControlError) -> LogAnswer {
    try await away { () throws(ControlError) in try self.logNow(query) }
  }

  func logNow(_ query: LogQuery) throws(ControlError) -> LogAnswer {
    guard (1...Self.linesMax).contains(query.limit) else {
      throw ControlError(.invalid, "limit \(query.limit): give a number from 1 to \(Self.linesMax)")
    }
    switch query.subject {
    case .run(let run): return try log(of: run, query)
    case .job(let job): return try log(ofJob: job, query)
    }
  }

  /// Lines of one answer.
  static let linesMax = 10_000
  /// Bytes of one answer's lines.
  private static let logBytes = 1 << 20
  /// Runs of a job whose lines are looked at.
  private static let runsOfJob = 1_000

  private func log(of run: RunID, _ query: LogQuery) throws(ControlError) -> LogAnswer {
    let (record, store) = try record(of: run)
    let lines = try lines(of: record, store)
    var answer = cut(lines, query)
    if let note = progress[run] {
      answer.progress = info(note)
    } else if let line = try? named(store)?.progress(of: run) {
      answer.progress = info(line)
    }
    return answer
  }

  private func log(ofJob job: String, _ query: LogQuery) throws(ControlError) -> LogAnswer {
    try checkKnown(job)
    var runs = MergedRuns(self, RunsQuery(job: job, limit: PageLimit.standard), nil)
    var found: [RunLogLine] = []
    var looked = 0
    while found.count <= query.limit, looked < Self.runsOfJob, let run = try runs.next() {
      looked += 1
      // What ended before cannot have written since.
      if let since = query.since, let end = run.record.finishedAt, end < since { break }
      found += try lines(of: run.record, run.store).filter(query.matches)
    }
    found.sort { $0.at < $1.at }
    return cut(found, query)
  }

  private func lines(of run: RunRecord, _ store: String) throws(ControlError) -> [RunLogLine] {
    try reading { () throws(StoreError) in try named(store)?.log(of: run.id, limit: Self.linesMax) ?? [] }
  }

  private func cut(_ lines: [RunLogLine], _ query: LogQuery) -> LogAnswer {
    let fitting = lines.filter(query.matches)
    var kept = fitting.suffix(query.limit)
    var bytes = kept.reduce(0) { $0 + $1.bytes }
    while bytes > Self.logBytes, kept.count > 1 { bytes -= kept.removeFirst().bytes }
    return LogAnswer(
      lines: kept.map { LogLineAnswer($0, in: parts.zone) }, isCut: kept.count < fitting.count)
  }

  func info(_ line: RunLogLine) -> ProgressInfo {
    var fraction: Double?
    if case .object(let members)? = line.fields.flatMap({ JSONTree(parsing: $0.text) }),
      case .number(let value)? = members.first(where: { $0.key == "fraction" })?.value
    {
      fraction = value
    }
    return ProgressInfo(text: line.message, fraction: fraction, at: time(line.at))
  }
}

extension LogQuery {
  /// Whether a line is asked for, the limit aside. A reader of the stream asks this as well.
  package func matches(_ line: RunLogLine) -> Bool {
    if let since, line.at < since { return false }
    if let level, let own = LogLevel(rawValue: line.level), own < level { return false }
    return text.map { containsText($0, in: line.message) } ?? true
  }
}
