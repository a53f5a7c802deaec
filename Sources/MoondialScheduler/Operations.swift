internal import Chronology
public import FoundationEssentials
internal import Hosting
internal import JobModel

/// Why, by whom and since when something is paused.
public struct Pause: Sendable, Equatable {
  /// In the words of who paused it.
  public let reason: String?
  /// A person's or a program's name, a script's path.
  public let by: String
  /// Since when.
  public let at: Date

  init(_ info: PauseInfo) {
    reason = info.reason
    by = info.by
    at = Date(info.at.instant)
  }

  init(_ note: PauseNote) {
    reason = note.reason
    by = note.by
    at = Date(note.at)
  }
}

/// What a backfill did.
public struct Backfill: Sendable, Equatable {
  /// The fire times of the range.
  public let fires: [Date]
  /// The runs, in the order of their fires; none of a dry run.
  public let runs: [RunID]
  /// Fires that the overlap policy let go, which are recorded.
  public let skipped: Int

  init(_ answer: BackfillAnswer) {
    fires = answer.fires.map { Date($0.instant) }
    runs = answer.runs.map { RunID($0) }
    skipped = answer.skipped
  }
}

/// A fire to come.
public struct Upcoming: Sendable, Equatable {
  /// The name of the job.
  public let job: String
  /// The id of the dynamic schedule; nil: the job's own.
  public let schedule: String?
  /// When.
  public let at: Date
  /// It will be skipped: the job, or everything, is paused or disabled.
  public let isPaused: Bool
  /// Fires of this schedule in the span, this one included; 1 where each is told by itself.
  public let count: Int

  static func list(_ answer: UpcomingAnswer) -> [Upcoming] {
    let fires = answer.fires.map { fire in
      Upcoming(
        job: fire.job, schedule: fire.schedule, at: Date(fire.at.instant), isPaused: fire.isPaused, count: 1)
    }
    let frequent = answer.frequent.map { line in
      Upcoming(
        job: line.job, schedule: line.schedule, at: Date(line.first.instant), isPaused: line.isPaused,
        count: line.count)
    }
    return (fires + frequent).sorted { ($0.at, $0.job) < ($1.at, $1.job) }
  }
}

/// One thing that somebody changed.
public struct AuditEntry: Sendable, Equatable, Identifiable {
  /// Rises from entry to entry.
  public let id: Int64
  /// When.
  public let at: Date
  /// Who: a person's or a program's name, a script's path.
  public let by: String
  /// What: `pause`, `run`, `reload`, ….
  public let action: String
  /// The job, run or schedule that it is about; nil: the scheduler.
  public let subject: String?
  /// What was said of it: a reason, parameters.
  public let details: JSON?

  init(_ answer: AuditAnswer) {
    id = answer.id
    at = Date(answer.at.instant)
    by = answer.by
    action = answer.action
    subject = answer.subject
    details = answer.details.map { JSON($0.text) }
  }
}
