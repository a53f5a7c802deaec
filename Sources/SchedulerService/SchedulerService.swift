internal import Basics
import Chronology
package import JobModel
package import Scheduling
import Synchronization

/// A scheduler that runs: one thread that sleeps until something is due or comes in, decides, and acts.
///
///     let service = SchedulerService(configuration)
///     try service.start(definitions)        // returns; jobs run in the background
///     try service.runNow("cleanup")        // and all that every engine does
///     service.drain(grace: 30_000_000_000)    // finish what runs, then everything is written
///
/// Threading: every method may be called from any thread, and blocks only where it says so. Started once, stopped once;
/// stopping twice, or without a start, is fine.
package final class SchedulerService: SchedulerEngine {
  package enum Phase: Sendable, Equatable { case idle, starting, running, draining, stopped }

  private struct State: Sendable {
    var phase = Phase.idle
    var rest: ServiceTick.Rest?
    /// Nobody waits for runs any more.
    var isHurried = false
    /// `rest` is about the time after the last outcomes.
    var isLast = false
    /// The thread ends after its present tick.
    var mustEnd = false
  }

  private let tick: ServiceTick
  private let timer: LoopTimer
  private let state = Monitor(State())
  private let thread = Mutex<NamedThread?>(nil)
  /// Held for a tick on a caller's thread, once the scheduler's own has ended.
  private let afterwards = Mutex(())
  private let executors: [any JobExecutor]
  private let stackSize: Int

  package init(_ configuration: ServiceConfiguration) {
    let timer = LoopTimer()
    self.timer = timer
    tick = ServiceTick(configuration) { timer.wake() }
    executors = configuration.executors.map(\.executor)
    stackSize = configuration.stackSize
  }

  package var phase: Phase { state.withLock { $0.phase } }

  // MARK: Life

  /// Reads the stores, takes in `definitions` and begins to fire, no run beyond what `groups` allow.
  ///
  /// - Throws: `StoreError` when a store cannot be read, `ThreadError` when the system gives no thread,
  ///   `StoppedBeforeStart` when it was stopped before: then nothing was started.
  package func start(_ definitions: [JobDefinition], groups: [String: GroupLimit], isWhole: Bool) throws {
    let former = state.withLock { state in
      defer { if state.phase == .idle { state.phase = .starting } }
      return state.phase
    }
    if former == .stopped { throw StoppedBeforeStart() }
    precondition(former == .idle, "a scheduler service is started once")
    do {
      try tick.restore(definitions, groups: groups)
      // First, since it is what can fail; until it is told about the jobs it has nothing to do.
      let loop = try NamedThread("moondial-loop", stackSize: stackSize) { [self] in run() }
      thread.withLock { $0 = loop }
    } catch {
      state.withLock { $0.phase = .stopped }
      state.broadcast()
      throw error
    }
    let sink = TickSink(tick)
    for executor in executors { executor.start(reportingTo: sink) }
    tick.post { core, now, actions in
      core.setGroups(groups)
      core.reconcile(definitions, at: now, into: &actions)
      core.start(at: now, isWhole: isWhole, into: &actions)
      actions.events.append(.hostStarted(generation: Generation(1), jobs: definitions.count))
    }
    // Who stops it meanwhile has waited: an executor cannot be stopped before it is started.
    state.withLock { $0.phase = .running }
    state.broadcast()
  }

  private func run() {
    LoopTimer.sharpenThisThread()
    var realTime = RealTimeThread(.decide)
    while true {
      let now = tick.now
      let rest = tick.tick(at: now)
      let mustEnd = state.withLock { state in
        state.rest = rest
        return state.mustEnd
      }
      state.broadcast()
      if mustEnd { return }
      realTime.review(at: monotonicNow())
      timer.wait(rest.wake, monotonicNow: now.monotonic)
    }
  }

  /// Claims nothing more, waits up to `grace` nanoseconds for what runs, cancels what is left, and hands everything to
  /// the stores, which stay open: whoever opened them closes them. Blocks until then. `endNow` ends the waiting.
  package func drain(grace: Int64) {
    guard enterDraining() else { return awaitStopped() }
    tick.post { core, now, actions in core.drain(at: now, into: &actions) }
    awaitRest(within: grace) { $0.claimedRuns == 0 }
    // Who is hurried asks nothing more of what runs: cancelled runs end as such, and are not recovered by the next
    // host.
    if !isQuiet, !isHurried { tick.post { core, now, actions in core.cancelAll(at: now, into: &actions) } }
    // A cancelled run ends within its hard stop; a stuck one never does.
    awaitRest(within: 1_000_000_000) { $0.claimedRuns == 0 }
    finish()
  }

  /// Ends a drain's waiting: what still runs is interrupted. From any thread, also a signal's.
  package func endNow() {
    if enterDraining() {
      tick.post { core, now, actions in core.drain(at: now, into: &actions) }
      finish()
    } else {
      state.withLock { $0.isHurried = true }
      state.broadcast()
    }
  }

  /// Waits for a start that is under way. False when somebody else has ended it, or ends it, or it never began.
  private func enterDraining() -> Bool {
    state.wait { state -> Bool? in
      switch state.phase {
      case .starting: return nil
      case .idle:
        state.phase = .stopped
        return false
      case .running:
        state.phase = .draining
        state.rest = nil
        return true
      case .draining, .stopped: return false
      }
    } ?? false
  }

  private var isHurried: Bool { state.withLock { $0.isHurried } }

  private var isQuiet: Bool { state.withLock { $0.rest?.claimedRuns == 0 } }

  private func awaitStopped() { _ = state.wait { $0.phase == .stopped ? true : nil } }

  private func awaitRest(within nanoseconds: Int64, _ holds: @escaping @Sendable (ServiceTick.Rest) -> Bool) {
    let (deadline, overflow) = monotonicNow().addingReportingOverflow(nanoseconds)
    _ = state.wait(until: overflow ? .max : deadline) { state -> Bool? in
      if state.isHurried { return true }
      return state.rest.map(holds) == true ? true : nil
    }
  }

  private func finish() {
    // Asked, not posted: stopping the executors cancels what they run, and a tick takes reports in before what was
    // posted to it. An interrupted run would now and then be recorded as cancelled, and not be recovered by the next
    // host.
    ask { core, now, actions in core.interruptAll(at: now, into: &actions) }
    for executor in executors { executor.stop() }
    // Forgets what earlier ticks said on the thread that says it, so that the answer below is about everything up to
    // here.
    tick.post { [state] _, _, _ in
      state.withLock { state in
        state.rest = nil
        state.isLast = true
      }
    }
    // The last outcomes; a store that cannot be written must not hold the exit for ever.
    let deadline = monotonicNow() + 10_000_000_000
    _ = state.wait(until: deadline) { $0.isLast && $0.rest?.isWritten == true ? true : nil }
    state.withLock { $0.mustEnd = true }
    let unwritten = state.withLock { $0.rest?.unwritten ?? [] }
    tick.post { _, _, actions in
      for text in unwritten { actions.events.append(.notWritten(text)) }
      actions.events.append(.stopped)
    }
    thread.withLock { $0 }?.join()
    state.withLock { $0.phase = .stopped }
    state.broadcast()
  }

  // MARK: Control

  /// Does something with the scheduler's state at its next tick and waits for the answer. Not from the scheduler's own
  /// thread.
  package func ask<R: Sendable>(
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> R
  ) -> R {
    let answer = Monitor<R?>(nil)
    tick.post { core, now, actions in
      let result = body(&core, now, &actions)
      answer.withLock { $0 = result }
      answer.broadcast()
    }
    while true {
      if let result = answer.wait(until: monotonicNow() + 100_000_000, for: { $0 }) { return result }
      // The thread ended before it saw the question: then the state is whoever's asks, one at a time.
      if phase == .stopped { afterwards.withLock { _ in _ = tick.tick(at: tick.now) } }
    }
  }

  /// Does something with the scheduler's state at its next tick; `whenDurable` is called (on a store's thread) when
  /// what it decided is on disk.
  package func post(
    whenDurable: (@Sendable (StoreError?) -> Void)?,
    _ body: @escaping @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void
  ) {
    tick.post(whenDurable: whenDurable, body)
  }
}

/// A scheduler was stopped before its start.
package struct StoppedBeforeStart: Error, CustomStringConvertible {
  package var description: String { "it was stopped before it had started" }
}

/// Hands reports to a tick without holding it: the tick holds the executors that report, and neither would ever be
/// released.
private final class TickSink: RunReportSink {
  // Read by any thread, which is safe for a weak reference; never written again.
  private weak let tick: ServiceTick?

  init(_ tick: ServiceTick) { self.tick = tick }

  func report(_ reports: [RunReport]) { tick?.report(reports) }
}
