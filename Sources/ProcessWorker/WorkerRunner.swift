internal import Executors
internal import JobModel
internal import ScriptRuntime
internal import Synchronization

/// A ``LuaRunner`` that can begin with the hooks of a run whose process is gone.
final class WorkerRunner: StepRunner {
  private let lua: LuaRunner
  /// How the run that is begun next has ended.
  private let former = Mutex<AttemptResult?>(nil)

  init(_ lua: LuaRunner) { self.lua = lua }

  /// The next run that is begun consists of its hooks.
  func beginWithHooks(after result: AttemptResult?) { former.withLock { $0 = result } }

  func makeContext(for worker: StepWorker) -> AnyObject { lua.makeContext(for: worker) }
  func begin(_ order: RunOrder, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    let former = former.withLock { former in
      defer { former = nil }
      return former
    }
    guard let former else { return lua.begin(order, at: time, on: worker) }
    return lua.beginHooks(of: order, after: former, at: time, on: worker)
  }
  func step(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    lua.step(run, at: time, on: worker)
  }
  func stop(_ run: PoolRun, because reason: StopReason, on worker: StepWorker) -> AttemptResult {
    lua.stop(run, because: reason, on: worker)
  }
  func beginStop(_ run: PoolRun, because reason: StopReason, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    lua.beginStop(run, because: reason, at: time, on: worker)
  }
  func timeOut(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    lua.timeOut(run, at: time, on: worker)
  }
  func interrupt(_ worker: StepWorker, because reason: StopReason) { lua.interrupt(worker, because: reason) }
  func preempt(_ worker: StepWorker) { lua.preempt(worker) }
  func workerEnds(_ worker: StepWorker) { lua.workerEnds(worker) }
  func windDown() { lua.windDown() }
  func othersWaiting(_ waiting: Bool) { lua.othersWaiting(waiting) }
}
