package import Chronology
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
  /// Runs of a job whose lines are looked at.
  private static let runsOfJob = 1_000

  private func log(of run: RunID, _ query: LogQuery) throws(ControlError) -> LogAnswer {
    let (record, store) = try record(of: run)
    let lines = try lines(of: record, store)
    var answer = LogAnswer(lines, query, in: parts.zone)
    if let note = progress[run] {
      answer.progress = info(note)
    } else if let line = try? named(store)?.progress(of: run) {
      answer.progress = ProgressInfo(line, in: parts.zone)
    }
    return answer
  }

  private func log(ofJob job: String, _ query: LogQuery) throws(ControlError) -> LogAnswer {
    try checkKnown(job)
    var runs = MergedRuns(stores, RunsQuery(job: job, limit: PageLimit.standard), before: nil)
    var found: [RunLogLine] = []
    var looked = 0
    while found.count <= query.limit, looked < Self.runsOfJob,
      let run = try reading({ () throws(StoreError) in try runs.next() })
    {
      looked += 1
      // What ended before cannot have written since.
      if let since = query.since, let end = run.record.finishedAt, end < since { break }
      found += try lines(of: run.record, run.store).filter(query.matches)
    }
    found.sort { $0.at < $1.at }
    return LogAnswer(found, query, in: parts.zone)
  }

  private func lines(of run: RunRecord, _ store: String) throws(ControlError) -> [RunLogLine] {
    try reading { () throws(StoreError) in try named(store)?.log(of: run.id, limit: Self.linesMax) ?? [] }
  }
}

extension LogAnswer {
  /// Of `lines`, oldest first, the last ones that fit.
  package init(_ lines: [RunLogLine], _ query: LogQuery, in zone: TimeZoneRules) {
    let fitting = lines.filter(query.matches)
    var kept = fitting.suffix(query.limit)
    var bytes = kept.reduce(0) { $0 + $1.bytes }
    while bytes > Self.bytes, kept.count > 1 { bytes -= kept.removeFirst().bytes }
    self.init(lines: kept.map { LogLineAnswer($0, in: zone) }, isCut: kept.count < fitting.count)
  }

  /// Bytes of one answer's lines.
  private static let bytes = 1 << 20
}

extension LogQuery {
  /// Whether a line is asked for, the limit aside. A reader of the stream asks this as well.
  package func matches(_ line: RunLogLine) -> Bool {
    if let since, line.at < since { return false }
    if let level, let own = LogLevel(rawValue: line.level), own < level { return false }
    return text.map { containsText($0, in: line.message) } ?? true
  }
}
