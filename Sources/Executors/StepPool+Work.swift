internal import Basics
internal import Chronology
internal import JobModel
internal import Synchronization

/// The life of a worker: take work, step it, report.
extension StepPool {
  /// What a worker does next.
  private enum Next {
    case begin(RunOrder)
    case go(PoolRun)
    case deliver
    case refill
    case retire(PoolWorker.ThreadState)
  }

  /// What one worker's loop keeps for itself.
  private struct Loop {
    /// The latest reading of the monotonic clock: the end of a step is the beginning of the next.
    var now = monotonicNow()
    /// Wall clock minus monotonic clock, read again with each portion of work and after each long step.
    var wallOffset: Int64 = 0
    /// A moving mean of how long steps take; bounds how much work is taken at a time. Starts high: the first portion is
    /// one order.
    var meanStep: Int64 = StepPool.portion
    /// The report of the step that has just ended.
    var finished: RunReport?
    /// Reports on their way to the sink; its memory is used again and again.
    var outgoing: [RunReport] = []

    var wall: Instant { Instant(nanoseconds: now &+ wallOffset) }

    mutating func readClocks(_ wallClock: any WallClock) {
      now = monotonicNow()
      wallOffset = wallClock.now.nanoseconds &- now
    }

    /// The step that began at `began` is over.
    mutating func endStep(began: Int64, _ wallClock: any WallClock) {
      now = monotonicNow()
      let took = now &- began
      meanStep += (took &- meanStep) / 8
      if took > 1_000_000 { readClocks(wallClock) }
    }
  }

  /// Nanoseconds of work that a worker should take at a time.
  private static let portion: Int64 = 200_000
  /// Nanoseconds after which an undelivered report is due at the end of a step.
  private static let reportAge: Int64 = 200_000
  private static let reportBatch = 64

  /// The body of a worker's thread.
  func work(as worker: PoolWorker) {
    worker.face.adopt(runner.makeContext(for: worker.face))
    var loop = Loop()
    loop.outgoing.reserveCapacity(StepPool.reportBatch + 1)
    worker.local.withLock { $0.reports.reserveCapacity(StepPool.reportBatch + 1) }
    loop.readClocks(wallClock)
    while true {
      switch next(of: worker, &loop) {
      case .begin(let order): begin(order, on: worker, &loop)
      case .go(let run): go(on: run, worker, &loop)
      case .deliver:
        sink.report(loop.outgoing)
        loop.outgoing.removeAll(keepingCapacity: true)
      case .refill:
        let limit = max(1, min(Int64(configuration.batch), StepPool.portion / max(1, loop.meanStep)))
        guard refill(worker, limit: Int(limit)) else {
          runner.workerEnds(worker.face)
          threadEnds(worker)
          return
        }
        loop.readClocks(wallClock)
      case .retire(let threadState):
        if threadState == .stuck { sink.report(loop.outgoing) }
        runner.workerEnds(worker.face)
        stuckThreadEnds(worker, threadState)
        return
      }
    }
  }

  /// Files the report of the last step and takes the next thing from the worker's own queue: one lock a step.
  private func next(of worker: PoolWorker, _ loop: inout Loop) -> Next {
    let next = worker.local.wait { state -> Next? in
      if var report = loop.finished {
        loop.finished = nil
        if state.threadState == .stuck { report.outcome = .stuck }
        state.report(report, at: loop.now)
      }
      state.current = nil
      guard state.threadState == .works else {
        if state.isDelivering { return nil }
        state.takeReports(into: &loop.outgoing)
        return .retire(state.threadState)
      }
      if !state.reports.isEmpty,
        state.queue.count == 0 || state.reports.count >= StepPool.reportBatch
          || loop.now &- state.oldestReport > StepPool.reportAge
      {
        // Somebody hands over older ones: wait for the broadcast that follows.
        if state.isDelivering { return nil }
        state.takeReports(into: &loop.outgoing)
        return .deliver
      }
      guard let item = state.queue.popFirst() else { return .refill }
      worker.queued.store(state.queue.count, ordering: .relaxed)
      worker.face.clearInterruption()
      switch item {
      case .order(let order):
        state.current = PoolWorker.Current(
          token: order.token, startedAt: loop.wall, began: loop.now, needsStarted: true)
        return .begin(order)
      case .run(let run):
        state.current = PoolWorker.Current(
          token: run.token, startedAt: run.startedAt, began: loop.now, needsStarted: false)
        return .go(run)
      }
    }
    // Without a deadline it waits until there is an answer.
    return next ?? .refill
  }

  // MARK: One step

