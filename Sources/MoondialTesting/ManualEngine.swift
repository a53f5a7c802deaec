internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling

/// A scheduler's core that ticks when it is told to, by a clock that is moved by hand. It has no thread.
///
/// Jobs run in `pump` and nowhere else.
final class ManualEngine: SchedulerEngine {
  private let ticks: ManualTicks
  private let executors: [ManualExecutor]
  private let followers: ClockFollowers

  init(_ configuration: ServiceConfiguration, clock: SimulatedClock, followers: ClockFollowers) {
    self.followers = followers
    ticks = ManualTicks(configuration, clock: clock) { followers.note() }
    executors = configuration.executors.compactMap { $0.executor as? ManualExecutor }
  }

  func start(_ definitions: [JobDefinition], groups: [String: GroupLimit], isWhole: Bool) throws {
    try ticks.start(definitions, groups: groups, isWhole: isWhole, executors: executors) { _, _, actions in
      actions.events.append(.hostStarted(generation: Generation(1), jobs: definitions.count))
    }
    followers.add(self)
  }

  func ask<R: Sendable>(
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> R
  ) -> R { ticks.ask(body) }

  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    ticks.post(whenDurable: whenDurable, body)
    // Who waits for it to be durable does not move the clock meanwhile.
    ticks.tickOnce()
  }

  /// Time stands still, so there is nothing to wait for: what has not ended is cancelled.
  func drain(grace: Int64) {
    guard ticks.end() else { return }
    ticks.post { core, now, actions in core.drain(at: now, into: &actions) }
    pump()
    ticks.post { core, now, actions in core.cancelAll(at: now, into: &actions) }
    pump()
    ticks.post { core, now, actions in core.interruptAll(at: now, into: &actions) }
    for executor in executors { executor.stop() }
    ticks.post { _, _, actions in actions.events.append(.stopped) }
    pump()
  }

  func endNow() {}

  // MARK: By hand

  /// Decides what is due, and runs it, until that gives nothing more to do at this instant.
  func pump() {
    ticks.pump(work: {
      var worked = false
      for executor in executors where executor.work() { worked = true }
      return worked
    })
  }

  /// Ends what is beyond its timeout.
  func expireTimeouts() { for executor in executors { executor.advance() } }

  /// Begun runs that have not ended.
  var outstanding: Int { executors.reduce(0) { $0 + $1.outstanding } }

  /// Whether nothing more comes of waiting, but for runs that go on.
  var isQuiet: Bool { ticks.isWritten && !ticks.isAwake && !executors.contains { $0.hasWork } }

  /// When something happens next, in nanoseconds of the monotonic clock.
  var nextWake: Int64? {
    ticks.isOver ? nil : ([ticks.nextWake] + executors.map(\.nextWake)).compactMap { $0 }.min()
  }
}
