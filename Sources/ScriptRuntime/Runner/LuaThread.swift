internal import Basics
internal import Executors
internal import JobModel
internal import Lua
internal import Synchronization

/// What the runner keeps per worker thread: its Lua worker, its hot states, and the run that may be interrupted.
final class LuaThread: @unchecked Sendable {
  // @unchecked: `lua` and `hot` are used on the worker's own thread only; `present` is locked; the others are constant.

  let lua: LuaWorker
  private let index: Int
  private let report: @Sendable (Int, RunToken) -> Void
  private let present = Mutex<(instance: JobInstance, token: RunToken)?>(nil)
  private var hot: [JobInstance] = []
  private let hotLimit: Int
  /// nil: never in real time.
  private var realTime: RealTimeThread?

  init(lua: LuaWorker, index: Int, isUrgent: Bool, hotLimit: Int, report: @escaping @Sendable (Int, RunToken) -> Void) {
    self.lua = lua
    self.index = index
    self.hotLimit = hotLimit
    realTime = isUrgent ? RealTimeThread(.work) : nil
    self.report = report
    hot.reserveCapacity(hotLimit + 1)
  }

  // MARK: The run on this thread

  /// Before work on a run of Lua. It begins in real time where that is permitted and the thread needs little; the
  /// runtime's timer takes that from it when it has had half a slice, however many steps that were.
  func review(at now: Int64) {
    if realTime != nil, LuaWorker.beginWork() { realTime?.review(at: now) }
  }

  /// From now on `interrupt` reaches this run.
  func enter(_ instance: JobInstance, _ token: RunToken) { present.withLock { $0 = (instance, token) } }

  /// From now on it does not: a cancel that is late must not hit the state's next run.
  func exit() { present.withLock { $0 = nil } }

  /// From any thread. A run that is cancelled and looks whether it is gives way, and is given its time by the runner.
  func interrupt(because reason: StopReason) {
    present.withLock { present in
      guard let instance = present?.instance else { return }
      if reason == .cancelled, instance.context.cancel.ask(), lua.preempt() { return }
      instance.state.cancel()
    }
  }

  func token(of state: LuaState) -> RunToken? {
    present.withLock { $0?.instance.state === state ? $0?.token : nil }
  }

  func reportStuck(_ token: RunToken) { report(index, token) }

  // MARK: Hot states (`state = "run"`)

  /// The state used last, as its run left it: renew it.
  func takeHot() -> JobInstance? { hot.popLast() }

  /// Keeps a state after its run, unless there are enough.
  func keepHot(_ instance: JobInstance) {
    if hot.count < hotLimit { hot.append(instance) }
  }

  /// The thread ends.
  func close() {
    hot.removeAll()
    lua.close()
  }
}
