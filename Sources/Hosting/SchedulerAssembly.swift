package import Basics
package import Chronology
internal import Executors
internal import FileWatching
package import JobModel
package import SchedulerService
package import Scheduling
package import ScriptLoading
package import ScriptRuntime
internal import Synchronization

/// A scheduler with everything it needs, wired: stores, executors, the engine that drives its core, and scripts where
/// there are any.
///
///     let assembly = try SchedulerAssembly(blueprint)     // opens the stores; nothing runs
///     try assembly.start([definition])
///     assembly.stop(grace: 30_000_000_000)
///
/// The `moondial` command and the library that programs embed are two faces of this one type.
///
/// Threading: every method from any thread. Started once; stopping twice, or without a start, is fine.
package final class SchedulerAssembly: Sendable {
  /// What to build. Plain values.
  package struct Blueprint {
    /// Used when there are no scripts; otherwise the configuration is what their place says.
    package var configuration = HostConfiguration()
    package var scripts: ScriptLocation?
    /// Where relative paths of stores begin; made when it is missing. nil: the working directory.
    package var stateDirectory: String?
    /// The kinds of stores that the configuration may name.
    package var kinds = StoreKinds.standard
    package var log: any HostLog
    /// Whether each run's claim, start and success are events; failures always are.
    package var publishesRuns = true
    /// Whether a program declares jobs beside the scripts' own: then a script may name such a job before it is there.
    package var isEmbedded = false
    /// Called with each attempt on its worker's thread, before anything of it happens; nil costs nothing. (The event of
    /// a start comes from the scheduler's thread, and later than the first lines of a run.)
    package var willBegin: (@Sendable (RunOrder) -> Void)?
    /// Called with each configuration that a reload brings, before its jobs are in force, on the thread that loads.
    package var onConfiguration: @Sendable (HostConfiguration) -> Void = { _ in }
    /// Called on the scheduler's thread with each evaluation's events, in order. Must be quick and ask the scheduler
    /// nothing.
    package var onEvents: @Sendable ([Event]) -> Void = { _ in }
    package var wallClock: any WallClock = SystemWallClock()
    package var monotonicClock: any MonotonicClock = SystemMonotonicClock()
    /// Makes the executors when they are not pools of threads: by configured name.
    package var executor: (@Sendable (String) -> any JobExecutor)?
    /// Makes the threads of pools; nil: the system.
    package var makeThread: ThreadMaker?
    package var engine: @Sendable (ServiceConfiguration) -> any SchedulerEngine = { SchedulerService($0) }

    package init(log: any HostLog) { self.log = log }
  }

  package let log: any HostLog
  package let configuration: HostConfiguration
  package let stores: [(name: String, store: any JobStore)]
  package let engine: any SchedulerEngine
  /// What the host cannot do at the moment.
  package let health: HostHealth
  /// Where the lines of runs go: the log, and the history.
  package let sink: HostLogSink
  /// How many runs can be on a processor at once.
  package let workers: Int
  let luaHost: LuaHost?
  private let follower: ScriptFollower?
  private let files: FileFollower
  private let declared: DeclaredJobs
  private let stored: StoredJobs
  private let bridge: ServiceBridge
  private let keeper: MetricsKeeper?
  private let failures: FailureCalls?

  /// Opens the stores and makes the executors. Starts no thread but the stores' writers and the Lua runtime's monitor.
  ///
  /// - Throws: one sentence, or one line for each mistake of the configuration; then nothing stays open.
  package init(_ blueprint: Blueprint) throws(HostError) {
    let log = blueprint.log
    self.log = log
    let bridge = ServiceBridge()
    self.bridge = bridge
    let sink = HostLogSink(log)
    self.sink = sink
    let retry = ScriptFollower.Retry()
    let health = HostHealth(log: log)
    self.health = health
    let slow = SlowLoads()
    let declared = DeclaredJobs(log: log)
    self.declared = declared
    let nativeJobs: (@Sendable () -> [JobDefinition])? = blueprint.isEmbedded ? { @Sendable in declared.all } : nil
    var session: ScriptSession?
    if var location = blueprint.scripts {
      location.stateDirectory = location.stateDirectory ?? blueprint.stateDirectory
      location.kinds = blueprint.kinds
      let made = try ScriptSession(
        location, log: log, scheduler: bridge, sink: sink, retryLater: { retry.ask($0) },
        putAside: { script in
          log.write(.warn, SchedulerAssembly.message(about: script))
          slow.add(script)
        },
        nativeJobs: nativeJobs)
      try made.configure(made.directory.scan().snapshot)
      session = made
    }
    configuration = session?.configuration ?? blueprint.configuration
    luaHost = session?.luaHost
    let state: StateDirectory? =
      if let path = blueprint.stateDirectory { try StateDirectory(making: path) } else { nil }
    let executors = try SchedulerAssembly.executors(configuration, luaHost, blueprint, health)
    workers = executors.reduce(0) { $0 + $1.executor.workers }
    do throws(HostError) { stores = try blueprint.kinds.open(configuration, in: state, .scheduler) } catch {
      session?.luaHost.stop()
      throw error
    }
    for note in stores.flatMap(\.store.notes) { log.write(.warn, note) }
    let named = NamedStores(stores)
    session?.live.use(stores: named)
    luaHost?.services.blockingPool.watch { error in
      guard let error else { return health.clear(.blockingThreads) }
      health.set(.blockingThreads, "files, programs and secrets of scripts are refused or wait: \(error)")
    }
    luaHost?.watchPrograms { why in
      guard let why else { return health.clear(.programs) }
      health.set(.programs, "programs of scripts are not started: \(why)")
    }
    sink.use(stores: named)
    var service = ServiceConfiguration(stores: stores, executors: executors)
    if let zones = blueprint.scripts?.zones { service.zones = zones }
    service.publishesRuns = blueprint.publishesRuns || configuration.logsRuns
    service.orphansMax = Self.orphansMax
    service.wallClock = blueprint.wallClock
    service.monotonicClock = blueprint.monotonicClock
    if let session { service.zones = session.zones }
    let listen = blueprint.onEvents
    let failures = session.map { FailureCalls(log: log, live: $0.live, executor: executors[0].executor) }
    self.failures = failures
    service.alsoRunning = { failures?.count ?? 0 }
    service.onEvents = { events in
      failures?.hear(events)
      listen(events)
    }
    let engine = blueprint.engine(service)
    self.engine = engine
    keeper = luaHost.map { MetricsKeeper($0.services.metrics, store: named["default"], log: log) }
    bridge.attach(engine)
    sink.tellProgress { note in
      engine.post(whenDurable: nil) { core, _, actions in
        if core.configuration.publishesRuns { actions.events.append(.runProgress(note)) }
      }
    }
    failures?.attach(engine)
    let live = session?.live
    let files = FileFollower(
      engine: engine, stores: named, baseDirectory: session?.baseDirectory ?? "/", log: log, health: health,
      mayRead: { subject, directory in
        // The program may see what it may see.
        guard let live, !declared.isNative(subject.job) else { return true }
        return FileWatchGrants.allow(directory, live.grants(for: ScriptPath(subject.source.file)))
      })
    self.files = files
    let stored = StoredJobs(stores: stores.map(\.store), zones: service.zones) { error in
      log.write(.error, "\(error.message): jobs that have come back begin anew")
    }
    self.stored = stored
    guard let session else {
      follower = nil
      return
    }
    let metrics = session.luaHost.services.metrics
    let configured = blueprint.onConfiguration
    let tell: @Sendable ([Event]) -> Void = { events in
      engine.post(whenDurable: nil) { _, _, actions in actions.events += events }
    }
    follower = ScriptFollower(session, retry: retry, slow: slow, health: health, tell: tell) { generation, previous in
      configured(generation.configuration)
      metrics.keep(scripts: Set(generation.scripts.map(\.path.text)))
      let jobs = generation.jobs
      let difference = GenerationDifference(from: previous, to: generation)
      let groups = generation.configuration.groups
      let logsRuns = generation.configuration.logsRuns
      let isWhole = generation.loading.isEmpty
      guard declared.hasOnlyScripts else {
        // Which of two jobs of one name is in force, the program's or a script's, is decided for all at once.
        return engine.ask(recalling: jobs, from: stored) { core, now, actions in
          core.setGroups(groups)
          if logsRuns { core.configuration.publishesRuns = true }
          let definitions = declared.take(scripted: jobs) + declared.all
          let result = core.reconcile(definitions, at: now, into: &actions)
          if isWhole { core.completeStart(at: now, into: &actions) }
          // Only now: the scheduler takes files for jobs that it knows.
          files.follow(definitions)
          return result
        }
      }
      engine.ask { core, _, _ in
        core.setGroups(groups)
        if logsRuns { core.configuration.publishesRuns = true }
      }
      let result = engine.reload(difference.steps, from: stored) { !slow.isCancelled }
      // Also a reload that changes no job may grant what a watch waits for.
      let followsFiles = difference.concernsFiles || jobs.contains { $0.watch != nil }
      // The list that it replaces goes on this thread, not on the scheduler's.
      let former = engine.ask { core, now, actions in
        if isWhole { core.completeStart(at: now, into: &actions) }
        if followsFiles { files.follow(jobs + declared.all) }
        return declared.exchange(scripted: jobs)
      }
      withExtendedLifetime(former) {}
      return result
    }
  }

  /// What the log says of a script that is put aside.
  private static func message(about script: SlowScript) -> String {
    "\(script.path): it has been loading for \(script.taken / 1_000_000) ms; the other scripts do not wait for it, and "
      + "it may take \(script.allowed / 1_000_000_000) s"
  }

  /// Orphaned jobs that are remembered: a script that is saved in two steps, or moved, finds its jobs again without a
  /// look into the store.
  private static let orphansMax = 100

  private static func executors(
    _ configuration: HostConfiguration, _ luaHost: LuaHost?, _ blueprint: Blueprint, _ health: HostHealth
  ) throws(HostError) -> [(name: String, executor: any JobExecutor)] {
    var executors: [(name: String, executor: any JobExecutor)] = []
    for name in defaultFirst(configuration.executors.keys) {
      let configured = configuration.executors[name]!
      guard case .threads = configured.kind else {
        throw HostError(.usage, "executor \"\(name)\": this version has no process executor: use type = \"threads\"")
      }
      if let make = blueprint.executor {
        executors.append((name, make(name)))
        continue
      }
      var settings = StepPool.Configuration()
      if let workers = configured.workers { settings.workers = workers }
      if let make = blueprint.makeThread { settings.makeThread = make }
      settings.willBegin = blueprint.willBegin
      executors.append((name, pool(name, settings, luaHost, blueprint, health)))
    }
    return executors
  }

  /// One pool runs both kinds of jobs; without scripts it needs no Lua.
  private static func pool(
    _ name: String, _ settings: StepPool.Configuration, _ luaHost: LuaHost?, _ blueprint: Blueprint,
    _ health: HostHealth
  ) -> StepPool {
    let onEvent: @Sendable (StepPoolEvent) -> Void = { event in health.note(event, executor: name, log: blueprint.log) }
    guard let luaHost else {
      return StepPool(ClosureRunner(), configuration: settings, wallClock: blueprint.wallClock, onEvent: onEvent)
    }
    let runner = LuaRunner(luaHost)
    let pool = StepPool(runner, configuration: settings, wallClock: blueprint.wallClock, onEvent: onEvent)
    runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
    return pool
  }

  // MARK: Life

  /// Loads the scripts, starts the scheduler with their jobs and the program's own, and begins to watch.
  ///
  /// Blocks on the stores and the disk, and while scripts are evaluated.
  ///
  /// - Parameter announce: told of the loaded scripts before the first of their runs can say anything.
  /// - Returns: the loaded scripts; nil when there are none.
  @discardableResult
  package func start(
    _ nativeJobs: [JobDefinition] = [], announce: (LoadedGeneration) -> Void = { _ in }
  ) throws(HostError) -> LoadedGeneration? {
    do {
      declared.add(nativeJobs)
      guard let follower else {
        try begin(scripted: [], isWhole: true)
        return nil
      }
      return try follower.start { generation in
        announce(generation)
        let scripts = Set(generation.scripts.map(\.path.text))
        luaHost?.services.metrics.keep(scripts: scripts)
        if generation.loading.isEmpty { keeper?.keepOnly(scripts) }
        try begin(scripted: generation.jobs, isWhole: generation.loading.isEmpty)
      }
    } catch {
      follower?.stop()
      closeEverything()
      throw HostError("\(error)")
    }
  }

  private func begin(scripted jobs: [JobDefinition], isWhole: Bool) throws {
    let scripted = declared.take(scripted: jobs)
    try engine.start(scripted + declared.all, groups: configuration.groups, isWhole: isWhole)
    // A run may have declared jobs since.
    engine.ask { [files, declared] _, _, _ in files.follow(scripted + declared.all) }
  }

  /// Reads every script again. Does not block.
  package func rescan() {
    follower?.rescanNow()
    files.rescanNow()
  }

  /// What scripts count and measure, sorted.
  package var metrics: [MetricSeries] { luaHost?.services.metrics.all ?? [] }

  /// Waits for orphans that the kernel gave to this process. Does not block.
  package func reapOrphans() { luaHost?.reapOrphans() }

  /// Claims nothing more, waits up to `grace` nanoseconds for what runs, cancels what is left, writes and closes.
  /// Blocks until then.
  ///
  /// - Parameter closing: called when nothing runs any more, while the stores still answer.
  package func stop(grace: Int64, closing: () -> Void = {}) {
    // A script that loads, or a directory that does not answer, must not keep the jobs from ending.
    follower?.cancel()
    files.stop()
    engine.drain(grace: grace)
    follower?.stop()
    closing()
    closeEverything()
  }

  /// Tells the jobs that listen, and the scripts that wait for it. Blocks until it is as durable as the stores make it.
  package func emit(_ event: String, data: JSONText?) throws(HostError) {
    let answer = Monitor<HostRefusal??>(nil)
    bridge.emit(event, data: data.map { EventData($0) }) { refusal in
      answer.withLock { $0 = .some(refusal) }
      answer.broadcast()
    }
    if let refusal = answer.wait(for: { $0 }) ?? nil { throw HostError(refusal.message) }
  }

  /// Ends the waiting of a `stop`: what still runs is interrupted.
  package func endNow() { engine.endNow() }

  private func closeEverything() {
    files.stop()
    luaHost?.stop()
    bridge.stop()
    sink.stop()
    keeper?.stop()
    for (_, store) in stores { store.close() }
    bridge.detach()
    failures?.detach()
  }

  /// Why a job is kept and does not run.
  package func reasonOfOrphan(_ job: String) -> String {
    follower?.homes.reason(for: job) ?? "nobody declares it any more: kept, not run until somebody does"
  }

  // MARK: Jobs of the program

  /// Why a program's job is not taken.
  package enum DeclarationFailure: Error, Sendable {
    case taken(by: SourceLocation)
    case refused(SchedulerCore.Refusal)
  }

  /// Adds a job to the running scheduler. Blocks for one tick. O(1) in the number of jobs, but for jobs that listen to
  /// others.
  ///
  /// - Parameter replacing: a job of the program with that name gets this definition; otherwise its name is taken.
  package func declare(_ definition: JobDefinition, replacing: Bool) throws(DeclarationFailure) {
    try engine.ask(recalling: [definition], from: stored) {
      [declared, files] core, now, actions -> Result<Void, DeclarationFailure> in
      if let owner = declared.owner(of: definition.name, replacing: replacing) { return .failure(.taken(by: owner)) }
      declared.add([definition])
      core.declare(definition, at: now, into: &actions)
      files.follow(definition.name, definition)
      return .success(())
    }.get()
  }

  /// Takes a job of the program away. What runs goes on; its history stays. Blocks for one tick.
  package func withdraw(_ name: String) throws(DeclarationFailure) {
    try engine.ask { [declared, files] core, now, actions -> Result<Void, DeclarationFailure> in
      if let owner = declared.owner(of: name, replacing: true) { return .failure(.taken(by: owner)) }
      return Result { () throws(DeclarationFailure) in
        do throws(SchedulerCore.Refusal) {
          try core.withdraw(name, at: now, into: &actions)
        } catch { throw .refused(error) }
        declared.remove(name)
        files.follow(name, nil)
      }
    }.get()
  }

  /// The definition of a job of the program.
  package func nativeJob(_ name: String) -> JobDefinition? { declared.nativeJob(name) }
}

