internal import Chronology
package import Executors
package import JobModel
internal import Lua

/// How `run` ended, and what is called then.
///
/// `on_success` follows a success; `on_error` each attempt that failed, and `on_failure` the last one. They are
/// executed in the run's state as a part of the attempt. After a run, or a hook, that was killed for what it did, the
/// next one gets a new state of the job and a time of its own: the old one is gone, and with it the time and the memory
/// that it was allowed. Who cancels a run or stops the host wants an end, so there is no hook then.
extension LuaRunner {
  // MARK: The end of an entry

  /// The entry returned. The attempt's result.
  func finished(_ instance: JobInstance) -> AttemptResult {
    if case .hook(_, let result) = instance.phase { return result }
    if instance.endBy != nil { return LuaAttempt.endedItself(instance) }
    return LuaAttempt.succeeded(instance, resultLimit: host.services.quotas().resultBytes)
  }

  /// The entry raised. The attempt's result.
  func failed(_ instance: JobInstance, _ error: LuaError) -> AttemptResult {
    // An error out of the function of a transaction.
    instance.state.refusesToWait = false
    if case .hook(let hook, let result) = instance.phase {
      note(hook, of: instance, "failed: \(error.message)")
      return result
    }
    return instance.endBy != nil ? LuaAttempt.endedItself(instance, error) : LuaAttempt.failed(instance, error)
  }

  /// The entry was stopped. The attempt's result.
  func stopped(_ instance: JobInstance, _ stop: LuaStop, _ interruption: StopReason?) -> AttemptResult {
    let outcome: Outcome =
      switch stop.reason {
      case .deadline: isBeyondItsEnd(instance) ? .cancelled : .timedOut
      case .cancelled: interruption?.outcome ?? (instance.isExhausted ? .outOfMemory : .cancelled)
      case .outOfMemory: .outOfMemory
      }
    if case .hook(let hook, let result) = instance.phase {
      note(hook, of: instance, "was stopped (\(outcome.rawValue))" + (stop.location.map { " at \($0)" } ?? ""))
      return result
    }
    return LuaAttempt.stopped(outcome, at: stop.location, instance, depth: stop.depth)
  }

  private func isBeyondItsEnd(_ instance: JobInstance) -> Bool {
    instance.endBy.map { $0 <= host.services.monotonic.now.nanoseconds } ?? false
  }

  /// Until when a run that is made to end may do so by itself; nil: it is to be stopped.
  func timeToEnd(_ instance: JobInstance, because reason: StopReason) -> Int64? {
    guard reason == .cancelled, case .body = instance.phase, instance.context.cancel.ask() else { return nil }
    return instance.end(by: host.services.monotonic.now.nanoseconds &+ host.configuration.cancelPatience)
  }

  // MARK: What follows

  /// Begins what is called next, if anything is.
  ///
  /// - Parameters:
  ///   - time: gets the deadline of what is called.
  ///   - isInterrupted: whether somebody wants the run to end.
  /// - Returns: nil when something has begun and is to be stepped, else how the attempt ended.
  func follow(
    _ result: AttemptResult, of instance: JobInstance, _ payload: LuaJobPayload, as run: PoolRun?,
    _ time: inout StepTime,
    isInterrupted: Bool
  ) -> AttemptResult? {
    var former: Hook?
    if case .hook(let hook, _) = instance.phase { former = hook }
    if former != nil, isInterrupted { return result }
    while let hook = hook(after: former, result, instance, payload) {
      if begin(hook, result, of: instance, payload, as: run, &time) { return nil }
      former = hook
    }
    return result
  }

  /// Executes the hooks of a run that has ended as `result` in a process that is gone, in a new state and within a time
  /// of their own. The attempt's result is that one.
  package func beginHooks(
    of order: RunOrder, after result: AttemptResult, at time: StepTime, on worker: StepWorker
  ) -> StepVerdict {
    guard let payload = order.job.definition.payload as? LuaJobPayload else { return .ended(result) }
    var time = time
    time.deadline = time.monotonic &+ host.configuration.hookTimeout
    do {
      let instance = try host.makeInstance(payload)
      instance.beginHooks(of: order, at: time)
      let run = makeRun(instance, at: time, on: worker)
      guard follow(result, of: instance, payload, as: run, &time, isInterrupted: false) == nil else {
        instance.end()
        return .ended(result)
      }
      run.goOn(until: time.deadline)
      return advance(instance, as: run, at: time, payload, on: worker, Self.thread(of: worker))
    } catch {
      return .ended(result)
    }
  }

  private func hook(
    after former: Hook?, _ result: AttemptResult, _ instance: JobInstance, _ payload: LuaJobPayload
  ) -> Hook? {
    switch (result.outcome, former) {
    case (.succeeded, nil): return payload.hasOnSuccess ? .onSuccess : nil
    case (.failed, nil), (.timedOut, nil), (.outOfMemory, nil), (.crashed, nil):
      if payload.hasOnError { return .onError }
      return payload.hasOnFailure && instance.context.isLast(result) ? .onFailure : nil
    case (_, .onError?): return payload.hasOnFailure && instance.context.isLast(result) ? .onFailure : nil
    default: return nil
    }
  }

  private func begin(
    _ hook: Hook, _ result: AttemptResult, of instance: JobInstance, _ payload: LuaJobPayload, as run: PoolRun?,
    _ time: inout StepTime
  ) -> Bool {
    let argument: LuaValue =
      switch hook {
      case .onSuccess: result.details?.result.flatMap(LuaValue.init(json:)) ?? .nil
      case .onError, .onFailure:
        result.details?.error?.luaValue(result.outcome, isFinal: instance.context.isLast(result)) ?? .nil
      }
    do {
      if instance.state.isReusable {
        try instance.beginHook(hook, after: result, [argument])
      } else {
        host.configuration.onHook?()
        let deadline = host.services.monotonic.now.nanoseconds &+ host.configuration.hookTimeout
        try instance.beginHook(hook, afterKill: result, [argument], payload, until: deadline)
        run?.goOn(until: deadline)
        time.deadline = deadline
      }
      return true
    } catch {
      note(hook, of: instance, "could not start: \(error.message)")
      return false
    }
  }

  /// What happens in a hook is logged and changes nothing about the run.
  func note(_ hook: Hook, of instance: JobInstance, _ text: String) {
    instance.context.note(.error, "\(hook.rawValue) \(text)")
  }
}
