package import Basics
package import Chronology
package import JobModel
internal import ProcessFrames
package import ScriptRuntime

/// What an operator should know of an executor of processes.
package enum ProcessExecutorEvent: Sendable {
  /// Workers cannot be started; why.
  case cannotStart(String)
  /// They can again.
  case canStart
  /// A sentence for the log.
  case note(String)
}

/// Runs Lua jobs in processes of their own: children of the host's program, each of which has one run at a time.
///
/// What it promises, beside what every executor does:
/// - A worker serves one script, and is bound by that script's grants: no run meets what another script's left behind.
/// - A worker that crashes, says what no worker says, closes its connection or does not end in time costs the run that
///   it has, and nothing else: it is killed with everything that it has started, and another one takes its place.
/// - Workers are kept for further runs of their script, and started while orders wait.
/// - When `stop` returns no worker is left.
///
/// One thread starts the workers and speaks with them; it sleeps in `poll` until something happens.
///
/// It must be stopped: its thread holds it.
package final class ProcessExecutor: JobExecutor {
  let configuration: ProcessConfiguration
  let luaHost: LuaHost
  let wallClock: any WallClock
  let willBegin: (@Sendable (RunOrder) -> Void)?
  let onEvent: @Sendable (ProcessExecutorEvent) -> Void
  private let makeThread: ThreadMaker?

  /// What others want of the thread.
  struct Mail: Sendable {
    var orders: [RunOrder] = []
    var cancels: [RunToken] = []
    /// Frames for workers, by their number; true: an answer.
    var frames: [(worker: Int, frame: [UInt8], isAnswer: Bool)] = []
    /// Runs that are over, since what was to be committed with them is known.
    var ends: [RunReport] = []
    var isWindingDown = false
    var isStopped = false
  }
  private struct State: Sendable {
    var mail = Mail()
    var sink: (any RunReportSink)?
    var thread: NamedThread?
    /// Workers that have not ended.
    var alive = 0
  }
  private let state = Monitor(State())
  private let wake = PollWake()

  /// - Parameters:
  ///   - luaHost: the services that runs may reach; it starts no run itself.
  ///   - willBegin: told of each attempt before anything of it happens.
  ///   - onEvent: told of what an operator should know, on the executor's thread.
  package init(
    _ configuration: ProcessConfiguration, luaHost: LuaHost, wallClock: any WallClock = SystemWallClock(),
    makeThread: ThreadMaker? = nil, willBegin: (@Sendable (RunOrder) -> Void)? = nil,
    onEvent: @escaping @Sendable (ProcessExecutorEvent) -> Void = { _ in }
  ) {
    self.configuration = configuration
    self.luaHost = luaHost
    self.wallClock = wallClock
    self.makeThread = makeThread
    self.willBegin = willBegin
    self.onEvent = onEvent
  }

  package var workers: Int { configuration.workers }

  /// Worker processes that have not ended.
  package var processes: Int { state.withLock { $0.alive } }

  package func start(reportingTo sink: any RunReportSink) {
    state.withLock { $0.sink = sink }
    _ = hasThread()
  }

  /// Starts the thread unless there is one; why there can be none.
  private func hasThread() -> ThreadError? {
    state.withLock { state in
      guard state.thread == nil, !state.mail.isStopped, state.sink != nil else { return nil }
      do throws(ThreadError) {
        let body: @Sendable () -> Void = { [self] in ProcessSupervisor(self).serve() }
        if let makeThread {
          state.thread = try makeThread("moondial-procs", 1 << 20, .blocked, body)
        } else {
          state.thread = try NamedThread("moondial-procs", body)
        }
        return nil
      } catch { return error }
    }
  }

  package func submit(_ orders: [RunOrder]) {
    let failure = hasThread()
    let (isStopped, sink) = state.withLock { state in
      if !state.mail.isStopped, failure == nil { state.mail.orders += orders }
      return (state.mail.isStopped, state.sink)
    }
    if isStopped {
      sink?.report(orders.map { end($0, .interrupted, nil) })
    } else if let failure {
      sink?.report(orders.map { end($0, .failed, RunError(message: failure.description)) })
    } else {
      wake?.wake()
    }
  }

  package func cancel(_ token: RunToken) {
    state.withLock { $0.mail.cancels.append(token) }
    wake?.wake()
  }

  package func windDown() {
    state.withLock { $0.mail.isWindingDown = true }
    wake?.wake()
  }

  package func stop() {
    let thread = state.withLock { state -> NamedThread? in
      state.mail.isStopped = true
      defer { state.thread = nil }
      return state.thread
    }
    wake?.wake()
    if let thread { thread.join() }
  }

  /// A report of an order that no worker has.
  func end(_ order: RunOrder, _ outcome: Outcome, _ error: RunError?) -> RunReport {
    RunReport(
      token: order.token, kind: .ended, outcome: outcome, startedAt: wallClock.now,
      details: error.map { AttemptDetails(error: $0) })
  }

  // MARK: For the thread

  var sink: (any RunReportSink)? { state.withLock { $0.sink } }
  /// −1: the process had no descriptors left when it was made, and the thread has to look now and then.
  var wakeDescriptor: Int32 { wake?.reading ?? -1 }

  /// What has come since the last call.
  func takeMail() -> Mail {
    wake?.clear()
    return state.withLock { state in
      defer {
        state.mail.orders = []
        state.mail.cancels = []
        state.mail.frames = []
        state.mail.ends = []
      }
      return state.mail
    }
  }

  /// A message for a worker, from any thread; that thread makes the frame.
  func post(_ message: HostMessage, to worker: Int, isAnswer: Bool) {
    let frame = message.frame
    state.withLock { $0.mail.frames.append((worker, frame, isAnswer)) }
    wake?.wake()
  }

  /// The end of a run whose worker has another one by now, from any thread.
  func post(end report: RunReport) {
    state.withLock { $0.mail.ends.append(report) }
    wake?.wake()
  }

  func note(alive: Int) { state.withLock { $0.alive = alive } }
}
