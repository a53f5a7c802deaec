import Chronology
import Executors
import Glibc
import JobModel
import JobStores
import Lua
import SchedulerService
import Scheduling
import ScriptHost
import Synchronization
import Triggers

/// A running host: scripts loaded and watched, jobs scheduled, everything wired.
///
///     let host = try Host("scripts", options, log: log)
///     try host.start()
///     host.awaitEnd()          // until SIGINT, SIGTERM
final class Host: Sendable {
  /// The loaded generation and what made it; touched by the watcher's thread once it has started.
  private final class Loading: @unchecked Sendable {
    // `@unchecked`: `session` and `generation` are used by `start` before the watcher's thread begins, and by that thread, one change at
    // a time, from then on.
    let session: ScriptSession
    var generation: LoadedGeneration?
    var retryLater: (ScriptFile) -> Bool = { _ in false }
    init(_ session: ScriptSession) { self.session = session }
  }

  private enum Ending: Sendable { case none, drain, now }

  private let log: LogRenderer
  private let loading: Loading
  private let bridge: ServiceBridge
  private let stateDirectory: StateDirectory
  private let stores: [(name: String, store: any JobStore)]
  private let pools: [StepPool]
  private let service: SchedulerService
  private let watcher = Mutex<DirectoryWatcher?>(nil)
  private let ending = Monitor(Ending.none)
  private let grace: Int64
  private let initial: DirectorySnapshot

  init(_ path: String, _ options: SettingOptions, grace: Int64, log: LogRenderer) throws {
    self.log = log
    self.grace = grace
    let bridge = ServiceBridge()
    self.bridge = bridge
    let sink = HostLogSink(log)
    let retry = RetryHook()
    let session = try ScriptSession(path, options, log: log, bridge: bridge, sink: sink, retryLater: { retry.ask($0) })
    loading = Loading(session)
    initial = session.directory.scan().snapshot
    try session.configure(initial)
    stateDirectory = try StateDirectory(making: options.stateDirectory)
    stores = try Stores.open(session.configuration, in: stateDirectory, mode: .scheduler)
    session.live.use(stores: stores)
    sink.use(stores: stores)
    let (executors, pools) = try Host.executors(session)
    self.pools = pools
    var configuration = ServiceConfiguration(stores: stores, executors: executors)
    configuration.publishesRuns = log.shows(.debug)
    let renderer = EventRenderer(log)
    configuration.onEvents = { events in
      for event in events {
        renderer.render(event)
        if case .runFinished(let record) = event { bridge.note(record) }
      }
    }
    service = SchedulerService(configuration)
    bridge.attach(service)
    let watcher = DirectoryWatcher(
      session.directory, onNotice: { [log] in log.write($0.isWarning ? .warn : .debug, $0.description) },
      onChange: { [weak self] in self?.reload($0) })
    retry.watcher = watcher
    self.watcher.withLock { $0 = watcher }
  }

  private static func executors(
    _ session: ScriptSession
  ) throws -> (executors: [(name: String, executor: any JobExecutor)], pools: [StepPool]) {
    var executors: [(name: String, executor: any JobExecutor)] = []
    var pools: [StepPool] = []
    let configured = session.configuration.executors
    for name in defaultFirst(configured.keys) {
      guard case .threads = configured[name]!.kind else {
        throw CommandFailure(.usage, "executor \"\(name)\": this version has no process executor: use type = \"threads\"")
      }
      let runner = LuaRunner(session.luaHost)
      var settings = StepPool.Configuration()
      if let workers = configured[name]!.workers { settings.workers = workers }
      let pool = StepPool(runner, configuration: settings)
      runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
      executors.append((name, pool))
      pools.append(pool)
    }
    return (executors, pools)
  }

