import Basics
import Chronology
import Executors
import FileWatching
internal import HostModules
import Hosting
import JobModel
import Lua
import SchedulerService
import ScriptLoading
import ScriptRuntime
import Triggers

/// The product's own parts, wired as ``Host`` wires them, around one generated script: loader, isolated Lua states,
/// thread pool, scheduler, store. What is left out is what a measurement has no use for: configuration files, signals,
/// log lines.
final class BenchHost {
  struct Options {
    var workers: Int?
    /// nil: the host's default.
    var keptBytes: Int?
    /// nil: the memory store.
    var durability: CommitDurability?
    /// Of a store without anything in it; nil: a SQLite file.
    var address: StoreAddress?
    /// Of the store.
    var retention = Retention()

    /// Bytes of address space for Lua states; nil: the runtime's default.
    var regionSize: Int?

    init(_ parameters: BenchParameters) throws {
      workers = try parameters.optionalInteger("workers")
      regionSize = try parameters.optionalInteger("region_mb").map { $0 << 20 }
    }
  }

  let store: BenchStore
  let service: SchedulerService
  /// The jobs of the script. The measure sets when they fire, by instants that it alone knows.
  private(set) var definitions: [JobDefinition] = []
  private let files: BenchDirectory
  private let directory: ScriptDirectory
  private let loader: ScriptLoader
  private let luaHost: LuaHost
  private var watcher: DirectoryWatcher?

  /// - Parameter module: what the script calls to record what it does; nothing else of it is special.
  init(script: String, _ options: Options, module: LuaModule? = nil) throws {
    let files = try BenchDirectory()
    self.files = files
    try files.write(script: script)
    let zones = TimeZoneDatabase()
    var configuration = LuaHostConfiguration()
    if let bytes = options.keptBytes { configuration.keptBytes = bytes }
    var lua = LuaConfiguration()
    if let size = options.regionSize { lua.regionSize = size }
    do {
      if let synchronous = options.durability {
        var request = StoreRequest(.scheduler)
        request.durability = synchronous
        request.retention = options.retention
        let address = options.address ?? StoreAddress("sqlite:" + files.database)
        store = BenchStore(try StoreKinds.standard.open(address, request))
      } else {
        store = BenchStore(try StoreKinds.standard.open(StoreAddress("memory"), StoreRequest(.scheduler)))
      }
      luaHost = try LuaHost(
        services: .unwired, declareModules: DeclareModules.modules + (module.map { [$0] } ?? []), lua: lua,
        configuration: configuration)
      loader = try ScriptLoader(runtime: luaHost.runtime, zones: zones)
    } catch { throw CommandFailure("\(error)") }
    let runner = LuaRunner(luaHost)
    var settings = StepPool.Configuration()
    if let workers = options.workers { settings.workers = workers }
    let pool = StepPool(runner, configuration: settings)
    runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
    var service = ServiceConfiguration(stores: [("default", store)], executors: [("default", pool)])
    // As a host does unless it logs at debug.
    service.publishesRuns = false
    self.service = SchedulerService(service)
    directory = ScriptDirectory(files.scripts)
  }

  /// Evaluates the script.
  func load() throws {
    try take(loader.load(directory.scan().snapshot))
  }

  private func take(_ generation: LoadedGeneration) throws {
    if let problem = generation.errors.first { throw CommandFailure("the generated script is refused: \(problem)") }
    definitions = generation.jobs
  }

  /// Loads the script, starts to fire, and watches the directory, as a host does.
  func startWatching() throws {
    let watcher = DirectoryWatcher(directory) { _ in }
    self.watcher = watcher
    do {
      _ = try watcher.start { snapshot in
        try take(loader.load(snapshot))
        try service.start(definitions)
      }
    } catch let failure as CommandFailure { throw failure } catch { throw CommandFailure("\(error)") }
  }

  /// Starts the scheduler with `definitions`.
  func start(_ definitions: [JobDefinition]) throws {
    do { try service.start(definitions) } catch { throw CommandFailure("\(error)") }
  }

  /// The script's jobs with triggers of the measure's own.
  func definitions(firing trigger: (Int) -> AnyTrigger) -> [JobDefinition] {
    definitions.enumerated().map { index, definition in
      var definition = definition
      definition.trigger = trigger(index)
      return definition
    }
  }

  /// Blocks until everything that was decided so far is durable.
  func awaitDurable() throws {
    let answer = Monitor<StoreError??>(nil)
    service.post(whenDurable: { error in
      answer.withLock { $0 = .some(error) }
      answer.broadcast()
    }) { _, _, _ in }
    if let error = answer.wait(for: { $0 }) ?? nil { throw CommandFailure("\(error)") }
  }

  /// Ends it; what still runs is cancelled.
  func stop() {
    watcher?.stop()
    service.drain(grace: 0)
    luaHost.stop()
    store.close()
  }
}

/// What the kernel says about this process.
enum ProcessStatus {
  /// Kilobytes in memory now, and at most so far.
  static var residentKB: Int { field("VmRSS:") }
  static var peakResidentKB: Int { field("VmHWM:") }

  private static func field(_ name: String) -> Int {
    guard let text = SmallFile.read("/proc/self/status") else { return 0 }
    for line in text.split(separator: "\n") where line.hasPrefix(name) {
      return line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0
    }
    return 0
  }
}
