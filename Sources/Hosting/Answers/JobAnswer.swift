package import JobModel
internal import Triggers

/// A job as `list` and the API show it.
package struct JobAnswer: Sendable, Codable, Equatable {
  package var name: String
  /// When it runs, in words.
  package var trigger: String?
  /// The Lua that makes its trigger.
  package var lua: String?
  package var timeZone: String?
  package var nextRunTime: HostTime?
  /// When its latest run that has ended began; only in the answer about one job.
  package var lastRunTime: HostTime?
  package var lastOutcome: Outcome?
  /// Claimed runs.
  package var running = 0
  /// Accepted runs that are not claimed.
  package var waiting = 0
  /// What its runs do, in words: `running since …`, `2 running, 1 waiting`.
  package var now: String?
  /// How far its only run says it is.
  package var progress: ProgressInfo?
  package var isEnabled = true
  package var isPaused = false
  /// Why it is paused; nil when nobody said.
  package var pause: PauseInfo?
  /// True while everything is paused.
  package var isPausedWithAll: Bool?
  /// No script declares it any more.
  package var isOrphaned = false
  /// Since when.
  package var orphanedAt: HostTime?
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
  /// Labels that a host must have to run it; nil: none.
  package var onNodes: [String]?
  package var overlap: String?
  package var maxInstances = 1
  package var params: JSONDocument?
  /// Dynamic schedules, by id; the first ones if there are many.
  package var schedules: [ScheduleAnswer] = []
  /// True where there are more of them: `GET /api/v1/schedules?job=` has all.
  package var hasMoreSchedules: Bool?

  package init(name: String) { self.name = name }

  private enum CodingKeys: String, CodingKey {
    case name, trigger, lua, running, waiting, now, progress, pause, file, line, tags, description, priority, group
    case store, executor, overlap, params, schedules
    case onNodes = "on_nodes"
    case timeZone = "timezone"
    case nextRunTime = "next_run_time"
    case lastRunTime = "last_run_time"
    case lastOutcome = "last_outcome"
    case isEnabled = "enabled"
    case isPaused = "paused"
    case isPausedWithAll = "paused_with_everything"
    case isOrphaned = "orphaned"
    case orphanedAt = "orphaned_at"
    case orphanReason = "orphan_reason"
    case maxInstances = "max_instances"
    case hasMoreSchedules = "more_schedules"
  }
}

extension JobAnswer {
  /// What is declared about a job.
  package init(_ definition: JobDefinition) {
    self.init(name: definition.name)
    trigger = definition.whenInWords
    lua = definition.trigger?.lua
    timeZone = definition.timeZone
    isEnabled = definition.enabled
    file = definition.source.file
    line = definition.source.line
    tags = definition.tags
    description = definition.description
    priority = definition.priority
    group = definition.group
    store = definition.store
    executor = definition.executor
    onNodes = definition.onNodes.isEmpty ? nil : definition.onNodes
    overlap = definition.overlap.rawValue
    maxInstances = definition.maxInstances
    params = definition.params.map { JSONDocument($0) }
  }
}

extension JobAnswer {
  /// Lists the first of its dynamic schedules: 100, and 64 KB of texts.
  package mutating func list(_ all: [ScheduleAnswer]) {
    var bytes = 0
    schedules = Array(
      all.prefix(100).prefix { schedule in
        defer { bytes += schedule.weight }
        return bytes < 64 << 10
      })
    if schedules.count < all.count { hasMoreSchedules = true }
  }

  /// About how many bytes of text it has.
  var weight: Int {
    let texts = [name, trigger, lua, description, file, group, params?.text, pause?.reason, orphanReason]
    return texts.reduce(0) { $0 + ($1?.utf8.count ?? 0) } + tags.reduce(0) { $0 + $1.utf8.count }
      + schedules.reduce(0) { $0 + $1.weight }
  }
}
