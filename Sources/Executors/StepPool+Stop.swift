internal import Basics
internal import Chronology
package import JobModel
internal import Synchronization

/// Cancelling one run, and ending all of them.
extension StepPool {
  package func cancel(_ token: RunToken) {
    // A run that goes on has a word to be marked; one that does not is in a queue or in its first step. It may change
    // from one to the other while we look, but only in this direction, and it is in the table before it leaves its
    // worker: look there again.
    for _ in 0..<2 {
      if let run = runs.withLock({ $0[token] }) {
        if case .interruptWorker = run.requestStop(.cancelled) { interruptStep(of: token, because: .cancelled) }
        return
      }
      let (order, isRunning) = state.withLock { state -> (RunOrder?, Bool) in
        if let order = state.queue.remove(token) { return (order, false) }
        for worker in state.workers {
          if let order = worker.withQueue({ $0.remove(token) }) { return (order, false) }
          if interrupt(worker, running: token, because: .cancelled) { return (nil, true) }
        }
        return (nil, false)
      }
      if let order {
        // Not from here: whoever cancels may hold a lock that the sink needs.
        let report = RunReport(token: order.token, kind: .ended, outcome: .cancelled, startedAt: wallClock.now)
        timers.deliver([report])
        return
      }
      if isRunning { return }
    }
  }

  /// Kills what runs, drops what waits, and ends the threads. All of it is reported as interrupted, each run once.
  ///
  /// Blocks until the threads have ended, at most `stopPatience`; the run of a thread that does not return is reported
  /// as well, and what it does later is not heard of.
  package func stop() {
    let (isMine, wasStarted, waiting) = state.withLock { state -> (Bool, Bool, [Work]) in
      switch state.phase {
      case .new:
        state.phase = .closed
        return (true, false, state.queue.takeAll())
      case .open:
        state.phase = .closing
        isClosing.store(true, ordering: .releasing)
        return (true, true, state.queue.takeAll())
      case .closing, .closed: return (false, false, [])
      }
    }
    guard isMine else {
      // Another thread stops it already: return when that is done.
      return state.wait { $0.phase == .closed ? () : nil } ?? ()
    }
    guard wasStarted else { return state.broadcast() }

    let everybody = state.withLock { $0.workers + Array($0.stuck.values) }
    var dropped = waiting
    for worker in everybody {
      dropped += worker.withQueue { $0.takeAll() }
      _ = interrupt(worker, running: nil, because: .interrupted)
    }
    var reports: [RunReport] = []
    for work in dropped {
      switch work {
      case .orders(let range): reports += range.orders[range.next..<range.end].map(interruptedReport)
      // Its runner must close what it holds: a worker does that, because of the mark that follows.
      case .run(let run): enqueueResumed(run)
      }
    }
    if !reports.isEmpty { sink.report(reports) }
    for run in runs.withLock({ Array($0.values) }) {
      if case .interruptWorker = run.requestStop(.interrupted) { interruptStep(of: run.token, because: .interrupted) }
    }
    state.broadcast()
    joinThreads()
    timers.stop()
    if let thread = timerThread.withLock({ $0.take() }) {
      if thread.isCurrent { thread.abandon() } else { thread.join() }
    }
    state.withLock { $0.phase = .closed }
    state.broadcast()
  }

  private func joinThreads() {
    let own = state.withLock { $0.threads.values.contains { $0.isCurrent } ? 1 : 0 }
    let deadline = monotonicNow() + configuration.stopPatience
    _ = state.wait(until: deadline) { $0.liveThreads <= own ? true : nil }
    let (left, threads) = state.withLock { ($0.workers + Array($0.stuck.values), $0.threads) }
    let leftIndices = Set(left.map(\.index))
    for (index, thread) in threads {
      if leftIndices.contains(index) { thread.abandon() } else { thread.join() }
    }
    state.withLock { $0.threads.removeAll() }
    leaveBehind(left)
  }

  /// Reports what these workers and the runs that nobody could stop have not reported, and silences them.
  private func leaveBehind(_ workers: [PoolWorker]) {
    var reported = Set<RunToken>()
    for worker in workers {
      worker.deliver(to: sink) { local in
        guard local.threadState != .leftBehind else { return false }
        if let run = local.current, reported.insert(run.token).inserted {
          let now = monotonicNow()
          local.report(
            RunReport(
              token: run.token, kind: .ended, outcome: local.threadState == .stuck ? .stuck : .interrupted,
              startedAt: run.startedAt, duration: now - run.began),
            at: now)
        }
        local.threadState = .leftBehind
        return true
      }
    }
    // `end` in any case: a run that is on one of these workers must not be reported when it returns.
    let rest = runs.withLock { Array($0.values) }.filter { $0.end() && !reported.contains($0.token) }
    let now = monotonicNow()
    let reports = rest.map { run in
      RunReport(
        token: run.token, kind: .ended, outcome: .interrupted, startedAt: run.startedAt,
        duration: now - run.startedMonotonic)
    }
    if !reports.isEmpty { sink.report(reports) }
    if !workers.isEmpty { onEvent(.threadsLeftBehind(workers.count)) }
  }

  /// How an order ends that was never begun because the pool is stopped.
  func interruptedReport(_ order: RunOrder) -> RunReport {
    RunReport(token: order.token, kind: .ended, outcome: .interrupted, startedAt: wallClock.now)
  }

  private func interruptStep(of token: RunToken, because reason: StopReason) {
    let workers = state.withLock { $0.workers + Array($0.stuck.values) }
    for worker in workers where interrupt(worker, running: token, because: reason) { return }
  }

  /// Interrupts the step on `worker`, if it is one of `token` (nil: of anybody). The worker's lock keeps it from
  /// leaving that step meanwhile.
  private func interrupt(_ worker: PoolWorker, running token: RunToken?, because reason: StopReason) -> Bool {
    worker.local.withLock { local in
      guard let current = local.current, token == nil || token == current.token else { return false }
      worker.face.requestInterruption(reason)
      runner.interrupt(worker.face, because: reason)
      return true
    }
  }
}
