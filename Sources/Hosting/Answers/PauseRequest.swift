/// What to pause or to resume: some jobs, or everything.
///
/// A pause of everything is the host's own: it neither pauses nor resumes a job, so what was paused by itself stays so.
package struct PauseRequest: Sendable, Codable, Equatable {
  /// nil: everything.
  package var jobs: [String]?
  /// In the words of who asks; at most 1,024 bytes.
  package var reason: String?

  package static let reasonBytes = 1_024
  /// Jobs of one request.
  package static let most = 10_000

  package init(jobs: [String]?, reason: String? = nil) {
    self.jobs = jobs
    self.reason = reason
  }
}

/// What a pause or resume has changed. All of it is durable, or none of it was done.
package struct PauseAnswer: Sendable, Codable, Equatable {
  package var isPaused: Bool
  /// Those that were not so before; empty for everything.
  package var changed: [String]
  /// Those that were so already.
  package var unchanged: [String]
  /// Whether it was about everything.
  package var everything: Bool

  private enum CodingKeys: String, CodingKey {
    case changed, unchanged, everything
    case isPaused = "paused"
  }

  package init(isPaused: Bool, changed: [String], unchanged: [String], everything: Bool) {
    self.isPaused = isPaused
    self.changed = changed
    self.unchanged = unchanged
    self.everything = everything
  }
}