/// Who declares which job: the program, or its scripts. The program's own names go first.
private final class DeclaredJobs: Sendable {
  private struct State: Sendable {
    var nativeJobs: [String: JobDefinition] = [:]
    var scripted: [JobDefinition] = []
    /// Places of the scripts' jobs by name. Made when somebody asks: most programs declare no job beside 100,000 of
    /// scripts, and most hosts are no program.
    var locations: [String: SourceLocation]?

    mutating func location(of name: String) -> SourceLocation? {
      let known =
        locations ?? Dictionary(scripted.map { ($0.name, $0.source) }, uniquingKeysWith: { first, _ in first })
      locations = known
      return known[name]
    }
  }

  private let state = Mutex(State())
  private let log: any HostLog

  init(log: any HostLog) { self.log = log }

  func add(_ definitions: [JobDefinition]) {
    state.withLock { state in for definition in definitions { state.nativeJobs[definition.name] = definition } }
  }

  /// Whether the program has declared no job.
  var hasOnlyScripts: Bool { state.withLock { $0.nativeJobs.isEmpty } }

  /// The scripts' jobs from now on, all of which are in force. Returns what they were.
  func exchange(scripted: [JobDefinition]) -> [JobDefinition] {
    state.withLock { state in
      state.locations = nil
      defer { state.scripted = scripted }
      return state.scripted
    }
  }

