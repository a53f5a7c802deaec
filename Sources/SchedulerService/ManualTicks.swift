package import Chronology
package import JobModel
package import Scheduling
internal import Synchronization

/// A scheduler's core that ticks when it is told to, under a clock that is moved by hand: what the engines of tests
/// have in common.
///
/// Threading: any thread; one tick at a time.
package final class ManualTicks: Sendable {
  private struct State: Sendable {
    var rest: ServiceTick.Rest?
    var isOver = false
  }
  /// Whether something came in since the last tick began.
  private final class Awakening: Sendable {
    let flag = Atomic(true)
  }
  private let tick: ServiceTick
  private let clock: SimulatedClock
  /// Held for a tick.
  private let ticking = Mutex(())
  private let state = Mutex(State())
  private let awakening: Awakening

  /// - Parameter wake: called when something comes in, at most once between two ticks.
  package init(
    _ configuration: ServiceConfiguration, clock: SimulatedClock, wake: @escaping @Sendable () -> Void = {}
  ) {
    self.clock = clock
    let awakening = Awakening()
    self.awakening = awakening
    tick = ServiceTick(configuration) {
      awakening.flag.store(true, ordering: .releasing)
      wake()
    }
  }

  /// Reads the stores, starts the executors and makes the first tick. `last` is done in it, after the jobs are there.
  package func start(
    _ definitions: [JobDefinition], groups: [String: GroupLimit], isWhole: Bool, executors: [any JobExecutor],
    last: @escaping ServiceTick.Command = { _, _, _ in }
  ) throws {
    try tick.restore(definitions, groups: groups)
    for executor in executors { executor.start(reportingTo: tick) }
    tick.post { core, now, actions in
      core.setGroups(groups)
      core.reconcile(definitions, at: now, into: &actions)
      core.start(at: now, isWhole: isWhole, into: &actions)
      last(&core, now, &actions)
    }
    tickOnce()
  }

  /// Does something with the scheduler's state in ticks of its own, and answers what comes of it.
  package func ask<R: Sendable>(
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> R
  ) -> R {
    let answer = Mutex<R?>(nil)
    tick.post { core, now, actions in
      let result = body(&core, now, &actions)
      answer.withLock { $0 = result }
    }
    while true {
      tickOnce()
      // A tick of another thread may have taken the question: it has answered when that one is over.
      if let result = answer.withLock({ $0 }) { return result }
    }
  }

  /// Done in the next tick.
  package func post(whenDurable: (@Sendable (StoreError?) -> Void)? = nil, _ body: @escaping ServiceTick.Command) {
    tick.post(whenDurable: whenDurable, body)
  }

  /// Decides what is due, as long as something has come in or `work` says that it has done something.
  package func pump(until isOver: () -> Bool = { false }, work: () -> Bool) {
    var hasWorked = true
    while hasWorked || isAwake {
      if isOver() { return }
      tickOnce()
      hasWorked = work()
    }
  }

  package func tickOnce() {
    ticking.withLock { _ in
      awakening.flag.store(false, ordering: .releasing)
      let rest = tick.tick(at: tick.now)
      state.withLock { $0.rest = rest }
    }
  }

  /// From now on nothing falls due. False: that was so already.
  package func end() -> Bool {
    state.withLock { state in
      defer { state.isOver = true }
      return !state.isOver
    }
  }

  package var isOver: Bool { state.withLock { $0.isOver } }
  /// Whether something came in since the last tick began.
  package var isAwake: Bool { awakening.flag.load(ordering: .acquiring) }
  /// Whether the stores have everything, as far as the last tick knows.
  package var isWritten: Bool { state.withLock { $0.rest?.isWritten ?? true } }

  /// When the core has something to do next, in nanoseconds of the monotonic clock; nil: never, or it is over.
  package var nextWake: Int64? {
    guard let wake = state.withLock({ $0.isOver ? nil : $0.rest?.wake }) else { return nil }
    let monotonic = clock.monotonic.now.nanoseconds
    let wall = wake.wall.map { monotonic + max(0, $0.nanoseconds(since: clock.now)) }
    return [wall, wake.monotonic].compactMap { $0 }.min()
  }
}
