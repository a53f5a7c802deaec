package import Chronology
package import JobModel

/// What a scheduler service is made of. Plain values; nothing is started by making one.
package struct ServiceConfiguration {
  /// By name; the first is the default. At least one.
  package var stores: [(name: String, store: any JobStore)]
  /// By name; the first is the default. At least one.
  package var executors: [(name: String, executor: any JobExecutor)]
  package var wallClock: any WallClock = SystemWallClock()
  /// Where the triggers of dynamic schedules find their time zones when they are read from a store.
  package var zones = TimeZoneDatabase()
  package var monotonicClock: any MonotonicClock = SystemMonotonicClock()
  /// Claimed runs that have not started, at most. The default is 64 for each worker, at least 1,024.
  package var window: Int?
  /// Nanoseconds between the first evaluations of overdue jobs after a start. The default spreads 100 jobs over 1 s.
  package var catchUpStep: Int64?
  /// Bytes of the stack of the scheduler's thread. The default is 8 MB, of which it takes what it needs.
  package var stackSize = 8 << 20
  /// Whether this process has led before, and stepped down: to have its stores again is no start.
  package var continues = false
  /// Whether each run's claim, start and success are published; failures always are. The default is true.
  package var publishesRuns = true
  /// Orphaned jobs that are remembered; `.max`: all. With a number, reloads must go through `ask(recalling:)`.
  package var orphansMax = Int.max
  /// How many calls are under way that are no runs and that a drain waits for like them. Asked on the scheduler's
  /// thread after each evaluation's events; must be quick.
  package var alsoRunning: @Sendable () -> Int = { 0 }
  /// Called on the scheduler's thread with each evaluation's events, in order. Must be quick and must not call the
  /// service's blocking methods.
  package var onEvents: @Sendable ([Event]) -> Void = { _ in }

  /// Called on the scheduler's thread with each event that a transaction has emitted. Must be quick.
  package var onEmitted: @Sendable (String, JSONText?) -> Void = { _, _ in }

  package init(
    stores: [(name: String, store: any JobStore)], executors: [(name: String, executor: any JobExecutor)]
  ) {
    self.stores = stores
    self.executors = executors
  }
}
