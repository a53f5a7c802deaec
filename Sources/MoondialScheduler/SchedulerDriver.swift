package import Chronology
package import JobModel
package import SchedulerService

/// What moves a scheduler: the machine's clocks and threads, or a test's hand.
package struct SchedulerDriver: Sendable {
  package var wallClock: any WallClock = SystemWallClock()
  package var monotonicClock: any MonotonicClock = SystemMonotonicClock()
  /// Makes each executor, by its configured name; nil: pools of threads.
  package var executor: (@Sendable (String) -> any JobExecutor)?
  package var engine: @Sendable (ServiceConfiguration) -> any SchedulerEngine = { SchedulerService($0) }
  /// Why scripts cannot be hosted; nil when they can.
  package var refusesScripts: String?
  /// Why jobs cannot watch for files; nil when they can.
  package var refusesFiles: String?

  package init() {}
}
