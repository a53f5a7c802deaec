internal import Executors
internal import JobModel
internal import ScriptLoading
internal import ScriptRuntime

/// The executors that a configuration names.
enum ConfiguredExecutors {
  /// In the order of the scheduler: the default one first.
  static func make(
    _ configuration: HostConfiguration, _ luaHost: LuaHost?, _ blueprint: SchedulerAssembly.Blueprint,
    _ health: HostHealth
  ) throws(HostError) -> [(name: String, executor: any JobExecutor)] {
    var executors: [(name: String, executor: any JobExecutor)] = []
    for name in defaultFirst(configuration.executors.keys) {
      let configured = configuration.executors[name]!
      if let make = blueprint.executor {
        executors.append((name, make(name)))
        continue
      }
      if case .process = configured.kind {
        executors.append((name, try ProcessExecutors.make(name, configured, luaHost, blueprint, health)))
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
    _ name: String, _ settings: StepPool.Configuration, _ luaHost: LuaHost?, _ blueprint: SchedulerAssembly.Blueprint,
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
}
