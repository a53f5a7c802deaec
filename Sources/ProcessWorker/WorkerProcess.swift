internal import Basics
internal import CLinux
internal import Chronology
internal import Executors
internal import FileWatching
internal import Glibc
internal import HostModules
internal import JobModel
internal import Lua
internal import ProcessFrames
internal import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// The life of a worker process (`moondial worker`): it is bound to a script, gets code, and runs one run at a time,
/// with the same runner and the same modules as the thread pool.
///
/// Its main thread reads what the host says; runs are on a pool with one thread. It ends when the host is gone.
package final class WorkerProcess: Sendable {
  private let link: WorkerLink
  private let luaHost: LuaHost
  private let pool: StepPool
  private let runner: WorkerRunner
  private let output: RemoteOutput
  private let live: LiveQuotas
  private let binding: WorkerBinding
  private let jobs = Monitor<[UInt32: JobEntry]>([:])

  /// How many runs' processor time a worker may use before it is replaced.
  private static let runsOfProcessorTime: Int64 = 64
  /// Bytes of address space for Lua states: a worker has few of them.
  private static let regionSize = 16 << 30

  /// Whether there is a host at the other end of `socket`.
  package static func isConnected(_ socket: Int32 = 3) -> Bool {
    var type: Int32 = 0
    var size = socklen_t(MemoryLayout<Int32>.size)
    // Safe: the call writes one number, whose size it is told.
    return unsafe getsockopt(socket, SOL_SOCKET, SO_TYPE, &type, &size) == 0
  }

  /// Serves the host at the other end of `socket` until it ends the process.
  package static func serve(socket: Int32 = 3) -> Never {
    // What `memory` gives a run is then the same in each process.
    linux_keep_one_arena()
    // Programs that it starts have no word with the host.
    _ = fcntl(socket, F_SETFD, FD_CLOEXEC)
    let link = WorkerLink(socket: socket)
    link.send(.ready(version: Frame.version, lua: LuaRuntime.luaVersion))
    while true {
      switch link.receive() {
      case .bind(let binding):
        do {
          let (process, notes) = try make(binding, link)
          link.send(.bound(notes))
          process.obey()
        } catch {
          link.send(.failed("\(error)"))
          _exit(1)
        }
      case .windDown: break
      default: _exit(0)
      }
    }
  }

  private struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  private static func make(_ binding: WorkerBinding, _ link: WorkerLink) throws -> (WorkerProcess, [String]) {
    var reader = WireReader(binding.grants[...])
    let grants = try Grants(reading: &reader)
    let notes: [String]
    do { notes = try Confinement.enter(binding, grants) } catch { throw Failure(description: error.message) }
    let process = try WorkerProcess(binding, grants, link)
    if let memory = binding.memory, !linux_limit_memory(Int64(memory)) {
      throw Failure(
        description: "the memory of the worker cannot be limited: /proc is not mounted, or setrlimit failed")
    }
    // The bound of a run can be put off by native code up to here; a worker that comes near it is replaced.
    if let time = binding.processorTime {
      let (most, overflow) = time.multipliedReportingOverflow(by: Self.runsOfProcessorTime)
      if !overflow, !linux_limit_processor_for_good(most) { throw Failure(description: "setrlimit failed") }
    }
    return (process, notes)
  }

  private init(_ binding: WorkerBinding, _ grants: Grants, _ link: WorkerLink) throws {
    self.binding = binding
    self.link = link
    let output = RemoteOutput(link)
    self.output = output
    let live = LiveQuotas()
    self.live = live
    let scheduler = RemoteScheduler(link)
    let values = RemoteValues(link)
    let keeper = RemoteKeeper(link)
    let services = HostServices(
      wall: SystemWallClock(), monotonic: SystemMonotonicClock(), zones: TimeZoneDatabase(), log: output,
      keyValues: { _ in live.hasValues ? values : nil }, runKeeper: { _ in keeper }, jobs: scheduler,
      events: scheduler,
      metrics: MetricRegistry { change in
        if case .metric(let refusal) = link.ask(.metric(change)) { refusal } else { .misuse("the run is over") }
      },
      quotas: { live.quotas }, grants: { _ in grants },
      environment: { name in if case .text(let text) = link.ask(.variable(name)) { text } else { nil } },
      // Only the host has them.
      notifyTargets: { nil },
      secrets: Secrets { name in
        switch link.ask(.secret(name), until: monotonicNow() + Secrets.patience) {
        case .secret(let answer): answer
        case .refused(let refusal): .refused(refusal.message)
        case nil: Secrets.late(name)
        default: .refused(WorkerLink.strange.message)
        }
      },
      baseDirectory: binding.baseDirectory, blockingPool: BlockingPool())
    var configuration = LuaHostConfiguration()
    configuration.hasChildKeeper = false
    configuration.keptBytes = binding.limits.keptBytes
    configuration.answerBytes = binding.limits.answerBytes
    configuration.logLines = binding.limits.logLines
    configuration.hookTimeout = binding.limits.hookTimeout
    configuration.cancelPatience = binding.limits.cancelPatience
    configuration.onLook = { link.send(.looks(link.run)) }
    configuration.onHook = { link.send(.hook(link.run)) }
    var lua = LuaConfiguration()
    lua.regionSize = Self.regionSize
    lua.hasAllLibraries = binding.libraries == .all
    // Constructors of triggers are there in runs as well: `jobs.schedule` takes what they make.
    luaHost = try LuaHost(
      services: services, declareModules: DeclareModules.modules, lua: lua, configuration: configuration)
    var settings = StepPool.Configuration()
    settings.workers = 1
    settings.makeThread = {
      [hasAll = binding.libraries == .all]
      (name, stackSize, signals, body) throws(ThreadError) -> NamedThread in
      try Self.patientThread(name, stackSize, signals) {
        // Programs of `os.execute` and `io.popen` have the mask of their thread, and a shell waits for SIGCHLD. What
        // a signal does to this process it does whichever thread takes it: nothing is handled.
        if hasAll { Self.takeSignals() }
        body()
      }
    }
    settings.willBegin = { _ in link.send(.began(link.run)) }
    runner = WorkerRunner(LuaRunner(luaHost, isUrgent: false))
    pool = StepPool(runner, configuration: settings)
    pool.start(reportingTo: ReportSender(link, binding))
  }

  /// A thread that is refused now may be had in a moment: others with this user may have all of its processes, as a
  /// fork bomb has until its deadline.
  private static let patientThread: ThreadMaker = {
    (name, stackSize, signals, body) throws(ThreadError) -> NamedThread in
    for _ in 0..<250 {
      if let thread = try? NamedThread(name, stackSize: stackSize, signals: signals, body) { return thread }
      usleep(20_000)
    }
    return try NamedThread(name, stackSize: stackSize, signals: signals, body)
  }

  private static func takeSignals() {
    var none = sigset_t()
    // Safe: the calls fill and read the local mask.
    unsafe sigemptyset(&none)
    unsafe pthread_sigmask(SIG_SETMASK, &none, nil)
  }

  // MARK: What the host says

  private func obey() -> Never {
    while true {
      switch link.receive() {
      case .bind: fail("a worker is bound once")
      case .job(let code): take(code)
      case .forget(let key): jobs.withLock { $0[key] = nil }
      case .run(let command): begin(command)
      case .cancel(let number): pool.cancel(Self.token(number))
      case .windDown: pool.windDown()
      case .answer(let call, let answer): link.take(call, answer)
      case .event(let call, let data): link.take(call, event: data)
      case .end:
        pool.stop()
        luaHost.stop()
        // What the last run left to be done is done: its temporary files go.
        luaHost.services.blockingPool.stop()
        _exit(0)
      }
    }
  }

  private func fail(_ why: String) -> Never {
    link.send(.failed(why))
    _exit(1)
  }

  private static func token(_ number: UInt64) -> RunToken {
    RunToken(slot: 0, use: UInt32(truncatingIfNeeded: number))
  }

  private func take(_ code: JobCode) {
    let capsule: LuaCapsule
    do { capsule = try LuaCapsule(decoding: code.capsule) } catch {
      fail("the code of job \"\(code.name)\" cannot be read: \(error.message)")
    }
    let declared = DeclaredGlobals()
    declared.replace(with: Set(code.declared))
    let library = ModuleLibrary { [link] name in
      switch link.ask(.module(name)) {
      case .source(let bytes, let chunkName): .source(bytes, chunkName: chunkName)
      case .refused(let refusal): .missing(refusal.message)
      default: .missing(WorkerLink.strange.message)
      }
    }
    let scope = ScriptScope(script: ScriptPath(binding.script), library: library, declared: declared)
    let payload = LuaJobPayload(
      received: capsule, scope: scope, memoryLimit: code.memoryLimit, isFailureHook: code.isFailureHook)
    var definition = JobDefinition(
      name: code.name, source: SourceLocation(file: code.file, line: code.line), payload: payload)
    definition.params = code.params
    definition.timeout = code.timeout
    definition.retry = code.retry
    definition.timeZone = code.timeZone
    definition.state = code.keepsState ? .job : .run
    definition.store = code.store
    definition.executor = code.executor
    jobs.withLock { $0[code.key] = JobEntry(definition) }
  }

  private func begin(_ command: RunCommand) {
    guard let job = jobs.withLock({ $0[command.key] }) else { fail("a run of a job that was not sent") }
    link.begin(command.number, frameMost: Frame.most(under: command.quotas))
    live.use(command.quotas, hasValues: command.hasValues)
    output.use(command.threshold)
    if let time = binding.processorTime { _ = linux_limit_processor(time) }
    var context: OrderContext?
    if command.params != nil || command.event != nil || command.schedule != nil {
      context = OrderContext(params: command.params, event: command.event, schedule: command.schedule)
    }
    let former = command.former.map { former in
      AttemptResult(former.outcome, details: AttemptDetails(error: former.error))
    }
    runner.beginWithHooks(after: former)
    pool.submit([
      RunOrder(
        token: Self.token(command.number), id: RunID(command.id), job: job, attempt: command.attempt,
        scheduledAt: command.scheduledAt, missed: command.missed, context: context)
    ])
  }
}

