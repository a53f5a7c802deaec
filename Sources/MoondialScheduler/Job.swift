public import FoundationEssentials
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Triggers

/// One job as it stood when it was asked for.
public struct Job: Sendable, Identifiable {
  /// Unique among all declared jobs.
  public let name: String
  /// When it runs, in words: `Every 30 seconds`; nil when it runs only when asked, on events or after others.
  public let trigger: String?
  /// The next fire time; nil when there is none.
  public let nextFire: Date?
  /// The latest fire time that was decided.
  public let lastFire: Date?
  /// Runs that are claimed, running, suspended or waiting for a retry.
  public let running: Int
  /// Whether what falls due is skipped until it is resumed.
  public let isPaused: Bool
  /// Why, and by whom, if somebody said.
  public let pause: Pause?
  /// `JobOptions.enabled`.
  public let isEnabled: Bool
  /// `JobOptions.description`.
  public let description: String?
  /// `JobOptions.tags`.
  public let tags: [String]
  /// Where it was declared: `jobs.lua:4`, or the file and line of `add`.
  public let source: String

  /// The name.
  public var id: String { name }

  init(_ status: JobStatus) {
    let definition = status.definition
    name = definition.name
    trigger = definition.trigger?.description
    nextFire = status.nextFire.map { Date($0) }
    lastFire = status.lastFire.map { Date($0) }
    running = status.active
    isPaused = status.isPaused
    pause = status.pause.map { Pause($0) }
    isEnabled = definition.enabled
    description = definition.description
    tags = definition.tags
    source = definition.source.description
  }
}
