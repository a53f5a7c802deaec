internal import Basics
internal import Chronology
internal import Executors
internal import FileWatching
package import JobModel
package import SchedulerService
internal import Scheduling
package import ScriptLoading
internal import ScriptRuntime
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
  let follower: ScriptFollower?
  let files: FileFollower
  let declared: DeclaredJobs
  let stored: StoredJobs
  let bridge: ServiceBridge
  let keeper: MetricsKeeper?
  let failures: FailureCalls?
  let operations: SchedulerControl
  let ears: Ears
  let intents: PendingIntents
  let memberships: HostMemberships
  /// nil: no store of this host has runs executed elsewhere.
  let placing: PlacementDispatcher?
  let placedRuns: PlacedRuns?

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
    let session: ScriptSession? =
      if let location = blueprint.scripts {
        try Self.session(location, blueprint, declared, bridge, sink, retry, slow)
      } else { nil }
    let parts = session.map { SessionParts($0) }
    configuration = session?.configuration ?? blueprint.configuration
    luaHost = parts?.luaHost
    let state: StateDirectory? =
      if let path = blueprint.stateDirectory { try StateDirectory(making: path) } else { nil }
    let made = try ConfiguredExecutors.make(configuration, luaHost, blueprint, health)
    let placing = Self.dispatcher(configuration, blueprint)
    self.placing = placing
    let shared = placing.map { dispatcher in
      made.enumerated().map { PlacingExecutor($1.name, $1.executor, number: $0, dispatcher) }
    }
    let executors = shared?.map { (name: $0.name, executor: $0 as any JobExecutor) } ?? made
    if let shared { placing?.use(shared) }
    workers = executors.reduce(0) { $0 + $1.executor.workers }
    let identity = HostIdentity()
    let memberships = HostMemberships(
      configuration, directory: parts?.directory, health: health, log: log, onDrain: blueprint.onDrain)
    self.memberships = memberships
    blueprint.onMembership { [weak memberships] in memberships?.leave() }
    let placedRuns = shared.map { PlacedRuns(memberships.name, $0, log: log) }
    self.placedRuns = placedRuns
    memberships.count { [weak placing, weak placedRuns] in (placing?.elsewhere ?? 0, placedRuns?.count ?? 0) }
    let ledger = ScriptLedger()
    let swaps = SwapSwitch()
    let onConfiguration = blueprint.onConfiguration
    follower =
      if let session {
        Self.follower(session, swaps, retry, slow, health, ledger, placing, onConfiguration: onConfiguration)
      } else { nil }
    let standby = Self.standby(placedRuns, memberships, parts, sink, follower, blueprint)
    do throws(HostError) {
      try memberships.join(configuration, blueprint.kinds, life: identity, executors: executors)
      stores = try blueprint.kinds.open(
        configuration, in: state, .scheduler, health: health, node: memberships.name,
        standsBy: Self.standsBy(blueprint, standby))
    } catch {
      follower?.stop()
      placedRuns?.stop(grace: 0)
      memberships.leave()
      parts?.luaHost.stop()
      throw error
    }
    for note in stores.flatMap(\.store.notes) { log.write(.warn, note) }
    let named = NamedStores(stores)
    parts?.live.use(stores: named)
    if let luaHost { Self.watchThreads(of: luaHost, health) }
    sink.use(stores: named)
    standby?.end(named)
    var service = ServiceConfiguration(stores: stores, executors: executors)
    if let zones = blueprint.scripts?.zones { service.zones = zones }
    service.publishesRuns = blueprint.publishesRuns || configuration.logsRuns
    service.orphansMax = Self.orphansMax
    service.continues = blueprint.continues
    service.wallClock = blueprint.wallClock
    service.monotonicClock = blueprint.monotonicClock
    if let parts { service.zones = parts.zones }
    let listen = blueprint.onEvents
    let failures = parts.map { parts in
      FailureCalls(executor: made[0].executor, hook: { [live = parts.live] in live.onFailure }) {
        level, job, run, text in
        if let job, let run { log.write(level, job: job, run: run, text) } else { log.write(level, text) }
      }
    }
    self.failures = failures
    service.alsoRunning = { failures?.count ?? 0 }
    let ears = Ears()
    self.ears = ears
    service.onEvents = { events in
      failures?.hear(events)
      ears.control?.hear(events)
      listen(events)
    }
    service.onEmitted = { [weak bridge] name, data in bridge?.tell(name, data) }
    let engine = blueprint.engine(service)
    self.engine = engine
    keeper = luaHost.map { MetricsKeeper($0.services.metrics, store: named["default"], log: log) }
    bridge.attach(engine)
    Self.followLeases(of: stores, engine, log: log, onLost: blueprint.onStoreLost)
    sink.tellProgress { note in
      engine.post(whenDurable: nil) { core, _, actions in
        if core.configuration.tellsRuns { actions.events.append(.runProgress(note)) }
      }
    }
    parts?.live.use(engine: { [weak bridge] in bridge?.engine })
    parts?.live.tellSteps { [weak bridge] step, job in
      bridge?.engine?.post(whenDurable: nil) { core, _, actions in
        if core.configuration.tellsRuns { actions.events.append(.runStepped(step, job: job)) }
      }
    }
    failures?.attach(engine)
    let operations = SchedulerAssembly.operations(
      blueprint, service, engine, configuration: configuration, health: health, ledger: ledger, session: parts,
      luaHost: luaHost, identity: identity, memberships: memberships, placing: placing)
    memberships.use(engine, ledger)
    ledger.tell { [weak memberships] in memberships?.beat() }
    self.operations = operations
    ears.attach(operations)
    sink.tell(operations)
    let live = parts?.live
    let files = FileFollower(
      engine: engine, stores: named, baseDirectory: parts?.baseDirectory ?? "/", log: log, health: health,
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
    let intents = PendingIntents(engine: engine, stores: named, zones: service.zones, log: log)
    self.intents = intents
    swaps.use(
      GenerationSwap(
        engine: engine, declared: declared, stored: stored, files: files, intents: intents,
        isWanted: { !slow.isCancelled }))
    if let follower { operations.follow(follower, files) }
  }

  /// Orphaned jobs that are remembered: a script that is saved in two steps, or moved, finds its jobs again without a
  /// look into the store.
  private static let orphansMax = 100
}
