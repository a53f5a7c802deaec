internal import JobModel

/// Which jobs. What is nil is not asked for.
package struct JobQuery: Sendable, Equatable {
  package enum State: String, Sendable, CaseIterable {
    case enabled, disabled, paused, orphaned
    /// It has a claimed run.
    case running
    /// Its latest run that has ended did not succeed.
    case failing
  }

  package var tag: String?
  /// Path of the script that declares it.
  package var file: String?
  package var state: State?
  /// A part of its name, its description or a tag, in any case.
  package var text: String?
  package var after: PageCursor?
  package var limit: Int

  package init(
    tag: String? = nil, file: String? = nil, state: State? = nil, text: String? = nil, after: PageCursor? = nil,
    limit: Int = PageLimit.standard
  ) {
    self.tag = tag
    self.file = file
    self.state = state
    self.text = text
    self.after = after
    self.limit = limit
  }
  /// Whether every job fits.
  package var isPlain: Bool { tag == nil && file == nil && state == nil && text == nil }

  /// Whether a job fits.
  package func matches(_ job: JobAnswer) -> Bool {
    if let tag, !job.tags.contains(tag) { return false }
    if let file, job.file != file { return false }
    if let text {
      let texts = [job.name, job.description ?? ""] + job.tags
      guard texts.contains(where: { containsText(text, in: $0) }) else { return false }
    }
    switch state {
    case nil: return true
    case .enabled: return !job.isOrphaned && job.isEnabled && !job.isPaused
    case .disabled: return !job.isOrphaned && !job.isEnabled
    case .paused: return !job.isOrphaned && job.isPaused
    case .orphaned: return job.isOrphaned
    case .running: return job.running > 0
    case .failing: return job.lastOutcome.map { $0.isFailure } ?? false
    }
  }
}
