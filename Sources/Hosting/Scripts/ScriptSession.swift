internal import Basics
package import Chronology
internal import Executors
package import FileWatching
internal import HostModules
package import JobModel
internal import Lua
package import ScriptLoading
package import ScriptRuntime

/// What everybody who loads scripts has: zones, the Lua host, the loader, the configuration.
///
/// Making one reads nothing but the kind of its paths; `configure` reads the configuration, `load` evaluates the
/// scripts. Starts no threads but the Lua runtime's monitor.
///
/// Threading: one thread at a time; `luaHost` and `live` any.
package final class ScriptSession {
  package let zones: TimeZoneDatabase
  package let systemZone: MachineZone
  package let directory: ScriptDirectory
  /// Where relative paths start that scripts, their grants and their watches name: the directory that holds the
  /// scripts'.
  package let baseDirectory: String
  package let luaHost: LuaHost
  package let loader: ScriptLoader
  /// Last good versions; nil where no state is kept.
  package let archive: ScriptArchive?
  package let log: any HostLog
  /// What depends on the configuration and is asked for by runs; set by `configure`.
  package let live: LiveServices
  package private(set) var configuration = HostConfiguration()
  /// What is no mistake in the configuration, and worth a word.
  private var notes: [ScriptProblem] = []
  private let source: ScriptLocation.Source
  package let allowsAll: Bool
  /// The kinds of stores that a configuration may name.
  private let kinds: StoreKinds
  /// What the configuration's file is called in messages: as it was named.
  private let configurationName: String

  /// - Parameters:
  ///   - log: hears of notes about the configuration.
  ///   - scheduler: what scripts ask the scheduler for.
  ///   - sink: where the lines and the progress of runs go.
  ///   - retryLater, putAside, nativeJobs: see `ScriptLoader`.
  package init(
    _ location: ScriptLocation, log: any HostLog, scheduler: any JobControl & EventHub, sink: any RunOutput,
    luaConfiguration: LuaHostConfiguration = .init(), retryLater: @escaping (ScriptFile) -> Bool = { _ in false },
    putAside: (@Sendable (SlowScript) -> Void)? = nil, nativeJobs: (@Sendable () -> [JobDefinition])? = nil
  ) throws(HostError) {
    guard !location.directory.isEmpty else {
      throw HostError(.usage, "the name of the scripts directory is empty: give one, such as scripts")
    }
    switch FileKind(location.directory) {
    case .directory: break
    case .file: throw HostError(.usage, "\(location.directory) is a file: name the directory that it lies in")
    case .missing:
      throw HostError(
        .usage,
        "there is no directory \(location.directory): make one with `moondial init \(location.directory)`, or name another"
      )
    }
    source = location.source
    kinds = location.kinds
    var file: String?
    if case .file(let path, _) = source { file = path }
    switch file.map(FileKind.init) {
    case .missing?: throw HostError(.usage, "there is no configuration file \(file ?? "")")
    case .directory?:
      throw HostError(.usage, "\(file ?? "") is a directory: name the configuration file in it, such as moondial.lua")
    case .file?, nil: break
    }
    configurationName = file ?? "moondial.lua"
    zones = location.zones
    systemZone = location.systemZone
    directory = ScriptDirectory(location.directory, configuration: file)
    baseDirectory = ScriptSession.parent(of: directory.root)
    self.log = log
    allowsAll = location.allowsAll
    live = LiveServices()
    let live = live
    let services = HostServices(
      wall: SystemWallClock(), monotonic: SystemMonotonicClock(), zones: zones, log: sink,
      keyValues: { live.keyValues(of: $0) }, runKeeper: { live.runKeeper(of: $0) },
      jobs: scheduler, events: scheduler, metrics: MetricRegistry(),
      quotas: { live.quotas }, grants: { live.grants(for: $0) }, environment: location.environment,
      notifyTargets: { live.notifyTargets },
      secrets: Secrets(variables: location.variables, baseDirectory: baseDirectory), baseDirectory: baseDirectory,
      blockingPool: BlockingPool())
    live.use(pool: services.blockingPool)
    let directory = directory
    archive = location.stateDirectory.map { ScriptArchive(in: $0, of: directory.root) }
    do {
      luaHost = try LuaHost(
        services: services, declareModules: DeclareModules.modules, configuration: luaConfiguration)
      loader = try ScriptLoader(
        runtime: luaHost.runtime, zones: zones, systemZone: systemZone.name,
        calendarElsewhere: { directory.calendarElsewhere($0) }, saved: archive, retryLater: retryLater,
        putAside: putAside, nativeJobs: nativeJobs)
    } catch {
      throw HostError("the Lua runtime cannot start: \(error)")
    }
    luaHost.recordLateRequires(in: loader.lateRequires)
  }

  /// Reads the configuration in `snapshot`, with the settings over it. Throws what is wrong with it, all of it.
  package func configure(_ snapshot: DirectorySnapshot) throws(HostError) {
    guard case .file(_, let settings) = source else {
      if case .value(let configuration) = source { try apply(configuration) }
      return
    }
    let result: ConfigurationLoader.Loaded
    do {
      let loader = try ConfigurationLoader(
        runtime: luaHost.runtime, zones: zones, stores: kinds, name: configurationName)
      result = loader.load(file: snapshot.configuration, settings: settings)
    } catch { throw HostError("the configuration cannot be read: \(error)") }
    let problems = result.problems
    notes = problems.filter { $0.severity == .note }
    for problem in notes { log.write(.warn, problem.description) }
    guard let loaded = result.configuration, !problems.contains(where: { $0.severity == .error }) else {
      let errors = problems.filter { $0.severity == .error }
      throw HostError(errors.map { VisibleText.line($0.description) }.joined(separator: "\n"))
    }
    try apply(loaded)
  }

  /// Takes over what a reload may change: zone, grants, job defaults, how much history and how many Lua states are
  /// kept.
  private func apply(_ configuration: HostConfiguration) throws(HostError) {
    if configuration.timeZone == nil, let problem = systemZone.problem {
      throw HostError("\(problem) (moondial takes the zone of the machine, unless timezone is set in moondial.lua)")
    }
    let zone: TimeZoneRules
    let table: GrantTable
    do {
      zone = try zones.zone(named: configuration.timeZone ?? systemZone.name)
      table =
        allowsAll
        ? .all : try GrantTable(configuration.grants, baseDirectory: baseDirectory)
    } catch { throw HostError("\(configurationName): \(error)") }
    self.configuration = configuration
    live.use(grants: table)
    live.use(retention: configuration.storedHistory)
    live.use(quotas: configuration.quotas)
    luaHost.services.secrets.use(configuration.secrets)
    live.use(notifyTargets: configuration.notify)
    live.use(onFailure: configuration.onFailure)
    luaHost.limitKeptStates(bytes: configuration.keptStateBytes)
    luaHost.limitAnswers(bytes: configuration.answerBytes)
    log.use(zone)
    log.use(levels: configuration.logLevels)
  }

  /// Loads the scripts of `snapshot`: what changed, or everything (when something beneath all of them changed).
  package func load(
    _ snapshot: DirectorySnapshot, after previous: LoadedGeneration? = nil, changes: Set<ScriptPath> = [],
    everything: Bool = false, finished: SlowScript? = nil
  ) -> LoadedGeneration {
    let generation = loader.load(
      snapshot, after: previous, configuration: configuration, changes: changes, everything: everything,
      finished: finished)
    // Files that scripts named once are not looked at for ever.
    directory.keepCalendars(only: generation.scripts.reduce(into: []) { $0.formUnion($1.evaluation.calendars) })
    return generation
  }

  /// For those that look once: scans, configures, loads.
  package func loadOnce() throws(HostError) -> LoadedGeneration {
    let snapshot = directory.scan().snapshot
    try configure(snapshot)
    return load(snapshot)
  }

  /// What the configuration does not grant to jobs that watch for files: the host says it when it begins to watch.
  package func watchProblems(of generation: LoadedGeneration) -> [ScriptProblem] {
    FileWatchGrants.problems(of: generation.jobs, base: baseDirectory) { live.grants(for: $0) }
  }

  /// For `check`: like ``loadOnce()``, with what is no mistake and will be trouble all the same.
  ///
  /// - Parameter variables: the names of the environment.
  package func check(variables: some Sequence<String>) throws(HostError) -> (LoadedGeneration, [ScriptProblem]) {
    let snapshot = directory.scan().snapshot
    try configure(snapshot)
    let generation = load(snapshot)
    return (generation, warnings(snapshot, generation, variables))
  }

  private func warnings(
    _ snapshot: DirectorySnapshot, _ generation: LoadedGeneration, _ variables: some Sequence<String>
  ) -> [ScriptProblem] {
    var warnings = notes
    let evaluator = try? ExpressionEvaluator(runtime: luaHost.runtime, zones: zones)
    var fields: [String: [String]?] = [:]
    for file in snapshot.scripts {
      guard case .success(let content) = file.content else { continue }
      let code = CodeCheck(file.path, content.bytes)
      if !configuration.hasAllLibraries {
        warnings += missingFunctions(code, evaluator, &fields)
      }
      warnings += code.missingGrants(
        CodeCheck.Permissions(
          live.grants(for: file.path), searchPath: luaHost.services.environment("PATH"), base: baseDirectory))
    }
    return warnings + configurationWarnings(snapshot, generation, variables) + storeProblems()
  }

  /// Stores that a host would refuse to start with: this version has none of their kind. Nothing is opened that lies
  /// anywhere.
  private func storeProblems() -> [ScriptProblem] {
    configuration.stores.sorted { $0.key < $1.key }.compactMap { name, store in
      guard kinds.location(of: store.address, in: nil) == nil else { return nil }
      do throws(StoreError) {
        try kinds.open(store.address, StoreRequest(.reader)).close()
        return nil
      } catch {
        guard error.code == .unsupported else { return nil }
        return ScriptProblem(
          .error, at: SourceLocation(file: configurationName, line: 0), "stores.\(name): \(error.message)")
      }
    }
  }

  private func missingFunctions(
    _ code: CodeCheck, _ evaluator: ExpressionEvaluator?, _ fields: inout [String: [String]?]
  ) -> [ScriptProblem] {
    code.missingFunctions { name in
      if let known = fields[name] { return known }
      let found = evaluator?.fields(of: name)
      fields[name] = .some(found)
      return found
    }
  }

  private func configurationWarnings(
    _ snapshot: DirectorySnapshot, _ generation: LoadedGeneration, _ variables: some Sequence<String>
  ) -> [ScriptProblem] {
    let file = configurationName
    var warnings: [ScriptProblem] = []
    func warn(_ message: String) {
      warnings.append(ScriptProblem(.note, at: SourceLocation(file: file, line: 0), message))
    }
    func hint(_ name: String, _ names: [String]) -> String {
      Spelling.closest(to: name, among: names, limit: 1).first.map { "; did you mean \"\($0)\"?" } ?? ""
    }
    for test in snapshot.tests {
      guard case .success(let content) = test.content, CodeCheck(test.path, content.bytes).declaresJobs else {
        continue
      }
      warnings.append(
        ScriptProblem(
          .note, at: SourceLocation(file: test.path.text, line: 0),
          "a name that ends in _test.lua is a test's: no host loads it, `moondial test` does; rename it if it declares jobs"
        ))
    }
    let scripts = snapshot.scripts.map(\.path)
    if !allowsAll, let table = try? GrantTable(configuration.grants, baseDirectory: baseDirectory) {
      for pattern in table.unused(by: scripts) {
        warn("grants[\"\(pattern)\"] matches no script\(hint(pattern, scripts.map(\.text)))")
      }
    }
    // A script with errors may declare any job.
    if generation.errors.isEmpty {
      let names = generation.jobs.map(\.name)
      for name in configuration.retention.jobs.keys.sorted() where !names.contains(name) {
        warn("retention.jobs[\"\(name)\"]: there is no job of that name\(hint(name, names))")
      }
    }
    for (name, near) in ConfigurationSetting.unknown(inEnvironment: variables) {
      warnings.append(
        ScriptProblem(
          .note, at: SourceLocation(file: "environment", line: 0),
          "there is no setting \(name)\(near.map { "; did you mean \($0)?" } ?? "")"))
    }
    return warnings
  }

  private static func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/"), slash != path.startIndex else { return "/" }
    return String(path[..<slash])
  }
}