/// What each run brings along.
private final class LiveQuotas: Sendable {
  private let state = Mutex((quotas: Quotas(), hasValues: false))
  var quotas: Quotas { state.withLock { $0.quotas } }
  var hasValues: Bool { state.withLock { $0.hasValues } }
  func use(_ quotas: Quotas, hasValues: Bool) { state.withLock { $0 = (quotas, hasValues) } }
}

/// Tells the host how runs end.
private final class ReportSender: RunReportSink {
  private let link: WorkerLink
  private let libraries: WorkerLibraries
  /// Nanoseconds of processor time that the next run may use.
  private let processorTime: Int64

  init(_ link: WorkerLink, _ binding: WorkerBinding) {
    self.link = link
    libraries = binding.libraries
    processorTime = binding.processorTime ?? 0
  }

  func report(_ reports: [RunReport]) {
    for report in reports where report.kind == .ended {
      // What a run left behind goes with the process: programs in the background, and a state that native code was
      // torn out of.
      let isWhole =
        (libraries == .safe || report.outcome == .succeeded || report.outcome == .failed || report.details?.park != nil)
        && linux_processor_left() > processorTime
      link.send(
        .ended(
          link.run,
          WorkerResult(
            outcome: report.outcome, duration: report.duration, memoryPeakBytes: report.memoryPeakBytes,
            details: report.details, isReusable: isWhole && report.outcome != .stuck && !linux_has_children(),
            outbox: report.details?.outbox.map { WireTransaction($0) })))
    }
  }
}
