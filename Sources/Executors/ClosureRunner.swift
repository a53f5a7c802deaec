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
      return .ended(AttemptResult(.failed, details: AttemptDetails(error: RunError(message: message))))
    }
    switch payload.body {
    case .blocking(let body):
      let context = ClosureContext(
        order: order, startedAt: time.wall, deadline: time.deadline, clock: clock,
        isStopped: { [hostEnds] in worker.interruption != nil || hostEnds.isOn })
      if time.deadline < .max - patience { worker.expectEnd(by: time.deadline + patience) }
      defer { worker.expectEnd(by: .max) }
      do {
        return .ended(ClosureRunner.result(try body(context)))
      } catch {
        return .ended(result(error, deadline: time.deadline))
      }
    case .async(let body):
      let call = AsyncCall()
      let run = PoolRun(continuing: order, begunAt: time, on: worker, body: call)
      let context = ClosureContext(
        order: order, startedAt: time.wall, deadline: time.deadline, clock: clock,
        isStopped: { [hostEnds] in call.isStopped || hostEnds.isOn })
      call.start { [self] in
        let result: AttemptResult
        do {
          result = ClosureRunner.result(try await body(context))
        } catch {
          result = self.result(error, deadline: time.deadline)
        }
        call.finish(result)
        run.resume()
      }
      return .suspended(run, until: .max)
    }
  }

  package func step(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    if let result = call(of: run).result { .ended(result) } else { .suspended(run, until: .max) }
  }

  package func stop(_ run: PoolRun, because reason: StopReason, on worker: StepWorker) -> AttemptResult {
    call(of: run).stop(reason)
    return AttemptResult(reason.outcome)
  }

  /// The run has not ended until its task has: another instance must not begin beside it.
  package func beginStop(
    _ run: PoolRun, because reason: StopReason, at time: StepTime, on worker: StepWorker
  ) -> StepVerdict {
    // Who ends the pool waits for nobody.
    if reason == .interrupted { return .ended(stop(run, because: reason, on: worker)) }
    let call = call(of: run)
    if let result = call.result { return .ended(result) }
    call.stop(reason)
    run.goOn(until: time.monotonic.addingReportingOverflow(patience).partialValue)
    return .suspended(run, until: .max)
  }

  package func timeOut(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    let call = call(of: run)
    if let result = call.result { return .ended(result) }
    // The second time it is the patience that is over.
    if call.isStopped { return .ended(AttemptResult(.stuck)) }
    return beginStop(run, because: .timedOut, at: time, on: worker)
  }

  private func call(of run: PoolRun) -> AsyncCall {
    guard let call = run.body as? AsyncCall else { preconditionFailure("a ClosureRunner runs closures") }
    return call
  }

  package func windDown() { hostEnds.turnOn() }

  /// Closures look at `ClosureContext.isCancelled`, which is set by now.
  package func interrupt(_ worker: StepWorker, because reason: StopReason) {}

  private static func result(_ result: JSONText?) -> AttemptResult {
    AttemptResult(details: result.map { AttemptDetails(result: $0) })
  }

  private func result(_ error: any Error, deadline: Int64) -> AttemptResult {
    if error is CancellationError { return AttemptResult(clock.now.nanoseconds >= deadline ? .timedOut : .cancelled) }
    if let retry = error as? ClosureRetry {
      let request = RetryRequest(delay: retry.delay)
      return AttemptResult(.failed, details: AttemptDetails(error: retry.error, retry: request))
    }
    let shown = error as? RunError ?? RunError(message: String(describing: error))
    return AttemptResult(.failed, details: AttemptDetails(error: shown))
  }
}

/// The task of an async closure, and what came of it.
private final class AsyncCall: Sendable {
  private struct State: Sendable {
    var task: Task<Void, Never>?
    var result: AttemptResult?
    /// Why it was asked to end.
    var stopReason: StopReason?
  }
  private let state = Monitor(State())

  var result: AttemptResult? { state.withLock { $0.result } }
  var isStopped: Bool { state.withLock { $0.stopReason != nil } }

  /// The task is cancelled by `stop`, or ends by itself.
  func start(_ body: @escaping @Sendable () async -> Void) {
    let task = Task.detached { await body() }
    state.withLock { $0.task = task }
  }

  /// What it came to; a task that was asked to end has ended for that reason.
  func finish(_ result: AttemptResult) {
    state.withLock { state in state.result = state.stopReason.map { AttemptResult($0.outcome) } ?? result }
  }

  func stop(_ reason: StopReason) {
    let task = state.withLock { state in
      state.stopReason = state.stopReason ?? reason
      return state.task
    }
    task?.cancel()
  }
}
