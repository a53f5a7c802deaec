internal import JobModel
internal import Executors
internal import ScriptRuntime

/// What a pool of threads tells its operator, in words.
extension HostHealth {
  /// Says in the log what happened to the pool of `executor`, and keeps what is still so.
  func note(_ event: StepPoolEvent, executor: String, log: any HostLog) {
    switch event {
    case .workerReplaced(let index, let by, _):
      let successor = by.map { "worker \($0) takes its place" } ?? "another had taken its place before"
      log.write(
        .warn, "executor \"\(executor)\": worker \(index) is held by a run that cannot be stopped; \(successor)")
    case .replacementRefused(let index, _, let stuck):
      set(
        .workers(executor: executor),
        "executor \"\(executor)\" has fewer workers than configured: worker \(index) is held by a run that cannot be "
          + "stopped, as \(stuck) of its threads are, and no other takes its place: restart the host, and give each job "
          + "a function that returns")
    case .stuckWorkerReturned(let index):
      log.write(.info, "executor \"\(executor)\": the run that held worker \(index) has returned")
    case .threadFailed(let why):
      set(
        .workers(executor: executor),
        "executor \"\(executor)\" has fewer workers than configured, and asks for more again and again: \(why)")
    case .workersRestored: clear(.workers(executor: executor))
    case .threadsLeftBehind(let count):
      log.write(
        .warn,
        "executor \"\(executor)\": \(count) thread\(count == 1 ? "" : "s") still in runs that cannot be stopped "
          + "are left behind")
    }
  }
}