  /// Loads the scripts, starts the scheduler, begins to watch.
  func start() throws {
    let watcher = watcher.withLock { $0! }
    let session = loading.session
    var first: LoadedGeneration?
    do {
      // The watcher's thread begins when this closure has ended: from then on the loading is its own.
      _ = try watcher.start { snapshot in
        let generation = session.load(snapshot)
        loading.generation = generation
        first = generation
        for problem in generation.problems { show(problem) }
        try service.start(generation.jobs)
      }
    } catch { throw CommandFailure("\(error)") }
    let generation = first!
    let workers = pools.reduce(0) { $0 + $1.workers }
    log.write(
      .info,
      "moondial \(Moondial.version): \(counted(generation.jobs.count, "job")) from "
        + "\(counted(generation.scripts.count, "script")) in \(session.directory.root), \(workers) workers, zone "
        + "\(session.configuration.timeZone ?? session.systemZone), store \(stores[0].store.name)")
    if generation.jobs.isEmpty, generation.errors.isEmpty {
      log.write(.info, "no job is declared so far: save a .lua file in \(session.directory.root) and it is live")
    }
  }

  /// On the watcher's thread: a new generation, swapped in as one.
  private func reload(_ change: DirectoryChange) {
    let session = loading.session
    let previous = loading.generation
    if change.changes.contains(.configuration) || change.isRequested { reloadConfiguration(change.snapshot) }
    let zones = change.isRequested ? session.zones.reload() : []
    if !zones.isEmpty { log.write(.info, "time zone data changed on disk: \(zones.joined(separator: ", "))") }
    // New zone data reaches the triggers only when they are built anew.
    let generation = session.load(
      change.snapshot, after: previous, changes: change.changes, everything: !zones.isEmpty)
    loading.generation = generation
    for problem in generation.freshProblems(since: previous) { show(problem) }
    let result = service.reload(generation.jobs)
    let parts = [
      result.added > 0 ? "\(result.added) added" : nil, result.changed > 0 ? "\(result.changed) changed" : nil,
      result.orphaned > 0 ? "\(result.orphaned) removed" : nil,
    ].compactMap { $0 }
    if !parts.isEmpty || change.isRequested {
      log.write(
        .info, "reloaded (generation \(generation.number.number)): \(parts.isEmpty ? "nothing changed" : parts.joined(separator: ", "))")
    }
  }

  private func reloadConfiguration(_ snapshot: DirectorySnapshot) {
    let session = loading.session
    let before = session.configuration
    do {
      try session.configure(snapshot)
    } catch let failure as CommandFailure {
      return log.write(.error, "\(failure.message); the configuration stays as it was")
    } catch {
      return log.write(.error, "\(error); the configuration stays as it was")
    }
    let after = session.configuration
    let late = after.settingsNeedingRestart(from: before)
    if !late.isEmpty { log.write(.warn, "moondial.lua: \(late.joined(separator: ", ")): needs restart") }
  }

  private func show(_ problem: ScriptProblem) {
    log.write(problem.severity == .error ? .error : .warn, problem.description)
  }

  // MARK: The end

  func receive(_ signal: Signals.Signal) {
    switch signal {
    case .reload: watcher.withLock { $0 }?.rescanNow()
    case .end:
      let isSecond = ending.withLock { ending in
        defer { ending = ending == .none ? .drain : .now }
        return ending != .none
      }
      if isSecond { service.endNow() }
      ending.broadcast()
    }
  }

  /// Blocks until the host was asked to end, and has ended: what ran has finished or was cancelled, everything is written.
  func awaitEnd() {
    _ = ending.wait { $0 == .none ? nil : true }
    watcher.withLock { $0 }?.stop()
    service.drain(grace: grace)
    loading.session.luaHost.stop()
    for (_, store) in stores { store.close() }
    log.write(.info, "stopped")
  }
}

/// Breaks the circle between loader and watcher.
private final class RetryHook: @unchecked Sendable {
  // `@unchecked`: set once before the watcher starts, read on its thread afterwards.
  weak var watcher: DirectoryWatcher?
  func ask(_ file: ScriptFile) -> Bool { watcher?.retryLater(file) ?? false }
}

func counted(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

/// Names in order, `default` before all others.
func defaultFirst(_ names: some Sequence<String>) -> [String] {
  let sorted = names.sorted()
  return sorted.filter { $0 == "default" } + sorted.filter { $0 != "default" }
}
