package import Chronology
package import JobModel

/// Log lines of one run, or of the latest runs of a job.
package struct LogAnswer: Sendable, Codable, Equatable {
  /// Oldest first.
  package var lines: [LogLineAnswer]
  /// Whether there are more before the first.
  package var isCut: Bool
  /// How far the run says it is; only of one run.
  package var progress: ProgressInfo?

  private enum CodingKeys: String, CodingKey {
    case lines, progress
    case isCut = "cut"
  }

  package init(lines: [LogLineAnswer], isCut: Bool, progress: ProgressInfo? = nil) {
    self.lines = lines
    self.isCut = isCut
    self.progress = progress
  }
}

package struct LogLineAnswer: Sendable, Codable, Equatable {
  package var at: HostTime
  package var job: String
  package var run: Int64
  package var level: String
  package var message: String
  package var fields: JSONDocument?

  package init(_ line: RunLogLine, in zone: TimeZoneRules) {
    at = HostTime(line.at, in: zone)
    job = line.job
    run = line.run.number
    level = line.level
    message = line.message
    fields = line.fields.map { JSONDocument($0) }
  }
}

/// Which lines: of a run, or of a job's latest runs.
package struct LogQuery: Sendable, Equatable {
  package enum Subject: Sendable, Equatable {
    case run(RunID)
    case job(String)
  }
  package var subject: Subject
  /// Written at or after this instant.
  package var since: Instant?
  /// This level and those above.
  package var level: LogLevel?
  /// A part of the message, in any case.
  package var text: String?
  package var limit: Int

  package init(_ subject: Subject, since: Instant? = nil, level: LogLevel? = nil, limit: Int = PageLimit.most) {
    self.subject = subject
    self.since = since
    self.level = level
    self.limit = limit
  }
}
