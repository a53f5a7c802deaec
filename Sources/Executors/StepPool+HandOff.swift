internal import Basics
internal import Synchronization

/// Handing a worker's place over while a long call holds its thread.
///
/// A step is asked to give way after a slice, and Lua code does. What cannot is a call that runs outside Lua's own
/// code: a comparator of a sort, a host function with a large argument, a Swift closure that blocks. When such a step
/// has held its worker for `handOffAfter` and work waits, the watchdog gives the worker's place to another thread, as
/// Go's monitor thread takes the processor from a long system call. A worker that comes back finds its place taken and
/// ends, unless one is free again. So threads are in number those that make progress plus those that are held, and a
/// thread that is held delays nobody.
extension StepPool {
  /// Gives the places of workers in too long steps to new threads. On the watchdog.
  func handOffLongSteps(at now: Int64) {
    let missing = state.withLock { state -> Int in
      guard state.phase == .open, state.idle == 0, state.retryAt <= now, isWorkWaiting(state) else { return 0 }
      for worker in state.workers where state.handedOff.count < configuration.stuckThreads {
        guard !state.handedOff.contains(worker.index),
          let began = worker.local.withLock({ $0.current?.began }), now - began > configuration.handOffAfter
        else { continue }
        state.handedOff.insert(worker.index)
      }
      return max(0, configuration.workers - state.activeWorkers)
    }
    for _ in 0..<missing where addWorker() == nil { return }
  }

  private func isWorkWaiting(_ state: State) -> Bool {
    !state.queue.isEmpty || state.workers.contains { $0.queued.load(ordering: .relaxed) > 0 }
  }

  /// A worker looks for work again. True when its place was handed over and none is free: then its thread is to end.
  /// Call with the pool's lock.
  func retires(_ worker: PoolWorker, _ state: inout State) -> Bool {
    guard state.handedOff.remove(worker.index) != nil, state.phase == .open else { return false }
    return state.activeWorkers > configuration.workers
  }
}

extension StepPool.State {
  /// Workers that are not held by a step that was handed over.
  var activeWorkers: Int { workers.count - handedOff.count }
}
