internal import Basics
package import Chronology
package import JobModel

/// Runs jobs whose payload is a `ClosurePayload`.
///
/// A blocking closure is a run of one step. An async closure is a run that suspends once, until its task is over.
package final class ClosureRunner: StepRunner {
  private let clock: any MonotonicClock
  /// Nanoseconds that a closure may go on after it was asked to end before it is called stuck.
  private let patience: Int64
  private let hostEnds = WindDown()

  /// - Parameters:
  ///   - clock: the executor's, with which deadlines are measured.
  ///   - patience: nanoseconds that a closure may go on after it was cancelled or its deadline passed. The default is
  ///     10 s; then its run is stuck.
  package init(clock: any MonotonicClock = SystemMonotonicClock(), patience: Int64 = 10_000_000_000) {
    self.clock = clock
    self.patience = patience
  }

  private final class Context {}
  package func makeContext(for worker: StepWorker) -> AnyObject { Context() }

  package func begin(_ order: RunOrder, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let payload = order.job.definition.payload as? ClosurePayload else {
      let message = "job \"\(order.job.definition.name)\" is not a Swift closure: give it to another executor"
      return .ended(RunEnding(.failed, details: AttemptDetails(error: RunError(message: message))))
    }
    switch payload.body {
    case .blocking(let body):
      let context = ClosureContext(
        order: order, startedAt: time.wall, deadline: time.deadline, clock: clock,
        isStopped: { [hostEnds] in worker.interruption != nil || hostEnds.isOn })
      if time.deadline < .max - patience { worker.expectEnd(by: time.deadline + patience) }
      defer { worker.expectEnd(by: .max) }
      do {
        return .ended(ClosureRunner.ending(try body(context)))
      } catch {
        return .ended(ending(error, deadline: time.deadline))
      }
    case .async(let body):
      let call = AsyncCall()
      let run = PoolRun(continuing: order, begunAt: time, on: worker, body: call)
      let context = ClosureContext(
        order: order, startedAt: time.wall, deadline: time.deadline, clock: clock,
        isStopped: { [hostEnds] in call.isStopped || hostEnds.isOn })
      call.start { [self] in
        let ending: RunEnding
        do {
          ending = ClosureRunner.ending(try await body(context))
        } catch {
          ending = self.ending(error, deadline: time.deadline)
        }
        call.finish(ending)
        run.resume()
      }
      return .suspended(run, until: .max)
    }
  }

  package func step(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    if let ending = call(of: run).ending { .ended(ending) } else { .suspended(run, until: .max) }
  }

  package func stop(_ run: PoolRun, because reason: StopReason, on worker: StepWorker) -> RunEnding {
    call(of: run).stop(reason)
    return RunEnding(reason.outcome)
  }

  /// The run has not ended until its task has: another instance must not begin beside it.
  package func beginStop(
    _ run: PoolRun, because reason: StopReason, at time: StepTime, on worker: StepWorker
  ) -> StepVerdict {
    // Who ends the pool waits for nobody.
    if reason == .interrupted { return .ended(stop(run, because: reason, on: worker)) }
    let call = call(of: run)
    if let ending = call.ending { return .ended(ending) }
    call.stop(reason)
    run.goOn(until: time.monotonic.addingReportingOverflow(patience).partialValue)
    return .suspended(run, until: .max)
  }

  package func timeOut(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    let call = call(of: run)
    if let ending = call.ending { return .ended(ending) }
    // The second time it is the patience that is over.
    if call.isStopped { return .ended(RunEnding(.stuck)) }
    return beginStop(run, because: .timedOut, at: time, on: worker)
  }

  private func call(of run: PoolRun) -> AsyncCall {
    guard let call = run.body as? AsyncCall else { preconditionFailure("a ClosureRunner runs closures") }
    return call
  }

  package func windDown() { hostEnds.turnOn() }

  /// Closures look at `ClosureContext.isCancelled`, which is set by now.
  package func interrupt(_ worker: StepWorker, because reason: StopReason) {}

  private static func ending(_ result: JSONText?) -> RunEnding {
    RunEnding(details: result.map { AttemptDetails(result: $0) })
  }

  private func ending(_ error: any Error, deadline: Int64) -> RunEnding {
    if error is CancellationError { return RunEnding(clock.now.nanoseconds >= deadline ? .timedOut : .cancelled) }
    if let retry = error as? ClosureRetry {
      let request = RetryRequest(delay: retry.delay)
      return RunEnding(.failed, details: AttemptDetails(error: retry.error, retry: request))
    }
    let shown = error as? RunError ?? RunError(message: String(describing: error))
    return RunEnding(.failed, details: AttemptDetails(error: shown))
  }
}

/// The task of an async closure, and what came of it.
private final class AsyncCall: Sendable {
  private struct State: Sendable {
    var task: Task<Void, Never>?
    var ending: RunEnding?
    /// Why it was asked to end.
    var stopReason: StopReason?
  }
  private let state = Monitor(State())

  var ending: RunEnding? { state.withLock { $0.ending } }
  var isStopped: Bool { state.withLock { $0.stopReason != nil } }

  /// The task is cancelled by `stop`, or ends by itself.
  func start(_ body: @escaping @Sendable () async -> Void) {
    let task = Task.detached { await body() }
    state.withLock { $0.task = task }
  }

  /// What it came to; a task that was asked to end has ended for that reason.
  func finish(_ ending: RunEnding) {
    state.withLock { state in state.ending = state.stopReason.map { RunEnding($0.outcome) } ?? ending }
  }

  func stop(_ reason: StopReason) {
    let task = state.withLock { state in
      state.stopReason = state.stopReason ?? reason
      return state.task
    }
    task?.cancel()
  }
}
