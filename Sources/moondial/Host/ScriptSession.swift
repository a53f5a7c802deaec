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

/// What every command that loads scripts has: zones, the Lua host, the loader, the configuration.
///
/// Making one reads `moondial.lua` and nothing else; `load` evaluates the scripts. Starts no threads but the Lua runtime's monitor.
final class ScriptSession {
  let zones: TimeZoneDatabase
  let systemZone: String
  let directory: ScriptDirectory
  let settings: [ConfigurationSetting]
  let luaHost: LuaHost
  let loader: ScriptLoader
  let log: LogRenderer
  /// What depends on the configuration and is asked for by runs; set by `configure`.
  let live: LiveServices
  private(set) var configuration = HostConfiguration()
  private let allowAll: Bool

  init(
    _ path: String, _ options: SettingOptions, log: LogRenderer, bridge: (any JobControl & EventHub)? = nil,
    sink: any LogSink, luaConfiguration: LuaHostConfiguration = .init(), retryLater: @escaping (ScriptFile) -> Bool = { _ in false }
  ) throws {
    switch FileKind(path) {
    case .directory: break
    case .file: throw CommandFailure(.usage, "\(path) is a file: name the directory that it lies in")
    case .missing:
      throw CommandFailure(.usage, "there is no directory \(path): make one with `moondial init \(path)`, or name another")
    }
    if let config = options.config, case .missing = FileKind(config) {
      throw CommandFailure(.usage, "there is no configuration file \(config)")
    }
    settings = try options.configurationSettings()
    zones = Environment["TZDIR"].map { TimeZoneDatabase(directory: $0) } ?? TimeZoneDatabase()
    systemZone = Environment["TZ"].flatMap { $0.isEmpty ? nil : $0 } ?? TimeZoneDatabase.systemZoneName() ?? "UTC"
    directory = ScriptDirectory(path, configuration: options.config)
    self.log = log
    allowAll = options.allowAll
    live = LiveServices(zones: zones)
    var services = HostServices()
    services.zones = zones
    services.log = sink
    if let bridge {
      services.jobs = bridge
      services.events = bridge
    }
    let live = live
    services.keyValues = { live.keyValues(of: $0) }
    services.grants = { live.grants(for: $0) }
    services.environment = { Environment[$0] }
    services.baseDirectory = ScriptSession.parent(of: directory.root)
    do {
      luaHost = try LuaHost(
        services: services, declareModules: DeclareModules.modules, configuration: luaConfiguration)
      loader = try ScriptLoader(
        runtime: luaHost.runtime, zones: zones, systemZone: systemZone, retryLater: retryLater)
    } catch {
      throw CommandFailure("the Lua runtime cannot start: \(error)")
    }
  }

  /// Reads the configuration in `snapshot`, with environment and flags over it. Throws what is wrong with it, all of it.
  func configure(_ snapshot: DirectorySnapshot) throws {
    let result: ConfigurationLoader.Loaded
    do {
      let loader = try ConfigurationLoader(runtime: luaHost.runtime, zones: zones)
      result = loader.load(file: snapshot.configuration, settings: settings)
    } catch { throw CommandFailure("the configuration cannot be read: \(error)") }
    let problems = result.problems
    for problem in problems where problem.severity == .note { log.write(.warn, problem.description) }
    guard let loaded = result.configuration, !problems.contains(where: { $0.severity == .error }) else {
      throw CommandFailure(problems.filter { $0.severity == .error }.map(\.description).joined(separator: "\n"))
    }
    try apply(loaded)
  }

  /// Takes over what a reload may change: zone, grants, job defaults.
  func apply(_ configuration: HostConfiguration) throws {
    let zone: TimeZoneRules
    let table: GrantTable
    do {
      zone = try zones.zone(named: configuration.timeZone ?? systemZone)
      table =
        allowAll
        ? .all : try GrantTable(configuration.grants, baseDirectory: ScriptSession.parent(of: directory.root))
    } catch { throw CommandFailure("moondial.lua: \(error)") }
    self.configuration = configuration
    live.use(grants: table)
    log.use(zone)
  }

  /// Loads the scripts of `snapshot`: what changed, or everything (when something beneath all of them changed).
  func load(
    _ snapshot: DirectorySnapshot, after previous: LoadedGeneration? = nil, changes: Set<ScriptPath> = [],
    everything: Bool = false
  ) -> LoadedGeneration {
    loader.load(snapshot, after: previous, configuration: configuration, changes: changes, everything: everything)
  }

  /// For commands that look once: scans, configures, loads.
  func loadOnce() throws -> LoadedGeneration {
    let snapshot = directory.scan().snapshot
    try configure(snapshot)
    return load(snapshot)
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }
}

/// What runs ask for and a reload may exchange. Any thread.
final class LiveServices: Sendable {
  private struct State: Sendable {
    var grants: GrantTable?
    var stores: [String: any JobStore] = [:]
  }

  private let state = Mutex(State())

  init(zones: TimeZoneDatabase) {}

  func use(grants: GrantTable) { state.withLock { $0.grants = grants } }
  func use(stores: [(name: String, store: any JobStore)]) {
    state.withLock { $0.stores = Dictionary(stores.map { ($0.name, $0.store) }, uniquingKeysWith: { first, _ in first }) }
  }

  func grants(for script: ScriptPath) -> Grants { state.withLock { $0.grants }?.grants(for: script) ?? .none }

  func keyValues(of job: JobDefinition) -> (any KeyValueStore)? {
    state.withLock { $0.stores[job.store] ?? $0.stores["default"] }?.keyValues
  }
}
