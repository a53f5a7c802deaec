internal import Chronology
internal import Executors
internal import JobModel
internal import SchedulerService
internal import Scheduling

/// A scheduler's core that ticks when it is told to, under a clock that is moved by hand: the engine of a test's host.
///
/// Threading: `start`, `pump` and `expireTimers` on one thread; the rest on any.
final class VirtualEngine: SchedulerEngine {
  private let ticks: ManualTicks
  private let executor: InlineExecutor

  init(_ configuration: ServiceConfiguration, executor: InlineExecutor, clock: SimulatedClock) {
    self.executor = executor
    ticks = ManualTicks(configuration, clock: clock)
  }

  func start(_ definitions: [JobDefinition], groups: [String: GroupLimit], isWhole: Bool) throws {
    try ticks.start(definitions, groups: groups, isWhole: isWhole, executors: [executor])
  }

  func ask<R: Sendable>(
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> R
  ) -> R { ticks.ask(body) }

  /// Done in the next tick, which `pump` makes: whoever asks may be inside one.
  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    ticks.post(whenDurable: whenDurable, body)
  }

  /// Time stands still, so there is nothing to wait for: what has not ended is interrupted.
  func drain(grace: Int64) {
    if ticks.end() { executor.stop() }
  }

  func endNow() {}

  // MARK: By hand

  /// Decides what is due, and runs it, until that gives nothing more to do at this instant.
  func pump() { ticks.pump(until: { ticks.isOver }, work: executor.work) }

  /// Resumes who sleeps until now, and ends what is beyond its timeout.
  func expireTimers() { executor.advance() }

  /// When something happens next, in nanoseconds of the monotonic clock.
  var nextWake: Int64? {
    ticks.isOver ? nil : [ticks.nextWake, executor.nextWake].compactMap { $0 }.min()
  }
}
