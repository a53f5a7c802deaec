package import JobModel

/// A job as `list` and the API show it.
package struct JobAnswer: Sendable, Codable, Equatable {
  package var name: String
  /// When it runs, in words.
  package var trigger: String?
  /// The Lua that makes its trigger.
  package var lua: String?
  package var timeZone: String?
  package var nextRunTime: HostTime?
  package var lastRunTime: HostTime?
  package var lastOutcome: Outcome?
  /// Claimed runs.
  package var running = 0
  /// Accepted runs that are not claimed.
  package var waiting = 0
  /// How far its only run says it is.
  package var progress: ProgressInfo?
  package var isEnabled = true
  package var isPaused = false
  /// Why it is paused; nil while only everything is.
  package var pause: PauseInfo?
  /// No script declares it any more.
  package var isOrphaned = false
  /// Why it is kept and does not run.
  package var orphanReason: String?
  package var file: String?
  package var line: Int?
  package var tags: [String] = []
  package var description: String?
  package var priority = 0
  package var group: String?
  package var store: String?
  package var executor: String?
  package var overlap: String?
  package var maxInstances = 1
  package var params: JSONDocument?
  /// Dynamic schedules; at most 100 of them in a list.
  package var schedules: [ScheduleAnswer] = []

  package init(name: String) { self.name = name }

  private enum CodingKeys: String, CodingKey {
    case name, trigger, lua, running, waiting, progress, pause, file, line, tags, description, priority, group, store,
      executor, overlap, params, schedules
    case timeZone = "timezone"
    case nextRunTime = "next_run_time"
    case lastRunTime = "last_run_time"
    case lastOutcome = "last_outcome"
    case isEnabled = "enabled"
    case isPaused = "paused"
    case isOrphaned = "orphaned"
    case orphanReason = "orphan_reason"
    case maxInstances = "max_instances"
  }
}

/// How far a run says it is (`ctx:progress`).
package struct ProgressInfo: Sendable, Hashable, Codable {
  /// `40 %`, or the text.
  package var text: String
  /// From 0 to 1, where it is one.
  package var fraction: Double?
  package var at: HostTime

  package init(text: String, fraction: Double?, at: HostTime) {
    self.text = text
    self.fraction = fraction
    self.at = at
  }
}

/// Which jobs. What is nil is not asked for.
package struct JobQuery: Sendable, Equatable {
  package enum State: String, Sendable, CaseIterable {
    case enabled, disabled, paused, orphaned
    /// It has a claimed run.
    case running
    /// Its latest run since the start did not succeed.
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
}
