internal import Basics
package import Chronology
package import JobModel

/// Runs orders at once, on the thread that submits them: for tests and simulations, where what happens must not depend
/// on threads.
///
/// Steps never nest: what a step or a report submits waits until that step is over. A sliced run goes to the end of the
/// queue; a suspended one stays until it is resumed, or until `advance` finds that its time has come by the clocks
/// given to it.
///
/// One made to wait for `work` does nothing but there, so that all steps are on the thread that calls it.
///
/// Threading: any thread may call it; the first of several does the work of all.
package final class InlineExecutor: JobExecutor {
  private struct State: Sendable {
    var sink: (any RunReportSink)?
    var queue = SharedQueue()
    var runs: [RunToken: PoolRun] = [:]
    var timers = TimerHeap()
    /// The order or run whose step is on.
    var current: RunToken?
    var isDraining = false
    var isStopped = false
    /// Ends that were decided between two steps.
    var reports: [RunReport] = []
  }
  private let runner: any StepRunner
  private let wallClock: any WallClock
  private let monotonicClock: any MonotonicClock
  private let state = Monitor(State())
  private let worker = Monitor<StepWorker?>(nil)
  private let waitsForWork: Bool

  /// - Parameter waitsForWork: nothing is done but inside `work`, which one thread calls: the one that called `start`.
  package init(
    _ runner: any StepRunner, wallClock: any WallClock = SystemWallClock(),
    monotonicClock: any MonotonicClock = SystemMonotonicClock(), waitsForWork: Bool = false
  ) {
    self.runner = runner
    self.waitsForWork = waitsForWork
    self.wallClock = wallClock
    self.monotonicClock = monotonicClock
  }

  package var workers: Int { 1 }

  package func start(reportingTo sink: any RunReportSink) {
    let face = StepWorker(index: 0, host: self)
    face.adopt(runner.makeContext(for: face))
    worker.withLock { $0 = face }
    state.withLock { $0.sink = sink }
    drain()
  }

  package func windDown() { runner.windDown() }

  package func submit(_ orders: [RunOrder]) {
    state.withLock { state in
      if state.isStopped { state.reports += orders.map(interrupted) } else { state.queue.append(orders) }
    }
    drain()
  }

  package func cancel(_ token: RunToken) {
    if let run = state.withLock({ $0.runs[token] }) {
      if case .interruptWorker = run.requestStop(.cancelled) { interrupt(.cancelled, running: token) }
    } else {
      let wasQueued = state.withLock { state -> Bool in
        guard state.queue.remove(token) != nil else { return false }
        state.reports.append(RunReport(token: token, kind: .ended, outcome: .cancelled, startedAt: wallClock.now))
        return true
      }
      if !wasQueued { interrupt(.cancelled, running: token) }
    }
    drain()
  }

  /// The earliest time at which `advance` would do something, in nanoseconds of the monotonic clock; nil when nobody
  /// sleeps.
  package var nextWake: Int64? { state.withLock { $0.timers.count > 0 ? $0.timers.earliest : nil } }

  /// Resumes sleepers whose time has come, and ends suspended runs that are beyond their deadline.
  package func advance() {
    let now = monotonicClock.now.nanoseconds
    while let entry = state.withLock({ $0.timers.popDue(at: now) }) {
      if entry.run.deadline <= now {
        _ = entry.run.requestStop(.timedOut, inSuspension: entry.suspension)
      } else {
        entry.run.resume(suspension: entry.suspension)
      }
    }
  }

  /// Everything that has not ended is reported as interrupted. In the middle of a step, that step is asked to end and
  /// the rest follows when it has.
  package func stop() {
    let runs = state.withLock { state -> [PoolRun] in
      guard !state.isStopped else { return [] }
      state.isStopped = true
      for work in state.queue.takeAll() {
        switch work {
        case .orders(let range): state.reports += range.orders[range.next..<range.end].map(interrupted)
        // Exactly those that were in the queue: one that is ready and not in it is on its way, in `enqueueResumed` on
        // another thread, and would be stepped twice.
        case .run(let run): state.queue.append(resumed: run)
        }
      }
      return Array(state.runs.values)
    }
    for run in runs { _ = run.requestStop(.interrupted) }
    interrupt(.interrupted, running: nil)
    drain()
  }

  private func interrupted(_ order: RunOrder) -> RunReport {
    RunReport(token: order.token, kind: .ended, outcome: .interrupted, startedAt: wallClock.now)
  }

  private func interrupt(_ reason: StopReason, running token: RunToken?) {
    guard let face = worker.withLock({ $0 }) else { return }
    state.withLock { state in
      guard let current = state.current, token == nil || token == current else { return }
      face.requestInterruption(reason)
      runner.interrupt(face, because: reason)
    }
  }

  // MARK: Steps

  /// Whether `work` would do anything.
  package var hasWork: Bool { state.withLock { !$0.queue.isEmpty || !$0.reports.isEmpty } }

  /// Does what waits, until nothing is left. Not from inside a step.
  ///
  /// - Returns: false when there was nothing.
  package func work() -> Bool {
    guard hasWork else { return false }
    empty()
    return true
  }

  /// The last call of the thread that calls `work`.
  package func close() {
    guard let face = worker.withLock({ $0 }) else { return }
    runner.workerEnds(face)
  }

  private func drain() {
    if !waitsForWork { empty() }
  }

  /// Works until nothing is left, unless a caller further down (or another thread) does that already.
  private func empty() {
    guard let face = worker.withLock({ $0 }) else { return }
    guard
      state.withLock({ state in
        defer { state.isDraining = true }
        return !state.isDraining
      })
    else { return }
    while true {
      let (reports, item) = state.withLock { state -> ([RunReport], LocalQueue.Item?) in
        let reports = state.reports
        state.reports = []
        var one = LocalQueue()
        if reports.isEmpty, !state.queue.isEmpty { state.queue.take(into: &one, limit: 1, workers: 1) }
        let item = one.popFirst()
        switch item {
        case .order(let order): state.current = order.token
        case .run(let run): state.current = run.token
        case nil: state.isDraining = !reports.isEmpty
        }
        face.clearInterruption()
        return (reports, item)
      }
      switch item {
      case .order(let order): begin(order, on: face)
      case .run(let run): go(on: run, face)
      case nil:
        if reports.isEmpty { return }
        state.withLock { $0.sink }?.report(reports)
      }
    }
  }

  private func begin(_ order: RunOrder, on face: StepWorker) {
    let time = StepTime(beginning: order, wall: wallClock.now, monotonic: monotonicClock.now.nanoseconds)
    if let limit = order.startBefore, limit < time.wall {
      return conclude(RunReport(token: order.token, kind: .late, startedAt: time.wall))
    }
    switch runner.begin(order, at: time, on: face) {
    case .ended(let result):
      conclude(report(result, order.token, face.interruption, startedAt: time.wall, time.monotonic))
    case .suspended(let run, let until): leave(run, face, isFirstStep: true, sleepingUntil: until)
    case .sliced(let run): leave(run, face, isFirstStep: true, sleepingUntil: nil)
    }
  }

  private func go(on run: PoolRun, _ face: StepWorker) {
    state.withLock { $0.timers.remove(run) }
    let now = monotonicClock.now.nanoseconds
    let time = StepTime(wall: wallClock.now, monotonic: now, deadline: run.deadline)
    let verdict: StepVerdict
    switch run.beginStep() ?? (now >= time.deadline ? .timedOut : nil) {
    case nil: verdict = runner.step(run, at: time, on: face)
    case .timedOut: verdict = runner.timeOut(run, at: time, on: face)
    case let reason?:
      run.acknowledgeStop()
      verdict = runner.beginStop(run, because: reason, at: time, on: face)
      if case .ended(let result) = verdict { return end(run, result, reason) }
    }
    switch verdict {
    case .ended(let result): end(run, result, run.stopReason)
    case .suspended(_, let until): leave(run, face, isFirstStep: false, sleepingUntil: until)
    case .sliced: leave(run, face, isFirstStep: false, sleepingUntil: nil)
    }
  }

  private func leave(_ run: PoolRun, _ face: StepWorker, isFirstStep: Bool, sleepingUntil until: Int64?) {
    state.withLock { state in
      state.current = nil
      guard isFirstStep else { return }
      state.runs[run.token] = run
      state.reports.append(RunReport(token: run.token, kind: .started, startedAt: run.startedAt))
    }
    if let reason = face.interruption { _ = run.requestStop(reason) }
    guard let until else {
      run.slice()
      return state.withLock { $0.queue.append(sliced: run) }
    }
    let wake = min(until, run.deadline)
    if wake < .max {
      state.withLock { $0.timers.insert(TimerHeap.Entry(at: wake, suspension: run.suspension, run: run)) }
    }
    if run.park() { enqueueResumed(run) }
  }

  private func end(_ run: PoolRun, _ result: AttemptResult, _ reason: StopReason?) {
    _ = run.end()
    conclude(report(result, run.token, reason, startedAt: run.startedAt, run.startedMonotonic))
  }

  private func conclude(_ report: RunReport) {
    state.withLock { state in
      state.current = nil
      state.runs[report.token] = nil
      state.reports.append(report)
    }
  }

  private func report(
    _ result: AttemptResult, _ token: RunToken, _ reason: StopReason?, startedAt: Instant, _ began: Int64
  ) -> RunReport {
    RunReport(
      token: token, kind: .ended, outcome: result.outcome(for: reason), startedAt: startedAt,
      duration: monotonicClock.now.nanoseconds - began, memoryPeakBytes: result.memoryPeakBytes, details: result.details
    )
  }
}

extension InlineExecutor: RunHost {
  func enqueueResumed(_ run: PoolRun) {
    state.withLock { $0.queue.append(resumed: run) }
    drain()
  }

  var othersWaiting: Bool { state.withLock { !$0.queue.isEmpty } }
}
