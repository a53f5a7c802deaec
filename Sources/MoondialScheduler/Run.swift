public import FoundationEssentials
internal import Chronology
internal import JobModel

/// Names one run in one store, for ever: a small whole number that rises and is never used twice.
public struct RunID: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// From 1 on.
  public let number: Int64
  /// The run of that number.
  public init(_ number: Int64) { self.number = number }

  /// Whether `left` was given out earlier.
  public static func < (left: RunID, right: RunID) -> Bool { left.number < right.number }
  /// The number.
  public var description: String { String(number) }

  init(_ id: JobModel.RunID) { number = id.number }
  var inner: JobModel.RunID { JobModel.RunID(number) }
}

/// How a run ended: the same words in the log, the history and everywhere else.
public enum Outcome: String, Sendable, CaseIterable, Codable {
  case succeeded
  case failed
  case timedOut = "timed_out"
  case cancelled
  /// A Lua state outgrew its memory.
  case outOfMemory = "out_of_memory"
  /// The process died, or was stopped, under it: it may have started.
  case interrupted
  /// The process that ran it died.
  case crashed
  /// It did not end in time and holds its thread; the pool went on with a new one.
  case stuck

  init(_ outcome: JobModel.Outcome) { self = Outcome(rawValue: outcome.rawValue)! }
}

/// One run as the history has it. A value: it does not change when the run goes on.
public struct Run: Sendable, Identifiable {
  /// Unique in its store.
  public let id: RunID
  /// The name of its job.
  public let job: String
  /// The id of the dynamic schedule that it is of; nil: the job's own.
  public let schedule: String?
  /// The fire time, or when it was asked for.
  public let scheduledAt: Date
  /// Start of the first attempt; nil while it has not begun.
  public let startedAt: Date?
  /// nil until it has ended.
  public let finishedAt: Date?
  /// nil until it has ended.
  public let outcome: Outcome?
  /// Attempts made so far.
  public let attempts: Int
  /// Further fire times that were taken together with this one.
  public let missed: Int
  /// Sum over the attempts.
  public let duration: Duration
  /// Why it did not succeed.
  public let error: String?
  /// What it was given beside the job's own.
  public let params: JSON?
  /// What it left behind.
  public let result: JSON?

  init(_ record: RunRecord) {
    id = RunID(record.id)
    job = record.job
    schedule = record.schedule
    scheduledAt = Date(record.scheduledAt)
    startedAt = record.startedAt.map { Date($0) }
    finishedAt = record.finishedAt.map { Date($0) }
    outcome = record.outcome.map { Outcome($0) }
    attempts = Int(record.attempts)
    missed = record.missed
    duration = .nanoseconds(record.duration)
    error = record.error?.message
    params = record.params.map { JSON($0) }
    result = record.result.map { JSON($0) }
  }
}
