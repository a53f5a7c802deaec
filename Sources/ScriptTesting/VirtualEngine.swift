internal import Chronology
internal import Executors
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Synchronization

/// A scheduler's core that turns when it is told to, under a clock that is moved by hand: the engine of a test's host.
///
/// Threading: `start`, `pump` and `expireTimers` on one thread; the rest on any.
final class VirtualEngine: SchedulerEngine {
  private struct State: Sendable {
    var rest: ServiceTick.Rest?
    var isOver = false
  }
  private let tick: ServiceTick
  private let executor: InlineExecutor
  private let clock: SimulatedClock
  /// Held for a tick.
  private let turning = Mutex(())
  private let state = Mutex(State())
  private let isAwake: Awakening

  /// Whether something came in since the last tick began.
  private final class Awakening: Sendable {
    let flag = Atomic(true)
  }

  init(_ configuration: ServiceConfiguration, executor: InlineExecutor, clock: SimulatedClock) {
    self.clock = clock
    self.executor = executor
    let awakening = Awakening()
    isAwake = awakening
    tick = ServiceTick(configuration) { awakening.flag.store(true, ordering: .releasing) }
  }

  func start(_ definitions: [JobDefinition], groups: [String: GroupLimit], isWhole: Bool) throws {
    try tick.restore(definitions, groups: groups)
    executor.start(reportingTo: tick)
    tick.post { core, now, actions in
      core.setGroups(groups)
      core.reconcile(definitions, at: now, into: &actions)
      core.start(at: now, isWhole: isWhole, into: &actions)
    }
    tickOnce()
  }

  func ask<R: Sendable>(
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> R
  ) -> R {
    let answer = Mutex<R?>(nil)
    tick.post { core, now, actions in
      let result = body(&core, now, &actions)
      answer.withLock { $0 = result }
    }
    while true {
      tickOnce()
      // Another thread's turn may have taken the question: it has answered when that tick is over.
      if let result = answer.withLock({ $0 }) { return result }
    }
  }

  /// Done in the next tick, which `pump` makes: whoever asks may be inside one.
  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    tick.post(whenDurable: whenDurable, body)
  }

  /// Time stands still, so there is nothing to wait for: what has not ended is interrupted.
  func drain(grace: Int64) {
    let isFirst = state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
    guard isFirst else { return }
    executor.stop()
  }

  func endNow() {}

  // MARK: By hand

  /// Decides what is due, and runs it, until that gives nothing more to do at this instant.
  func pump() {
    var worked = true
    while worked || isAwake.flag.load(ordering: .acquiring) {
      if state.withLock({ $0.isOver }) { return }
      tickOnce()
      worked = executor.work()
    }
  }

  /// Resumes who sleeps until now, and ends what is beyond its timeout.
  func expireTimers() { executor.advance() }

  private func tickOnce() {
    turning.withLock { _ in
      isAwake.flag.store(false, ordering: .releasing)
      let rest = tick.tick(at: tick.now)
      state.withLock { $0.rest = rest }
    }
  }

  /// When something happens next, in nanoseconds of the monotonic clock.
  var nextWake: Int64? {
    guard let wake = state.withLock({ $0.isOver ? nil : $0.rest?.wake }) else { return nil }
    let monotonic = clock.monotonic.now.nanoseconds
    let wall = wake.wall.map { monotonic + max(0, $0.nanoseconds(since: clock.now)) }
    return [wall, wake.monotonic, executor.nextWake].compactMap { $0 }.min()
  }
}
