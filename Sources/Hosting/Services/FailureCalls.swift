internal import Chronology
internal import Executors
package import JobModel
package import SchedulerService
internal import Scheduling
package import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// Calls moondial.lua's `on_failure` when a run has failed: on the default executor, as runs are, in a Lua state of
/// its own, for at most 30 s.
///
/// A call is no run: it has no row, is never repeated, and what goes wrong in it is one line of the log. At most 64 are
/// under way; failures beyond that are counted and not told. A drain waits for those that have begun.
///
/// Threading: `hear` on the scheduler's thread; `count` on any.
package final class FailureCalls: Sendable {
  private struct State: Sendable {
    var next: UInt32 = 0
    /// The runs that calls are about, by the number of the call.
    var calls: [UInt32: (run: RunID, job: String)] = [:]
    var unreported = 0
  }

  private let state = Mutex(State())
  private let hook: @Sendable () -> FailureHook?
  private let say: @Sendable (LogLevel, String?, RunID?, String) -> Void
  private let executor: any JobExecutor
  private let engine = Mutex<(any SchedulerEngine)?>(nil)

  /// - Parameters:
  ///   - hook: what `moondial.lua` has now.
  ///   - say: takes a line about a job and its run, or about none.
  package init(
    executor: any JobExecutor, hook: @escaping @Sendable () -> FailureHook?,
    say: @escaping @Sendable (LogLevel, _ job: String?, RunID?, String) -> Void
  ) {
    self.executor = executor
    self.hook = hook
    self.say = say
  }

  package func attach(_ engine: any SchedulerEngine) { self.engine.withLock { $0 = engine } }

  /// The engine's events hold this object: without it neither would ever be released.
  package func detach() { engine.withLock { $0 = nil } }

  /// Calls under way.
  package var count: Int { state.withLock { $0.calls.count } }

  package func hear(_ events: [Event]) {
    for event in events {
      switch event {
      case .runFinished(let record) where record.outcome?.isFailure == true: begin(record)
      case .failureHookEnded(let number, let outcome, let error): end(number, outcome, error)
      default: continue
      }
    }
  }

  private func begin(_ record: RunRecord) {
    guard let hook = hook(), let engine = engine.withLock({ $0 }) else { return }
    let number = state.withLock { state -> UInt32? in
      guard state.calls.count < FailureHook.mostCalls else {
        state.unreported += 1
        return nil
      }
      state.next &+= 1
      state.calls[state.next] = (record.id, record.job)
      return state.next
    }
    guard let number else { return }
    // At the next tick: only there is it known which store the job has.
    engine.post(whenDurable: nil) { [executor] core, _, _ in
      let store = core.index(of: record.job).map { core.jobs[$0.offset].entry.definition.store }
      let definition = hook.definition(for: record.job, store: store ?? "default")
      executor.submit([
        RunOrder(
          token: RunToken(failureHook: number), id: record.id, job: JobEntry(definition), attempt: 1,
          scheduledAt: record.scheduledAt,
          context: OrderContext(params: nil, event: FailureHook.arguments(of: record)))
      ])
    }
  }

  private func end(_ number: UInt32, _ outcome: Outcome, _ error: RunError?) {
    let (call, unreported) = state.withLock { state in
      defer { if state.calls.isEmpty { state.unreported = 0 } }
      let call = state.calls.removeValue(forKey: number)
      return (call, state.calls.isEmpty ? state.unreported : 0)
    }
    if unreported > 0 {
      say(
        .warn, nil, nil,
        "on_failure of moondial.lua: \(unreported) failures were not told: \(FailureHook.mostCalls) calls were under way"
      )
    }
    guard let call, outcome != .succeeded else { return }
    let why = error.map { ": \($0.message)" } ?? ""
    say(.error, call.job, call.run, "on_failure of moondial.lua \(outcome.rawValue)\(why)")
  }
}