  private func begin(_ order: RunOrder, on worker: PoolWorker, _ loop: inout Loop) {
    let time = StepTime(beginning: order, wall: loop.wall, monotonic: loop.now)
    if let limit = order.startBefore, limit < time.wall {
      loop.finished = RunReport(token: order.token, kind: .late, startedAt: time.wall)
      return
    }
    configuration.willBegin?(order)
    let verdict = runner.begin(order, at: time, on: worker.face)
    loop.endStep(began: time.monotonic, wallClock)
    switch verdict {
    case .ended(let result):
      loop.finished = RunReport(
        token: order.token, kind: .ended, outcome: result.outcome(for: worker.face.interruption), startedAt: time.wall,
        duration: loop.now &- time.monotonic, memoryPeakBytes: result.memoryPeakBytes, details: result.details)
    case .suspended(let run, let until):
      register(run)
      leave(run, worker, &loop, isFirstStep: true, sleepingUntil: until)
    case .sliced(let run):
      register(run)
      leave(run, worker, &loop, isFirstStep: true, sleepingUntil: nil)
    }
  }

  private func go(on run: PoolRun, _ worker: PoolWorker, _ loop: inout Loop) {
    // Safe here and below: see `hasTimer`; this worker has the run.
    if unsafe run.hasTimer {
      timers.remove(run)
      unsafe run.hasTimer = false
    }
    let began = loop.now
    let time = StepTime(wall: loop.wall, monotonic: began, deadline: run.deadline)
    let verdict: StepVerdict
    switch run.beginStep() ?? (began >= time.deadline ? .timedOut : nil) {
    case nil: verdict = runner.step(run, at: time, on: worker.face)
    case .timedOut: verdict = runner.timeOut(run, at: time, on: worker.face)
    case let reason?:
      run.acknowledgeStop()
      verdict = runner.beginStop(run, because: reason, at: time, on: worker.face)
      if case .ended(let result) = verdict { return finish(run, result, reason, &loop) }
    }
    loop.endStep(began: began, wallClock)
    switch verdict {
    case .ended(let result): finish(run, result, run.stopReason ?? worker.face.interruption, &loop)
    case .suspended(_, let until): leave(run, worker, &loop, isFirstStep: false, sleepingUntil: until)
    case .sliced: leave(run, worker, &loop, isFirstStep: false, sleepingUntil: nil)
    }
  }

  /// A run goes on later: known as started before anybody can step it, off this worker before it is in a queue.
  ///
  /// - Parameter until: nil for a sliced run.
  private func leave(
    _ run: PoolRun, _ worker: PoolWorker, _ loop: inout Loop, isFirstStep: Bool, sleepingUntil until: Int64?
  ) {
    let threadState = worker.local.wait { state -> PoolWorker.ThreadState? in
      if isFirstStep, state.threadState == .works {
        if state.isDelivering { return nil }
        state.reportStarted(at: loop.now)
        state.takeReports(into: &loop.outgoing)
      }
      // From here on nobody finds it on this worker: neither to interrupt it nor to declare it stuck.
      state.current = nil
      return state.threadState
    }
    guard threadState == .works else {
      finish(run, runner.stop(run, because: .interrupted, on: worker.face), .interrupted, &loop)
      return
    }
    if !loop.outgoing.isEmpty {
      sink.report(loop.outgoing)
      loop.outgoing.removeAll(keepingCapacity: true)
    }
    // Asked to end during a first step, when there was no run to mark; it is stopped as soon as a worker takes it.
    if let reason = worker.face.interruption { _ = run.requestStop(reason) }
    guard let until else {
      run.slice()
      enqueue(preempting: false) { state in
        state.queue.append(sliced: run)
        return true
      }
      return
    }
    let wake = min(until, run.deadline)
    if wake < .max {
      unsafe run.hasTimer = true
      timers.insert(TimerHeap.Entry(at: wake, suspension: run.suspension, run: run))
    }
    if run.park() { enqueueResumed(run) }
  }

  private func finish(_ run: PoolRun, _ result: AttemptResult, _ reason: StopReason?, _ loop: inout Loop) {
    unregister(run)
    // False: the pool was stopped without this worker, and has reported it.
    guard run.end() else { return }
    loop.now = monotonicNow()
    loop.finished = RunReport(
      token: run.token, kind: .ended, outcome: result.outcome(for: reason), startedAt: run.startedAt,
      duration: loop.now &- run.startedMonotonic, memoryPeakBytes: result.memoryPeakBytes, details: result.details)
  }

  // MARK: Runs that go on

  private func register(_ run: PoolRun) {
    runs.withLock { runs in
      precondition(runs.updateValue(run, forKey: run.token) == nil, "a token names one active run")
      runCount.store(runs.count, ordering: .releasing)
    }
  }

  private func unregister(_ run: PoolRun) {
    runs.withLock { runs in
      runs[run.token] = nil
      runCount.store(runs.count, ordering: .releasing)
    }
    // Workers that wait for the last run of a pool that is being stopped. The lock: none of them is between looking and
    // waiting.
    if isClosing.load(ordering: .acquiring) {
      state.withLock { _ in }
      state.broadcast()
    }
  }
}

extension StepPool: RunHost {
  func enqueueResumed(_ run: PoolRun) {
    enqueue(preempting: true) { state in
      state.queue.append(resumed: run)
      return true
    }
  }
}
