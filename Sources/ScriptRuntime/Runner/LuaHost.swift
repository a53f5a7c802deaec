internal import Executors
internal import Chronology
internal import JobModel
package import Lua
internal import Synchronization

/// Limits of running scripts that are not the Lua runtime's own.
package struct LuaHostConfiguration: Sendable {
  /// Bytes of idle kept states (`state = "job"`). The default is 512 MB.
  package var keptBytes = 512 << 20
  /// Bytes of answers under way of all runs together. The default is 256 MB.
  package var answerBytes = 256 << 20
  /// States that each worker keeps ready for `state = "run"`. The default is 4.
  package var hotSlots = 4
  /// Lines that one run may log. The default is 10,000.
  package var logLines = 10_000
  /// Nanoseconds that `on_error` has after an attempt that was killed (`timed_out`, `out_of_memory`). The default is 10
  /// s.
  package var hookTimeout: Int64 = 10_000_000_000
  /// Nanoseconds that a cancelled run has to end by itself when its script looks whether it is (`ctx:cancelled()`). The
  /// default is 10 s.
  package var cancelPatience: Int64 = 10_000_000_000
  /// Told when a run's script first looks whether it should end; nil: nobody.
  package var onLook: (@Sendable () -> Void)?
  /// Told when a hook begins that has a time of its own; nil: nobody.
  package var onHook: (@Sendable () -> Void)?

  /// Nanoseconds of real time that one step may take, of a host whose monotonic clock is not the machine's: a loop
  /// without an end does not let that clock pass. nil: the clock is the machine's, and timeouts hold.
  package var stepLimit: Int64?

  /// Whether programs that scripts start get groups of their own, which a keeper ends with the host. A worker process
  /// is such a group as a whole.
  package var hasChildKeeper = true

  package init() {}
}

/// What all Lua jobs of a process share: the runtime with its host modules, the services behind them, the kept states.
///
///     let host = try LuaHost(services: services) { HostModules.all(children: $0) + DeclareModules.modules }
///     let runner = LuaRunner(host)
///     let pool = StepPool(runner)
///
/// Threading: everything may be called from any thread.
package final class LuaHost: Sendable {
  package let runtime: LuaRuntime
  package let services: HostServices
  package let configuration: LuaHostConfiguration
  let kept: KeptStates
  /// Whether the host is about to end, which scripts are told.
  let hostEnds = WindDown()
  /// The memory that answers have on their way into Lua states.
  let answers: AnswerBudget
  private let late = Mutex<LateRequires?>(nil)
  /// What ends with the host.
  private let endings = Mutex<[@Sendable () -> Void]>([])
  /// Runners in whose pools work waits for a worker.
  private let waiting = Mutex<Set<ObjectIdentifier>>([])
  let workers = WorkerRegistry()
  /// Programs that scripts have started.
  package let children: ChildProcesses

  /// - Parameters:
  ///   - lua: slices, memory and deadlines of the runtime.
  ///   - modules: what scripts see, and what only exists while they are loaded (`job`, triggers). Given the programs
  ///     that scripts start, which the host ends with itself.
  /// - Throws: when the address space for states cannot be reserved, or a module is wrong.
  package init(
    services: HostServices, lua: LuaConfiguration = .init(), configuration: LuaHostConfiguration = .init(),
    modules: (ChildProcesses) -> [LuaModule]
  ) throws(LuaError) {
    self.services = services
    self.configuration = configuration
    children = ChildProcesses(hasKeeper: configuration.hasChildKeeper)
    answers = AnswerBudget(limit: configuration.answerBytes)
    let reporter = EvictionReporter(services: services)
    kept = KeptStates(limit: configuration.keptBytes) { reporter.report($0, bytes: $1, job: $2, limit: $3) }
    let workers = workers
    runtime = try LuaRuntime(
      lua, modules: modules(children), onStuck: { workers.isStuck($0) })
  }

  /// Slices preempt while work waits in any of the pools. The runtime is told inside the lock, so that the last word is
  /// right.
  func othersWait(_ isWaiting: Bool, in runner: LuaRunner) {
    waiting.withLock { waiting in
      if isWaiting { waiting.insert(ObjectIdentifier(runner)) } else { waiting.remove(ObjectIdentifier(runner)) }
      runtime.setOthersWaiting(!waiting.isEmpty)
    }
  }

  /// Where a `require` is recorded that is first reached inside a run: the script loader's `lateRequires`.
  package func recordLateRequires(in requires: LateRequires) { late.withLock { $0 = requires } }

  /// What `require` finds in the runs that `context` tells of: the snapshot of `lib/` of the job's generation, never
  /// the disk.
  func moduleLoader(for context: RunContext) -> LuaModuleLoader {
    // Asked in a run only, so there is an order. The payload is looked up each time: a state outlives its job's
    // version, and is given to other jobs.
    { [weak self, context] name in
      guard let payload = context.definition.payload as? LuaJobPayload else {
        return .missing("this job has no modules")
      }
      self?.late.withLock { $0 }?.record(payload.script, asksFor: name)
      return payload.library.source(named: name)
    }
  }

  /// What `require` finds in a run of `payload` that another process has.
  package func moduleSource(named name: String, for payload: LuaJobPayload) -> LuaModuleSource {
    late.withLock { $0 }?.record(payload.script, asksFor: name)
    return payload.library.source(named: name)
  }

  /// A new state with the job's code in it.
  func makeInstance(_ payload: LuaJobPayload) throws(LuaError) -> JobInstance {
    let context = RunContext(services: services, limits: configuration, budget: answers, hostEnds: hostEnds)
    let state = try runtime.makeState(
      payload.capsule, memoryLimit: payload.memoryLimit, loader: moduleLoader(for: context))
    state.declares = { [context] name in
      (context.order?.job.definition.payload as? LuaJobPayload)?.scope.declared.contains(name) ?? false
    }
    return JobInstance(state: state, context: context)
  }

  /// The kept states at this moment.
  package var keptStates: KeptStateCounts { kept.counts }

  /// Changes how many bytes of idle kept states there may be; what is too much now goes when the next run ends.
  package func limitKeptStates(bytes: Int) { kept.limit = bytes }

  /// Waits for processes that have ended and that the kernel made children of this one: orphans come to the first
  /// process of a container. Only for a program in which nobody else starts children. Does not block.
  package func reapOrphans() { children.reapOrphans() }

  /// Calls `watch` with the reason when programs cannot be started, and with nil when they can again. Before the first
  /// run.
  package func watchPrograms(_ watch: @escaping @Sendable (String?) -> Void) { children.watch(watch) }

  /// Changes how many bytes of answers there may be under way; those that are there stay.
  package func limitAnswers(bytes: Int) { answers.limit = bytes }

  /// Bytes of answers under way at this moment, and the most that there were.
  package var answerBytes: (now: Int, peak: Int) { (answers.total, answers.peak) }

  /// `end` is called by each `stop`, after the pools have stopped: it ends what a module has started, and may block.
  package func whenStopped(_ end: @escaping @Sendable () -> Void) { endings.withLock { $0.append(end) } }

  /// Ends the children that scripts have started, the thread that waits for them, and what modules have started. Call
  /// it after the pools have stopped; twice is fine.
  package func stop() {
    children.stop()
    for end in endings.withLock({ $0 }) { end() }
    kept.removeAll()
  }
}

