internal import Basics
package import JobModel
internal import Synchronization

/// What an operator should know about a pool.
package enum StepPoolEvent: Sendable, Equatable {
  /// The worker's run could not be stopped; another worker took its place. `by` is nil when that had happened before,
  /// because others waited.
  case workerReplaced(index: Int, by: Int?, run: RunToken)
  /// The same, but too many threads are stuck already (or the system gives no more): the pool goes on with fewer
  /// workers.
  case replacementRefused(index: Int, run: RunToken, stuck: Int)
  /// A stuck run returned after all, and its thread has ended.
  case stuckWorkerReturned(index: Int)
  /// The system refused a thread; what to do is in the text. The pool goes on with fewer workers and asks again by
  /// itself; no other refusal is told until `workersRestored`.
  case threadFailed(String)
  /// After `threadFailed` or `replacementRefused`: each place has a thread again.
  case workersRestored
  /// `stop` waited long enough: so many threads still run.
  case threadsLeftBehind(Int)
}

/// Watching over workers that are in long steps, and replacing those that are stuck.
extension StepPool {
  static let watchdogInterval: Int64 = 10_000_000

  /// Hands over what workers in long steps cannot: old reports, and that their run has started. On the timer thread,
  /// every 10 ms while workers begin steps; it ends by itself when each worker is idle or in a step that is known.
  func runWatchdog() {
    let now = monotonicNow()
    let all = state.withLock { $0.workers }
    for worker in all {
      worker.deliver(to: sink) { local in
        guard local.threadState == .works else { return false }
        if let run = local.current, run.needsStarted, now - run.began > StepPool.longStep {
          local.reportStarted(at: now)
        }
        return !local.reports.isEmpty && now - local.oldestReport > StepPool.longStep
          || local.current?.needsStarted == false
      }
    }
    if mayAddWorker(at: now) { addWorker() }
    handOffLongSteps(at: now)
    noteRestored()
    let goesOn = state.withLock { state -> Bool in
      let quiet = state.workers.filter { worker in
        worker.local.withLock { $0.current?.needsStarted == false && $0.reports.isEmpty && $0.queue.count == 0 }
      }
      state.isWatched = !state.queue.isEmpty || quiet.count + state.idle < state.workers.count
      return state.isWatched
    }
    let next = min(reportOverdueSteps(at: now), nextRetry)
    if goesOn {
      timers.wakeWatchdog(at: now + StepPool.watchdogInterval)
    } else if next < .max {
      timers.wakeWatchdog(at: next)
    }
  }

  /// Whether a place has no thread and one may be asked for.
  private func mayAddWorker(at now: Int64) -> Bool {
    state.withLock { state in
      state.phase == .open && state.activeWorkers < configuration.workers && state.retryAt <= now
        && state.stuck.count <= configuration.stuckThreads
    }
  }

  /// When a thread that was refused is to be asked for again.
  private var nextRetry: Int64 {
    state.withLock { state in
      state.isShort && state.phase == .open && state.stuck.count <= configuration.stuckThreads ? state.retryAt : .max
    }
  }

  /// Tells that each place has a thread again, if that was otherwise.
  private func noteRestored() {
    let isRestored = state.withLock { state in
      guard state.isShort, state.phase == .open, state.activeWorkers >= configuration.workers,
        !isWithoutTimers.load(ordering: .relaxed)
      else { return false }
      state.isShort = false
      return true
    }
    if isRestored { onEvent(.workersRestored) }
  }

  /// Calls those stuck that have not ended by the time that their runner gave. When the next one will be.
  private func reportOverdueSteps(at now: Int64) -> Int64 {
    var next = Int64.max
    for worker in state.withLock({ $0.workers }) {
      let time = worker.face.expectedEnd
      guard time <= now else {
        next = min(next, time)
        continue
      }
      if let token = worker.local.withLock({ $0.current?.token }) { workerIsStuck(worker.index, running: token) }
    }
    return next
  }

  /// Tells the pool that the run with this token cannot be stopped and keeps its thread.
  ///
  /// It is reported as stuck, what waited behind it goes back to the front of the queue, and a new thread takes the
  /// worker's place at once. If the thread ever returns, the run is reported as ended (stuck), and the thread ends.
  ///
  /// - Returns: false, and nothing happens, when that run is not on that worker (any more).
  @discardableResult
  package func workerIsStuck(_ index: Int, running token: RunToken) -> Bool {
    guard let worker = state.withLock({ $0.workers.first { $0.index == index } }) else { return false }
    var waiting: [Work] = []
    var isStuck = false
    worker.deliver(to: sink) { local in
      guard local.threadState == .works, let current = local.current, current.token == token else { return false }
      let now = monotonicNow()
      local.reportStarted(at: now)
      local.report(
        RunReport(
          token: token, kind: .stuck, outcome: .stuck, startedAt: current.startedAt, duration: now - current.began),
        at: now)
      local.threadState = .stuck
      waiting = local.queue.takeAll()
      worker.queued.store(0, ordering: .relaxed)
      isStuck = true
      return true
    }
    guard isStuck else { return false }
    let (isReplaced, mayReplace, stuck) = state.withLock { state in
      state.workers.removeAll { $0 === worker }
      state.stuck[index] = worker
      state.liveThreads -= 1
      state.threads.removeValue(forKey: index)?.abandon()
      if state.handedOff.remove(index) != nil { return (true, false, state.stuck.count) }
      return (false, state.stuck.count <= configuration.stuckThreads, state.stuck.count)
    }
    enqueue(preempting: true) { state in
      state.queue.requeue(waiting)
      return true
    }
    if isReplaced {
      onEvent(.workerReplaced(index: index, by: nil, run: token))
    } else if mayReplace, let replacement = addWorker() {
      onEvent(.workerReplaced(index: index, by: replacement, run: token))
    } else {
      state.withLock { $0.isShort = true }
      onEvent(.replacementRefused(index: index, run: token, stuck: stuck))
    }
    return true
  }

  /// A worker's thread is about to end because there is nothing to do any more.
  func threadEnds(_ worker: PoolWorker) {
    state.withLock { state in
      state.workers.removeAll { $0 === worker }
      state.liveThreads -= 1
      // While the pool is open a thread ends because its place was taken: nobody will join it.
      if state.phase == .open { state.threads.removeValue(forKey: worker.index)?.abandon() }
    }
    state.broadcast()
  }

  /// A thread that was given up is about to end after all.
  func stuckThreadEnds(_ worker: PoolWorker, _ threadState: PoolWorker.ThreadState) {
    guard threadState == .stuck else { return }
    let isShort = state.withLock { state in
      state.stuck[worker.index] = nil
      return state.phase == .open && state.activeWorkers < configuration.workers
    }
    if isShort { addWorker() }
    onEvent(.stuckWorkerReturned(index: worker.index))
    noteRestored()
  }
}