  func remove(_ name: String) { state.withLock { $0.nativeJobs[name] = nil } }

  func nativeJob(_ name: String) -> JobDefinition? { state.withLock { $0.nativeJobs[name] } }

  func isNative(_ name: String) -> Bool { nativeJob(name) != nil }

  /// The program's own jobs, by name.
  var all: [JobDefinition] { state.withLock { $0.nativeJobs.values.sorted { $0.name < $1.name } } }

  /// Where a name is declared that is not free.
  func owner(of name: String, replacing: Bool) -> SourceLocation? {
    state.withLock { $0.location(of: name) ?? (replacing ? nil : $0.nativeJobs[name]?.source) }
  }

  /// Those of the scripts' definitions that are in force: the program's names go first.
  func take(scripted: [JobDefinition]) -> [JobDefinition] {
    let (nativeJobs, isAlone) = state.withLock { state in
      state.scripted = scripted
      state.locations = nil
      return (state.nativeJobs, state.nativeJobs.isEmpty)
    }
    if isAlone { return scripted }
    var definitions = scripted
    definitions.removeAll { job in
      guard let own = nativeJobs[job.name] else { return false }
      log.write(
        .error,
        "\(job.source): job \"\(job.name)\" is already declared at \(own.source), which stays; give one of them another name"
      )
      return true
    }
    return definitions
  }
}
