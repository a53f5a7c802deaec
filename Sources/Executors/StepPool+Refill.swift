internal import Basics
internal import Synchronization

/// How workers get work: from the shared queue, from each other, by waiting.
extension StepPool {
  /// Moves work into the worker's own queue, waiting until there is some. False when the worker's thread is to end:
  /// the pool is being stopped and nothing is left to do, or another thread has taken the worker's place.
  ///
  /// - Parameter limit: the most things to take.
  func refill(_ worker: PoolWorker, limit: Int) -> Bool {
    var isIdle = false
    let (hasWork, wakes) =
      state.wait { state -> (Bool, Bool)? in
        if !isIdle, retires(worker, &state) { return (false, false) }
        if isIdle {
          // Woken, or falsely awake: either way this worker looks now, so the next submitter must wake somebody itself.
          state.isWaking = false
        }
        let isFilled = takeShared(for: worker, limit: limit, &state) || steal(for: worker, &state)
        let isOver = !isFilled && state.phase == .closing && runCount.load(ordering: .acquiring) == 0
        guard isFilled || isOver else {
          if !isIdle { state.idle += 1 }
          isIdle = true
          setOthersWaiting(false, &state)
          return nil
        }
        if isIdle { state.idle -= 1 }
        guard isFilled else { return (false, false) }
        // Wake-ups spread from worker to worker, so that who submits pays for one at most.
        let isMore = !state.queue.isEmpty || worker.queued.load(ordering: .relaxed) > 1
        let wakes = isMore && state.idle > 0 && !state.isWaking
        if wakes { state.isWaking = true }
        if !isMore, state.othersWaiting,
          !state.workers.contains(where: { $0 !== worker && $0.queued.load(ordering: .relaxed) > 0 })
        {
          setOthersWaiting(false, &state)
        }
        return (true, wakes)
      } ?? (false, false)
    if wakes { wakeWorker() }
    return hasWork
  }

  private func takeShared(for worker: PoolWorker, limit: Int, _ state: inout State) -> Bool {
    guard !state.queue.isEmpty else { return false }
    rescue(for: worker, &state)
    worker.withQueue { state.queue.take(into: &$0, limit: limit, workers: configuration.workers) }
    return true
  }

  /// Takes half of what the best supplied worker has, from the end. (Half: it will probably need the rest itself; and a
  /// worker in a long step loses everything to repeated visits.)
  private func steal(for worker: PoolWorker, _ state: inout State) -> Bool {
    guard state.phase == .open else { return false }
    var victim: PoolWorker?
    var most = 0
    for other in state.workers where other !== worker {
      let count = other.queued.load(ordering: .relaxed)
      if count > most { (victim, most) = (other, count) }
    }
    guard let loot = victim?.withQueue({ $0.takeLast(($0.count + 1) / 2) }), !loot.isEmpty else { return false }
    worker.withQueue { queue in for work in loot { queue.append(work) } }
    return true
  }

  /// Takes orders back from workers that have been in one step for a millisecond, so that they start in their turn
  /// although no worker is idle. At most once a millisecond.
  private func rescue(for worker: PoolWorker, _ state: inout State) {
    guard state.workers.contains(where: { $0 !== worker && $0.queued.load(ordering: .relaxed) > 0 }) else { return }
    let now = monotonicNow()
    guard now - state.lastRescue > StepPool.longStep else { return }
    state.lastRescue = now
    for other in state.workers where other !== worker && other.queued.load(ordering: .relaxed) > 0 {
      let orders = other.local.withLock { local -> [Work] in
        guard let current = local.current, now - current.began > StepPool.longStep else { return [] }
        defer { other.queued.store(0, ordering: .relaxed) }
        return local.queue.takeAll()
      }
      state.queue.requeue(orders)
    }
  }

  /// Asks the run that has been on its worker longest to give way to work that has just come, if it has been there for
  /// a while. At most one a millisecond: with many short runs this costs one look at a clock per submission.
  ///
  /// Why not leave it to the runner's slices: they follow the kernel's tick. At 250 Hz a run that begins its slice when
  /// work comes may hold its worker for two ticks, 8 ms.
  func preemptLongest(_ state: inout State) {
    let now = monotonicNow()
    guard now - state.lastPreemption > StepPool.longStep else { return }
    state.lastPreemption = now
    var longest: (worker: PoolWorker, began: Int64)?
    for worker in state.workers {
      guard let began = worker.local.withLock({ $0.current?.began }), now - began > StepPool.fairStep else { continue }
      if began < longest?.began ?? .max { longest = (worker, began) }
    }
    guard let (worker, began) = longest else { return }
    // Still in that step? The lock keeps it there while the runner is told.
    worker.local.withLock { if $0.current?.began == began { runner.preempt(worker.face) } }
  }

  /// Nanoseconds that a run may be on a worker before newly come work takes its place.
  static let fairStep: Int64 = 2_000_000

  /// Nanoseconds from which a step is long: others may take what waits behind it.
  static let longStep: Int64 = 1_000_000
}
