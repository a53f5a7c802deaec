internal import CLinux
internal import Chronology
internal import Glibc
package import Executors
package import JobModel
internal import Lua
internal import Synchronization

/// Runs Lua jobs on a `StepPool`: order → state → steps → report.
///
/// The way of a run: take the job's idle state, or make one from its capsule; start `run(ctx)`; step it. Most runs end
/// there, and cost no allocation on this side. A run that waits or has used up its slice leaves the worker as a
/// `PoolRun`; answers and timers bring it back, on any worker. When `run` has ended, the job's hooks are executed as a
/// part of the attempt (`LuaRunner+Hooks`).
/// Then the state is kept (`state = "job"`) or put on the worker's hot list, and reset when it is taken (`state =
/// "run"`); after a kill it is dropped.
///
/// Jobs that are Swift closures (`ClosurePayload`) are passed on to a `ClosureRunner`, so that one pool runs both
/// kinds.
package final class LuaRunner: StepRunner {
  let host: LuaHost
  private let closureRunner = ClosureRunner()
  /// For what is done on a worker. Nothing ends the time of a closure that takes long, so it is never in real time.
  private var closures: ClosureRunner {
    linux_leave_real_time()
    return closureRunner
  }
  /// In a struct, since a closure that a `Mutex` holds by itself is wrapped once more each time it is looked at.
  private struct StuckReport: Sendable {
    var tell: (@Sendable (Int, RunToken) -> Void)?
  }
  private let stuckReport = Mutex(StuckReport())

  private let isUrgent: Bool

  /// One runner for each pool; they may share a host.
  ///
  /// - Parameter isUrgent: short work on threads of a pool may be in real time; false where code is not trusted.
  package init(_ host: LuaHost, isUrgent: Bool = true) {
    self.host = host
    self.isUrgent = isUrgent
  }

  /// Whom to tell that a run cannot be stopped on its worker: the pool's `workerIsStuck`. Called on the runtime's
  /// monitor thread.
  package func reportStuckRuns(to report: @escaping @Sendable (_ worker: Int, _ run: RunToken) -> Void) {
    stuckReport.withLock { $0.tell = report }
  }

  // MARK: Workers

  package func makeContext(for worker: StepWorker) -> AnyObject {
    // When a run begins or goes on, its worker does not wait for the slices of others; who is nice does.
    if isUrgent || getpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0) <= 0 { linux_take_short_turns() }
    let thread = LuaThread(
      lua: host.runtime.makeWorker(), index: worker.index, isUrgent: isUrgent && worker.hasThread,
      hotLimit: host.configuration.hotSlots,
      report: { [weak self] index, token in self?.stuckReport.withLock { $0.tell }?(index, token) })
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
    Self.thread(of: worker).interrupt(because: reason)
  }

  package func preempt(_ worker: StepWorker) { Self.thread(of: worker).lua.preempt() }

  package func windDown() {
    host.hostEnds.turnOn()
    closureRunner.windDown()
  }

  static func thread(of worker: StepWorker) -> LuaThread {
    guard let thread = worker.context as? LuaThread else { preconditionFailure("a LuaRunner has workers of its own") }
    return thread
  }

  // MARK: Steps

  package func begin(_ order: RunOrder, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let payload = order.job.definition.payload as? LuaJobPayload else {
      return closures.begin(order, at: time, on: worker)
    }
    let thread = Self.thread(of: worker)
    thread.review(at: time.monotonic)
    let instance: JobInstance
    do {
      instance = try takeInstance(for: order, payload, on: thread)
      try instance.begin(order, at: time)
    } catch {
      // Not enough memory for the job's own code, or no room for another state; else the host's mistake.
      let outcome: Outcome = error.kind == .memory ? .outOfMemory : .failed
      return .ended(AttemptResult(outcome, details: AttemptDetails(error: RunError(error))))
    }
    return advance(instance, as: nil, at: time, payload, on: worker, thread)
  }

  package func step(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let instance = run.body as? JobInstance else { return closures.step(run, at: time, on: worker) }
    let thread = Self.thread(of: worker)
    thread.review(at: time.monotonic)
    if !instance.attend() {
      instance.expireTimers(at: time.monotonic)
      if !instance.checkRoom(), instance.leave() { return .suspended(run, until: instance.nextTimer) }
    }
    return advance(instance, as: run, at: time, Self.payload(of: instance), on: worker, thread)
  }

  package func stop(_ run: PoolRun, because reason: StopReason, on worker: StepWorker) -> AttemptResult {
    guard let instance = run.body as? JobInstance else { return closures.stop(run, because: reason, on: worker) }
    let result = kill(instance, as: reason, on: Self.thread(of: worker))
    instance.end()
    return result
  }

  package func beginStop(
    _ run: PoolRun, because reason: StopReason, at time: StepTime, on worker: StepWorker
  ) -> StepVerdict {
    guard let instance = run.body as? JobInstance else {
      return closures.beginStop(run, because: reason, at: time, on: worker)
    }
    guard let end = timeToEnd(instance, because: reason) else {
      return .ended(stop(run, because: reason, on: worker))
    }
    var time = time
    time.deadline = min(time.deadline, end)
    run.goOn(until: time.deadline)
    return step(run, at: time, on: worker)
  }

  package func timeOut(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let instance = run.body as? JobInstance else { return closures.timeOut(run, at: time, on: worker) }
    let thread = Self.thread(of: worker)
    _ = instance.attend()  // no answer counts any more
    let reason: StopReason = instance.endBy.map { $0 <= time.monotonic } ?? false ? .cancelled : .timedOut
    let payload = Self.payload(of: instance)
    var time = time
    let result = follow(
      kill(instance, as: reason, on: thread), of: instance, payload, as: run, &time, isInterrupted: false)
    guard let result else { return advance(instance, as: run, at: time, payload, on: worker, thread) }
    instance.end()
    return .ended(result)
  }

  /// Ends a run between two steps. How its attempt ended.
  private func kill(_ instance: JobInstance, as reason: StopReason, on thread: LuaThread) -> AttemptResult {
    // A step of a cancelled run does not execute anything: it abandons the open requests and says where the script was.
    instance.state.cancel()
    var location: LuaLocation?
    if case .stopped(let stop) = thread.lua.step(instance.state, deadline: nil) { location = stop.location }
    switch instance.phase {
    case .body: return LuaAttempt.stopped(reason.outcome, at: location, instance)
    case .hook(let name, let bodyResult):
      note(name, of: instance, "was stopped (\(reason.outcome.rawValue))")
      return bodyResult
    }
  }

  /// The run goes on later, from its start: its state is garbage from here on. Who cancels it meanwhile finds it
  /// cancelled.
  private func park(_ instance: JobInstance, at step: RunStep, on thread: LuaThread) -> AttemptResult {
    instance.state.cancel()
    _ = thread.lua.step(instance.state, deadline: nil)
    return AttemptResult(
      .cancelled, memoryPeakBytes: instance.state.peakBytes, details: AttemptDetails(park: step))
  }

  private static func payload(of instance: JobInstance) -> LuaJobPayload {
    guard let payload = instance.context.definition.payload as? LuaJobPayload else {
      preconditionFailure("a JobInstance runs Lua jobs")
    }
    return payload
  }

  /// Steps until the run has ended or leaves the worker.
  func advance(
    _ instance: JobInstance, as known: PoolRun?, at time: StepTime, _ payload: LuaJobPayload, on worker: StepWorker,
    _ thread: LuaThread
  ) -> StepVerdict {
    var run = known
    var time = time
    thread.enter(instance, instance.context.current.token)
    defer { thread.exit() }
    while true {
      // Registered first, then looked, and again for each hook, whose start forgets cancels: a request to stop is not
      // lost.
      var mustStop = instance.checkRoom()
      if let reason = worker.interruption {
        if let end = timeToEnd(instance, because: reason) {
          time.deadline = min(time.deadline, end)
          run?.goOn(until: time.deadline)
        } else {
          mustStop = true
        }
      }
      if mustStop { instance.state.cancel() }
      instance.setAside()
      let result: AttemptResult
      switch thread.lua.step(instance.state, deadline: machineDeadline(time.deadline)) {
      case .finished: result = finished(instance)
      case .failed(let error): result = failed(instance, error)
      case .stopped(let stop): result = stopped(instance, stop, worker.interruption)
      case .sliced(let requests):
        instance.noteUse()
        if !requests.isEmpty || worker.othersWaiting {
          let present = run ?? makeRun(instance, at: time, on: worker)
          run = present
          instance.startRequests(requests, as: present)
          if let step = instance.context.parksAt {
            return .ended(close(instance, payload, park(instance, at: step, on: thread), thread))
          }
          if worker.othersWaiting {
            instance.leaveSliced()
            return .sliced(present)
          }
        }
        continue
      case .suspended(let requests):
        instance.noteUse()
        let present = run ?? makeRun(instance, at: time, on: worker)
        run = present
        instance.startRequests(requests, as: present)
        if let step = instance.context.parksAt {
          return .ended(close(instance, payload, park(instance, at: step, on: thread), thread))
        }
        if instance.leave() { return .suspended(present, until: instance.nextTimer) }
        continue
      }
      let isInterrupted = worker.interruption != nil
      if let result = follow(result, of: instance, payload, as: run, &time, isInterrupted: isInterrupted) {
        return .ended(close(instance, payload, result, thread))
      }
    }
  }

  /// The deadline of a step as the machine's clock shows it; nil: none.
  private func machineDeadline(_ deadline: Int64) -> Int64? {
    guard let limit = host.configuration.stepLimit else { return deadline == .max ? nil : deadline }
    let left = deadline == .max ? limit : deadline &- host.services.monotonic.now.nanoseconds
    return LuaWorker.now &+ max(0, min(limit, left))
  }

  func makeRun(_ instance: JobInstance, at time: StepTime, on worker: StepWorker) -> PoolRun {
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
    _ instance: JobInstance, _ payload: LuaJobPayload, _ result: AttemptResult, _ thread: LuaThread
  ) -> AttemptResult {
    let lifetime = instance.context.definition.state
    var result = result
    if result.outcome == .succeeded, let outbox = instance.context.takeOutbox() {
      result.details = AttemptDetails(result: result.details?.result, outbox: outbox)
    }
    instance.end()
    // A killed state is garbage: it is dropped, and the next run gets a fresh one.
    guard instance.state.isReusable else { return result }
    switch lifetime {
    case .job: host.kept.keep(instance, for: payload)
    case .run: if instance.footprint <= Self.largestHotState { thread.keepHot(instance) }
    }
    return result
  }
}
