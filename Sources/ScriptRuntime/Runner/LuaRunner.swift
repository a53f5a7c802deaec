internal import Chronology
package import Executors
package import JobModel
internal import Lua
internal import Synchronization

/// Runs Lua jobs on a `StepPool`: order → state → steps → report.
///
/// The way of a run: take the job's idle state, or make one from its capsule; start `run(ctx)`; step it. Most runs end
/// there, and cost no allocation on this side. A run that waits or has used up its slice leaves the worker as a
/// `PoolRun`; answers and timers bring it back, on any worker. When `run` has ended, `on_success` or `on_error` is
/// executed in the same state as part of the attempt (in a new one, with a time of its own, when the run was killed).
/// Then the state is kept (`state = "job"`) or put on the worker's hot list, and reset when it is taken (`state =
/// "run"`); after a kill it is dropped.
///
/// Jobs that are Swift closures (`ClosurePayload`) are passed on to a `ClosureRunner`, so that one pool runs both
/// kinds.
package final class LuaRunner: StepRunner {
  let host: LuaHost
  private let closures = ClosureRunner()
  private let stuckReport = Mutex<(@Sendable (Int, RunToken) -> Void)?>(nil)

  /// One runner for each pool; they may share a host.
  package init(_ host: LuaHost) { self.host = host }

  /// Whom to tell that a run cannot be stopped on its worker: the pool's `workerIsStuck`. Called on the runtime's
  /// monitor thread.
  package func reportStuckRuns(to report: @escaping @Sendable (_ worker: Int, _ run: RunToken) -> Void) {
    stuckReport.withLock { $0 = report }
  }

  // MARK: Workers

  package func makeContext(for worker: StepWorker) -> AnyObject {
    let thread = LuaThread(
      lua: host.runtime.makeWorker(), index: worker.index, hotLimit: host.configuration.hotSlots,
      report: { [weak self] index, token in self?.stuckReport.withLock { $0 }?(index, token) })
    host.workers.add(thread)
    return thread
  }

  package func workerEnds(_ worker: StepWorker) {
    let thread = Self.thread(of: worker)
    host.workers.remove(thread)
    thread.close()
  }

  package func othersWaiting(_ waiting: Bool) { host.othersWait(waiting, in: self) }

  package func interrupt(_ worker: StepWorker, because reason: StopReason) {
    // A closure job is on this worker when no state is; it looks at the worker itself.
    Self.thread(of: worker).interrupt()
  }

  package func preempt(_ worker: StepWorker) { Self.thread(of: worker).lua.preempt() }

  private static func thread(of worker: StepWorker) -> LuaThread {
    guard let thread = worker.context as? LuaThread else { preconditionFailure("a LuaRunner has workers of its own") }
    return thread
  }

  // MARK: Steps

  package func begin(_ order: RunOrder, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let payload = order.job.definition.payload as? LuaJobPayload else {
      return closures.begin(order, at: time, on: worker)
    }
    let thread = Self.thread(of: worker)
    let instance: JobInstance
    do {
      instance = try takeInstance(for: order, payload, on: thread)
      try instance.begin(order, at: time)
    } catch {
      // Not enough memory for the job's own code, or no room for another state; else the host's mistake.
      let outcome: Outcome = error.kind == .memory ? .outOfMemory : .failed
      return .ended(RunEnding(outcome, details: AttemptDetails(error: RunError(error))))
    }
    return advance(instance, as: nil, at: time, payload, on: worker, thread)
  }

  package func step(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let instance = run.body as? JobInstance else { return closures.step(run, at: time, on: worker) }
    let thread = Self.thread(of: worker)
    if !instance.attend() {
      instance.expireTimers(at: time.monotonic)
      if !instance.checkRoom(), instance.leave() { return .suspended(run, until: instance.nextTimer) }
    }
    return advance(instance, as: run, at: time, Self.payload(of: instance), on: worker, thread)
  }

  package func stop(_ run: PoolRun, because reason: StopReason, on worker: StepWorker) -> RunEnding {
    guard let instance = run.body as? JobInstance else { return closures.stop(run, because: reason, on: worker) }
    let ending = kill(instance, as: reason, on: Self.thread(of: worker))
    instance.end()
    return ending
  }

  package func beginStop(
    _ run: PoolRun, because reason: StopReason, at time: StepTime, on worker: StepWorker
  ) -> StepVerdict {
    guard run.body is JobInstance else { return closures.beginStop(run, because: reason, at: time, on: worker) }
    return .ended(stop(run, because: reason, on: worker))
  }

  package func timeOut(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let instance = run.body as? JobInstance else { return closures.timeOut(run, at: time, on: worker) }
    let thread = Self.thread(of: worker)
    _ = instance.attend()  // no answer counts any more
    let wasInBody = if case .body = instance.phase { true } else { false }
    let ending = kill(instance, as: .timedOut, on: thread)
    let payload = Self.payload(of: instance)
    if wasInBody, let deadline = beginHook(afterKill: ending, on: instance, payload, as: run) {
      return advance(
        instance, as: run, at: StepTime(wall: time.wall, monotonic: time.monotonic, deadline: deadline), payload,
        on: worker, thread)
    }
    instance.end()
    return .ended(ending)
  }

  /// Ends a run between two steps. How its attempt ended.
  private func kill(_ instance: JobInstance, as reason: StopReason, on thread: LuaThread) -> RunEnding {
    // A step of a cancelled run does not execute anything: it abandons the open requests and says where the script was.
    instance.state.cancel()
    var location: LuaLocation?
    if case .stopped(let stop) = thread.lua.step(instance.state, deadline: nil) { location = stop.location }
    switch instance.phase {
    case .body: return Ending.stopped(reason.outcome, at: location, instance)
    case .hook(let name, let bodyEnding):
      noteHook(name, of: instance, "was stopped (\(reason.outcome.rawValue))")
      return bodyEnding
    }
  }

  private static func payload(of instance: JobInstance) -> LuaJobPayload {
    guard let payload = instance.context.definition.payload as? LuaJobPayload else {
      preconditionFailure("a JobInstance runs Lua jobs")
    }
    return payload
  }

  /// Steps until the run has ended or leaves the worker.
  private func advance(
    _ instance: JobInstance, as known: PoolRun?, at time: StepTime, _ payload: LuaJobPayload, on worker: StepWorker,
    _ thread: LuaThread
  ) -> StepVerdict {
    var run = known
    var time = time
    thread.enter(instance.state, instance.context.current.token)
    defer { thread.exit() }
    while true {
      // Registered first, then looked, and again for each hook, whose start forgets cancels: a request to stop is not
      // lost.
      if worker.interruption != nil || instance.checkRoom() { instance.state.cancel() }
      instance.setAside()
      switch thread.lua.step(instance.state, deadline: time.deadline == .max ? nil : time.deadline) {
      case .finished:
        if let ending = finished(instance, payload) { return .ended(close(instance, payload, ending, thread)) }
      case .failed(let error):
        if let ending = failed(instance, payload, error) { return .ended(close(instance, payload, ending, thread)) }
      case .stopped(let stop):
        let wasInBody = if case .body = instance.phase { true } else { false }
        let ending = stopped(instance, stop, worker.interruption)
        guard wasInBody, let deadline = beginHook(afterKill: ending, on: instance, payload, as: run) else {
          return .ended(close(instance, payload, ending, thread))
        }
        time.deadline = deadline
      case .sliced(let requests):
        instance.noteUse()
        if !requests.isEmpty || worker.othersWaiting {
          let present = run ?? makeRun(instance, at: time, on: worker)
          run = present
          instance.startRequests(requests, as: present)
          if worker.othersWaiting {
            instance.leaveSliced()
            return .sliced(present)
          }
        }
      case .suspended(let requests):
        instance.noteUse()
        let present = run ?? makeRun(instance, at: time, on: worker)
        run = present
        instance.startRequests(requests, as: present)
        if instance.leave() { return .suspended(present, until: instance.nextTimer) }
      }
    }
  }

  private func makeRun(_ instance: JobInstance, at time: StepTime, on worker: StepWorker) -> PoolRun {
    PoolRun(continuing: instance.context.current, begunAt: time, on: worker, body: instance)
  }

  // MARK: States

  /// Bytes of a state that may stay on a worker's hot list with what its last run left in it; a larger one gives its
  /// memory back.
  private static let largestHotState = 256 << 10

  private func takeInstance(
    for order: RunOrder, _ payload: LuaJobPayload, on thread: LuaThread
  ) throws(LuaError) -> JobInstance {
    switch order.job.definition.state {
    case .job: if let kept = host.kept.take(for: payload) { return kept }
    case .run:
      // Reset when it is taken, not when it is put back: the next job is most often another one, and gets the same
      // memory and the same objects. One that cannot be reset (no memory) is dropped.
      if let hot = thread.takeHot(), (try? hot.renew(for: payload)) != nil { return hot }
    }
    return try host.makeInstance(payload)
  }

  /// The run is over: what becomes of its state?
  private func close(
    _ instance: JobInstance, _ payload: LuaJobPayload, _ ending: RunEnding, _ thread: LuaThread
  ) -> RunEnding {
    let lifetime = instance.context.definition.state
    instance.end()
    // A killed state is garbage: it is dropped, and the next run gets a fresh one.
    guard instance.state.isReusable else { return ending }
    switch lifetime {
    case .job: host.kept.keep(instance, for: payload)
    case .run: if instance.footprint <= Self.largestHotState { thread.keepHot(instance) }
    }
    return ending
  }

  // MARK: Endings

  /// The entry returned. Nil when a hook has begun and is to be stepped.
  private func finished(_ instance: JobInstance, _ payload: LuaJobPayload) -> RunEnding? {
    if case .hook(_, let ending) = instance.phase { return ending }
    let ending = Ending.succeeded(instance, resultLimit: host.services.quotas().resultBytes)
    guard payload.hasOnSuccess else { return ending }
    return beginHook(
      "on_success", on: instance, after: ending, [ending.details?.result.flatMap(LuaValue.init(json:)) ?? .nil])
  }

  /// The entry raised. Nil when a hook has begun and is to be stepped.
  private func failed(_ instance: JobInstance, _ payload: LuaJobPayload, _ error: LuaError) -> RunEnding? {
    if case .hook(let name, let ending) = instance.phase {
      noteHook(name, of: instance, "failed: \(error.message)")
      return ending
    }
    let ending = Ending.failed(instance, error)
    guard payload.hasOnError, instance.state.isReusable, let runError = ending.details?.error else { return ending }
    return beginHook("on_error", on: instance, after: ending, [runError.luaValue(ending.outcome)])
  }

  private func stopped(_ instance: JobInstance, _ stop: LuaStop, _ interruption: StopReason?) -> RunEnding {
    let outcome: Outcome =
      switch stop.reason {
      case .deadline: .timedOut
      case .cancelled: interruption?.outcome ?? (instance.isExhausted ? .outOfMemory : .cancelled)
      case .outOfMemory: .outOfMemory
      }
    if case .hook(let name, let ending) = instance.phase {
      noteHook(name, of: instance, "was stopped (\(outcome.rawValue))" + (stop.location.map { " at \($0)" } ?? ""))
      return ending
    }
    return Ending.stopped(outcome, at: stop.location, instance, depth: stop.depth)
  }

  private func beginHook(
    _ name: String, on instance: JobInstance, after ending: RunEnding, _ extra: [LuaValue]
  ) -> RunEnding? {
    do {
      try instance.beginHook(name, after: ending, extra)
      return nil
    } catch {
      noteHook(name, of: instance, "could not start: \(error.message)")
      return ending
    }
  }

  /// After a run that was killed for what it did, `on_error` is called in a new state of the job: the old one is gone,
  /// and with it the time and the memory that it was allowed. Nil when there is nothing to call; else until when it has
  /// time. Who cancels a run or stops the host wants an end, so there is no hook then.
  private func beginHook(
    afterKill ending: RunEnding, on instance: JobInstance, _ payload: LuaJobPayload, as run: PoolRun?
  ) -> Int64? {
    guard payload.hasOnError, ending.outcome == .timedOut || ending.outcome == .outOfMemory,
      let error = ending.details?.error
    else { return nil }
    let deadline = host.services.monotonic.now.nanoseconds &+ host.configuration.hookTimeout
    do {
      try instance.beginHook("on_error", afterKill: ending, [error.luaValue(ending.outcome)], payload, until: deadline)
    } catch {
      noteHook("on_error", of: instance, "could not start: \(error.message)")
      return nil
    }
    run?.goOn(until: deadline)
    return deadline
  }

  /// What happens in a hook is logged and changes nothing about the run.
  private func noteHook(_ name: String, of instance: JobInstance, _ text: String) {
    instance.context.note(.error, "\(name) \(text)")
  }
}
