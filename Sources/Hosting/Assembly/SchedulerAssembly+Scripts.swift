internal import Basics
internal import Chronology
internal import FileWatching
internal import JobModel
internal import Scheduling
internal import SchedulerService
internal import ScriptLoading
internal import ScriptRuntime

/// What there is only where there are scripts.
extension SchedulerAssembly {
  /// A configured session over the scripts' directory. What loads long is put aside.
  static func session(
    _ location: ScriptLocation, _ blueprint: Blueprint, _ declared: DeclaredJobs, _ bridge: ServiceBridge,
    _ sink: HostLogSink, _ retry: ScriptFollower.Retry, _ slow: SlowLoads
  ) throws(HostError) -> sending ScriptSession {
    let log = blueprint.log
    var location = location
    location.stateDirectory = location.stateDirectory ?? blueprint.stateDirectory
    location.kinds = blueprint.kinds
    let session = try ScriptSession(
      location, log: log, scheduler: bridge, sink: sink, retryLater: { retry.ask($0) },
      putAside: { script in
        log.write(.warn, message(about: script))
        slow.add(script)
      },
      nativeJobs: blueprint.isEmbedded ? { @Sendable in declared.all } : nil)
    try session.configure(session.directory.scan().snapshot)
    return session
  }

  /// What the log says of a script that is put aside.
  private static func message(about script: SlowScript) -> String {
    "\(script.path): it has been loading for \(script.taken / 1_000_000) ms; the other scripts do not wait for it, and "
      + "it may take \(script.allowed / 1_000_000_000) s"
  }

  /// Follows the edits of the scripts, each of which is put in force as soon as there is a scheduler.
  static func follower(
    _ session: sending ScriptSession, _ swaps: SwapSwitch, _ retry: ScriptFollower.Retry, _ slow: SlowLoads,
    _ health: HostHealth, _ ledger: ScriptLedger, _ placing: PlacementDispatcher?,
    onConfiguration: @escaping @Sendable (HostConfiguration) -> Void
  ) -> ScriptFollower {
    let metrics = session.luaHost.services.metrics
    let tell: @Sendable ([Event]) -> Void = { events in
      swaps.swap?.engine.post(whenDurable: nil) { _, _, actions in actions.events += events }
    }
    return ScriptFollower(
      session, retry: retry, slow: slow, health: health, ledger: ledger, tell: tell
    ) { generation, previous in
      onConfiguration(generation.configuration)
      metrics.keep(scripts: Set(generation.scripts.map(\.path.text)))
      guard let swap = swaps.swap else { return SchedulerCore.Reconciliation() }
      let result = swap.put(generation, after: previous)
      if generation.loading.isEmpty { placing?.startIsComplete() }
      return result
    }
  }

  /// Says when the system refuses threads that scripts need, and when it gives them again.
  static func watchThreads(of luaHost: LuaHost, _ health: HostHealth) {
    luaHost.services.blockingPool.watch { error in
      guard let error else { return health.clear(.blockingThreads) }
      health.set(.blockingThreads, "files, programs and secrets of scripts are refused or wait: \(error)")
    }
    luaHost.watchPrograms { why in
      guard let why else { return health.clear(.programs) }
      health.set(.programs, "programs of scripts are not started: \(why)")
    }
  }
}

/// What of a session is for any thread.
struct SessionParts: Sendable {
  let live: LiveServices
  let luaHost: LuaHost
  let directory: ScriptDirectory
  let baseDirectory: String
  let zones: TimeZoneDatabase

  init(_ session: ScriptSession) {
    live = session.live
    luaHost = session.luaHost
    directory = session.directory
    baseDirectory = session.baseDirectory
    zones = session.zones
  }
}