/// Turns evictions into log lines: the first at once, then one line for all that came meanwhile, at most every ten
/// seconds.
private final class EvictionReporter: Sendable {
  private struct Pending {
    var states = 0
    var bytes = 0
    var silentUntil: Int64 = .min
  }
  private let services: HostServices
  private let pending = Mutex(Pending())
  private static let pause: Int64 = 10_000_000_000

  init(services: HostServices) { self.services = services }

  func report(_ states: Int, bytes: Int, job: String, limit: Int) {
    let now = services.monotonic.now.nanoseconds
    let due: (states: Int, bytes: Int)? = pending.withLock { pending in
      pending.states += states
      pending.bytes += bytes
      guard now >= pending.silentUntil else { return nil }
      defer { pending = Pending(silentUntil: now + Self.pause) }
      return (pending.states, pending.bytes)
    }
    guard let due else { return }
    let megabytes = { (bytes: Int) in (bytes + (1 << 19)) >> 20 }
    services.log.write(
      LogLine(
        run: nil, job: nil, level: .info,
        message:
          "dropped \(due.states) kept Lua states (\(megabytes(due.bytes)) MB), longest idle first, \"\(job)\" among "
          + "them: all kept states together may have \(megabytes(limit)) MB", at: services.wall.now))
  }
}

/// Knows which run is on which worker, for the one question that comes from outside: this state cannot be stopped,
/// whose is it?
final class WorkerRegistry: Sendable {
  private let workers = Mutex<[LuaThread]>([])

  func add(_ worker: LuaThread) { workers.withLock { $0.append(worker) } }
  func remove(_ worker: LuaThread) { workers.withLock { $0.removeAll { $0 === worker } } }

  /// From the runtime's monitor thread.
  func isStuck(_ state: LuaState) {
    for worker in workers.withLock({ $0 }) {
      if let token = worker.token(of: state) { worker.reportStuck(token) }
    }
  }
}
