package import JobModel

/// An event as the stream shows it: one JSON object with a `type`, and what it is about.
package struct EventAnswer: Sendable, Codable, Equatable {
  /// Such as `run_finished`; ``types`` has all of them.
  package var type: String
  package var at: HostTime
  package var job: String?
  package var run: Int64?
  package var schedule: String?
  package var attempt: Int?
  package var outcome: Outcome?
  package var nextRunTime: HostTime?
  /// Everything else, in words.
  package var message: String?
  package var pause: PauseInfo?
  package var progress: ProgressInfo?
  /// The whole run, of `run_finished`.
  package var details: RunAnswer?

  private enum CodingKeys: String, CodingKey {
    case type, at, job, run, schedule, attempt, outcome, message, pause, progress, details
    case nextRunTime = "next_run_time"
  }

  package init(type: String, at: HostTime) {
    self.type = type
    self.at = at
  }
}
