internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Synchronization

/// Turns a scheduler's core when it is asked to, by a clock that is moved by hand. It has no thread.
///
/// Jobs run in `pump` and nowhere else.
final class ManualEngine: SchedulerEngine {
  private struct State: Sendable {
    var rest: ServiceTick.Rest?
    var isOver = false
  }
  private let tick: ServiceTick
  private let executors: [ManualExecutor]
  private let clock: SimulatedClock
  private let followers: ClockFollowers
  /// Held for a tick.
  private let turning = Mutex(())
  private let state = Mutex(State())
  private let isAwake: Awakening

  /// Whether something came in since the last tick began.
  private final class Awakening: Sendable {
    let flag = Atomic(true)
  }

  init(_ configuration: ServiceConfiguration, clock: SimulatedClock, followers: ClockFollowers) {
    self.clock = clock
    self.followers = followers
    let awakening = Awakening()
    isAwake = awakening
    tick = ServiceTick(configuration) {
      awakening.flag.store(true, ordering: .releasing)
      followers.note()
    }
    executors = configuration.executors.compactMap { $0.executor as? ManualExecutor }
  }

  func start(_ definitions: [JobDefinition], groups: [String: GroupLimit], isWhole: Bool) throws {
    try tick.restore(definitions, groups: groups)
    for executor in executors { executor.start(reportingTo: tick) }
    tick.post { core, now, actions in
      core.setGroups(groups)
      core.reconcile(definitions, at: now, into: &actions)
      core.start(at: now, isWhole: isWhole, into: &actions)
      actions.events.append(.hostStarted(generation: Generation(1), jobs: definitions.count))
    }
    tickOnce()
    followers.add(self)
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

  func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    tick.post(whenDurable: whenDurable, body)
    // Who waits for it to be durable does not move the clock meanwhile.
    tickOnce()
  }

  /// Time stands still, so there is nothing to wait for: what has not ended is cancelled.
  func drain(grace: Int64) {
    let isFirst = state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
    guard isFirst else { return }
    tick.post { core, now, actions in core.drain(at: now, into: &actions) }
    pump()
    tick.post { core, now, actions in core.cancelAll(at: now, into: &actions) }
    pump()
    tick.post { core, now, actions in core.interruptAll(at: now, into: &actions) }
    for executor in executors { executor.stop() }
    tick.post { _, _, actions in actions.events.append(.stopped) }
    pump()
  }

  func endNow() {}

  // MARK: By hand

  /// Decides what is due, and runs it, until that gives nothing more to do at this instant.
  func pump() {
    var worked = true
    while worked || isAwake.flag.load(ordering: .acquiring) {
      tickOnce()
      worked = false
      for executor in executors where executor.work() { worked = true }
    }
  }

  /// Ends what is beyond its timeout.
  func expireTimeouts() { for executor in executors { executor.advance() } }

  private func tickOnce() {
    turning.withLock { _ in
      isAwake.flag.store(false, ordering: .releasing)
      let rest = tick.tick(at: tick.now)
      state.withLock { $0.rest = rest }
    }
  }

  /// Begun runs that have not ended.
  var outstanding: Int { executors.reduce(0) { $0 + $1.outstanding } }

  /// Whether nothing more comes of waiting, but for runs that go on.
  var isQuiet: Bool {
    let isWritten = state.withLock { $0.rest?.isWritten ?? true }
    return isWritten && !isAwake.flag.load(ordering: .acquiring) && !executors.contains { $0.hasWork }
  }

  /// When something happens next, in nanoseconds of the monotonic clock.
  var nextWake: Int64? {
    guard let wake = state.withLock({ $0.isOver ? nil : $0.rest?.wake }) else { return nil }
    let monotonic = clock.monotonic.now.nanoseconds
    let wall = wake.wall.map { monotonic + max(0, $0.nanoseconds(since: clock.now)) }
    return ([wall, wake.monotonic] + executors.map(\.nextWake)).compactMap { $0 }.min()
  }
}
