internal import Basics
internal import Synchronization

/// What a pool has in hand at one moment.
package struct StepPoolCounts: Sendable, Equatable {
  /// Orders and runs that wait for a worker.
  package var queued = 0
  /// Steps that are on a worker, without stuck ones.
  package var onWorkers = 0
  /// Runs that go on: suspended, sliced, or in a further step.
  package var continuing = 0
  /// Threads whose run could not be stopped.
  package var stuck = 0
  /// Workers that take work.
  package var workers = 0
  /// Workers that wait for work.
  package var idle = 0
}

extension StepPool {
  /// For status pages and metrics. O(workers)
  package var counts: StepPoolCounts {
    state.withLock { state in
      var counts = StepPoolCounts()
      counts.queued = state.queue.count
      for worker in state.workers {
        worker.local.withLock { local in
          counts.queued += local.queue.count
          counts.onWorkers += local.current == nil ? 0 : 1
        }
      }
      counts.continuing = runCount.load(ordering: .relaxed)
      counts.stuck = state.stuck.count
      counts.workers = state.workers.count
      counts.idle = state.idle
      return counts
    }
  }
}
