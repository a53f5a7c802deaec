public import FoundationEssentials
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Triggers

/// A schedule that was made at run time for a job: with a trigger, parameters and instances of its own. Kept in the
/// job's store until it is taken away, or has no fire left and its last run has ended.
public struct Schedule: Sendable, Identifiable {
  /// Unique among all schedules of a scheduler.
  public let id: String
  /// The name of the job that it runs.
  public let job: String
  /// When it fires, in words; nil while its job is not declared.
  public let trigger: String?
  /// nil when it has no fire left, and its last run goes on.
  public let nextFire: Date?
  /// Runs that are claimed, running, suspended or waiting for a retry.
  public let running: Int
  /// What its runs are given.
  public let params: JSON?

  init(_ status: ScheduleStatus) {
    id = status.id
    job = status.record.job
    trigger = status.trigger?.description
    nextFire = status.nextFire.map { Date($0) }
    running = status.active
    params = status.record.dynamic?.options.params.map { JSON($0) }
  }
}
