package import Chronology
package import JobModel

/// What became of a job's fire times, and why.
package struct ExplainAnswer: Sendable, Codable, Equatable {
  package var job: String
  package var nextRunTime: HostTime?
  package var isPaused: Bool?
  /// Newest first.
  package var runs: [RunAnswer] = []
  /// Newest first.
  package var decisions: [DecisionAnswer] = []
  /// Of the files that it watches: how many have a mark, and the latest that no run succeeded with.
  package var filesKnown = 0
  package var filesUnsuccessful: [FileAnswer] = []
  /// What the limit leaves out; 1,001 stands for more than 1,000.
  package var moreRuns = 0
  package var moreDecisions = 0
  /// All of it in sentences, newest first.
  package var sentences: [String] = []

  private enum CodingKeys: String, CodingKey {
    case job, runs, decisions, sentences
    case nextRunTime = "next_run_time"
    case isPaused = "paused"
    case filesKnown = "files_known"
    case filesUnsuccessful = "files_unsuccessful"
    case moreRuns = "more_runs"
    case moreDecisions = "more_decisions"
  }

  package init(job: String) { self.job = job }
}

/// A watched file that no run succeeded with.
package struct FileAnswer: Sendable, Codable, Equatable {
  package var path: String
  package var outcome: Outcome?
  package var run: Int64?
  package var at: HostTime

  package init(_ mark: FileMark, in zone: TimeZoneRules) {
    path = mark.path
    outcome = mark.outcome
    run = mark.run?.number
    at = HostTime(mark.at, in: zone)
  }
}

/// What about a job is to be explained.
package struct ExplainQuery: Sendable, Equatable {
  package var job: String
  /// Only what was decided about this instant, as exact as it was written.
  package var at: Instant?
  /// Runs and decisions together.
  package var limit: Int

  package init(job: String, at: Instant? = nil, limit: Int = 10) {
    self.job = job
    self.at = at
    self.limit = limit
  }
}
