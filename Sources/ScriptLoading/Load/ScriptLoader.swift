package import Chronology
package import FileWatching
package import JobModel
package import Lua
package import ScriptRuntime
internal import Synchronization
internal import Triggers

/// Turns snapshots of a scripts directory into generations: evaluates what changed, keeps the rest, and puts consistent
/// versions in force.
///
///     let loader = try ScriptLoader(runtime: host.runtime, zones: zones, retryLater: watcher.retryLater)
///     var generation = loader.load(watcher.start(), configuration: configuration)
///     // later, on the watcher's thread:
///     generation = loader.load(
///       change.snapshot, after: generation, configuration: configuration, changes: change.changes)
///
/// Never throws: what is wrong with a script is a problem of the generation, and the script keeps its last good
/// version. One thread at a time, but for `cancel`; evaluating takes as long as the scripts do, at most the runtime's
/// budget for each. With `putAside`, a script that takes longer than ``LoadTiming/quick`` keeps its last version until
/// it has been evaluated elsewhere.
package final class ScriptLoader {
  private let runtime: LuaRuntime
  private let zones: TimeZoneDatabase
  private let clock: any WallClock
  private let systemZone: String
  private let calendarElsewhere: @Sendable (String) -> ScriptFile?
  private let retryLater: (ScriptFile) -> Bool
  private let evaluator: ScriptEvaluator
  /// Evaluates what was put aside, on another thread.
  private let slowEvaluator: ScriptEvaluator?
  private let putAside: (@Sendable (SlowScript) -> Void)?
  private let timing: LoadTiming
  /// The scripts that are evaluated aside.
  private var slow: [ScriptPath: SlowScript] = [:]
  private let isCancelled = Atomic(false)
  /// What each script may declare, from the next load on; nil: what the configuration says.
  package var quota: DeclareQuota?
  /// By script, for as long as there is one.
  private var declaredGlobals: [ScriptPath: DeclaredGlobals] = [:]
  private let saved: (any SavedScripts)?
  private let nativeJobs: (@Sendable () -> [JobDefinition])?
  /// Where runs tell which modules they asked for that loading their script did not.
  package let lateRequires = LateRequires()

  /// - Parameter systemZone: the zone of jobs when neither they, their script nor the configuration name one.
  /// - Parameter calendarElsewhere: reads a calendar file by its absolute path; see
  ///   ``ScriptDirectory/calendarElsewhere(_:)``.
  /// - Parameter retryLater: asked about a file that looks half-written (empty, a script with a syntax error at its
  ///   end, a calendar without one): `true` when the file will be delivered again, and nothing is said about it until
  ///   then.
  /// - Parameter saved: versions that an earlier host loaded, for scripts that cannot be loaded any more.
  /// - Parameter putAside: given each script that takes too long for the others to wait; whoever takes it calls
  ///   `evaluate`, and `load` with it as `finished`. nil: every script is waited for.
  /// - Parameter nativeJobs: the jobs of the program that hosts the scripts; nil: no program does.
  package init(
    runtime: LuaRuntime, zones: TimeZoneDatabase, clock: any WallClock = SystemWallClock(), systemZone: String = "UTC",
    calendarElsewhere: @escaping @Sendable (String) -> ScriptFile? = { _ in nil },
    saved: (any SavedScripts)? = nil, retryLater: @escaping (ScriptFile) -> Bool = { _ in false },
    timing: LoadTiming = LoadTiming(), putAside: (@Sendable (SlowScript) -> Void)? = nil,
    nativeJobs: (@Sendable () -> [JobDefinition])? = nil
  ) throws(LuaError) {
    self.nativeJobs = nativeJobs
    self.runtime = runtime
    self.zones = zones
    self.clock = clock
    self.systemZone = systemZone
    self.calendarElsewhere = calendarElsewhere
    self.retryLater = retryLater
    self.timing = timing
    self.putAside = putAside
    self.saved = saved
    evaluator = try ScriptEvaluator(runtime: runtime)
    slowEvaluator = putAside == nil ? nil : try ScriptEvaluator(runtime: runtime)
  }

  /// Ends the load that goes on, and makes every later one end at once: the scripts that it did not come to keep their
  /// versions. For the end of a host. Any thread.
  package func cancel() {
    isCancelled.store(true, ordering: .sequentiallyConsistent)
    evaluator.end()
    slowEvaluator?.end()
  }

  /// The generation of `snapshot`.
  ///
  /// Evaluated are scripts that are new or differ from the snapshot of `previous`, those that asked for a module or a
  /// calendar that does, and those that `changes` names; all of them when `previous` is `nil`, when `configuration`
  /// changes what scripts declare, or when `everything` is set (after an update of the time zone files).
  ///
  /// - Parameter finished: a script that was put aside and has been evaluated. It counts unless something that it
  ///   depends on has changed meanwhile.
  package func load(
    _ snapshot: DirectorySnapshot, after previous: LoadedGeneration? = nil, configuration: HostConfiguration = .init(),
    changes: Set<ScriptPath> = [], everything: Bool = false, finished: SlowScript? = nil
  ) -> LoadedGeneration {
    var kept: [ScriptPath: LoadedScript] = [:]
    for script in previous?.scripts ?? [] { kept[script.path] = script }
    var plan = Plan(snapshot, previous, configuration, changes, everything: everything)
    let library = plan.librarySurvives ? previous?.library : nil
    let makeEnvironment = { [self, calendarElsewhere] in
      environment(configuration, CalendarLibrary(snapshot, elsewhere: calendarElsewhere))
    }
    let conditions = Conditions(
      environment: makeEnvironment(), makeEnvironment: makeEnvironment,
      library: library ?? ModuleLibrary(snapshot),
      lateRequires: lateRequires.recorded, timeout: configuration.quotas.loadTimeout)
    for (path, modules) in conditions.lateRequires where kept[path] != nil {
      for module in modules { plan.requires.add(path, asksFor: module) }
    }
    var affected = plan.affected()
    // What a script requires is known when it has been evaluated.
    if plan.changesWhatScriptsRead { affected.formUnion(slow.keys) }
    var evaluations: [Evaluated] = []
    var pending: Set<ScriptPath> = []
    var lost: Int64 = 0
    let hidden = saved?.hidden(by: snapshot) ?? []
    let scripts = hidden.isEmpty ? snapshot.scripts : (snapshot.scripts + hidden).sorted { $0.path < $1.path }
    for file in scripts {
      let old = kept[file.path]
      guard let outcome = outcome(of: file, old, affected.contains(file.path), conditions, finished, &lost) else {
        if let old { evaluations.append((old.evaluation, old.active)) }
        continue
      }
      if let unfinished = outcome.unfinished, let source = snapshot[unfinished], retryLater(source) {
        pending.insert(file.path)
        if let old {
          evaluations.append((old.evaluation, old.active))
        } else if let former = restored(file.path, configuration) {
          evaluations.append((ScriptEvaluation(path: file.path, version: nil, problems: []), former))
        }
        continue
      }
      plan.requires.record(file.path, asksFor: outcome.evaluation.modules)
      for module in conditions.lateRequires[file.path] ?? [] { plan.requires.add(file.path, asksFor: module) }
      evaluations.append((outcome.evaluation, old?.active ?? formerly(outcome.evaluation, configuration)))
    }
    let present = Set(scripts.map(\.path))
    for (path, script) in slow where !present.contains(path) {
      script.cancel()
      slow[path] = nil
    }
    for path in kept.keys where !present.contains(path) { plan.requires.remove(path) }
    lateRequires.keep(only: present)
    declaredGlobals = declaredGlobals.filter { present.contains($0.key) }

    if !affected.isEmpty { runtime.releaseSpareMemory() }

    let loading = Set(slow.keys)
    let mostJobs = configuration.quotas.jobs
    let nativeJobs = nativeJobs.map { jobs in
      Dictionary(jobs().map { ($0.name, $0.upstreams) }, uniquingKeysWith: { first, _ in first })
    }
    var assembly = GenerationAssembly(
      evaluations, isWhole: loading.isEmpty, mostJobs: mostJobs, nativeJobs: nativeJobs)
    var choices = assembly.resolve()
    if restoreWhatLost(&evaluations, choices.map(\.active), configuration) {
      assembly = GenerationAssembly(
        evaluations, isWhole: loading.isEmpty, mostJobs: mostJobs, nativeJobs: nativeJobs)
      choices = assembly.resolve()
    }
    let loaded = zip(evaluations, choices).map { evaluated, choice in
      LoadedScript(evaluation: evaluated.evaluation, active: choice.active, conflicts: choice.conflicts)
    }
    return LoadedGeneration(
      number: plan.number(of: loaded), snapshot: snapshot, library: conditions.library, configuration: configuration,
      scripts: loaded, requires: plan.requires, pending: pending, loading: loading)
  }

  /// What came of evaluating a script now; nil when it stays as it was: it need not be evaluated, or it takes long.
  ///
  /// - Parameter lost: nanoseconds that scripts of this load have taken in vain.
  private func outcome(
    of file: ScriptFile, _ old: LoadedScript?, _ isAffected: Bool, _ conditions: Conditions, _ finished: SlowScript?,
    _ lost: inout Int64
  ) -> ScriptEvaluator.Outcome? {
    if isCancelled.load(ordering: .sequentiallyConsistent) { return nil }
    if let script = slow[file.path] {
      guard isAffected || script === finished else { return nil }
      slow[file.path] = nil
      if !isAffected, let outcome = script.outcome { return outcome }
      script.cancel()
    } else if old != nil, !isAffected {
      return nil
    }
    let whole = conditions.timeout
    guard let putAside, let slowEvaluator else {
      return evaluator.evaluate(
        file, conditions.of(file, former: old?.active, declared(by: file.path)), within: WorkDeadline(loading: whole))
    }
    let quick = min(lost < timing.patience ? timing.quick : timing.hurried, whole)
    let deadline = WorkDeadline(loading: quick)
    let outcome = evaluator.evaluate(
      file, conditions.of(file, former: old?.active, declared(by: file.path)), within: deadline)
    guard outcome.isOverrun, quick < whole else { return outcome }
    if isCancelled.load(ordering: .sequentiallyConsistent) { return nil }
    lost += quick
    let script = SlowScript(
      file, taken: quick, allowed: whole, evaluator: slowEvaluator,
      conditions: conditions.elsewhere(file, former: old?.active, declared(by: file.path)))
    slow[file.path] = script
    putAside(script)
    return nil
  }

  private struct Conditions {
    let environment: DeclareEnvironment
    let makeEnvironment: () -> DeclareEnvironment
    let library: ModuleLibrary
    let lateRequires: [ScriptPath: Set<String>]
    /// Nanoseconds that each script may take.
    let timeout: Int64

    /// For a script that another thread evaluates: what scripts share while they load is one thread's.
    func elsewhere(
      _ file: ScriptFile, former: ScriptVersion?, _ declared: DeclaredGlobals
    ) -> ScriptEvaluator.Conditions {
      ScriptEvaluator.Conditions(
        environment: makeEnvironment(), library: library, lateModules: lateRequires[file.path] ?? [],
        declared: declared, source: try? file.content.get().bytes, former: former)
    }

    func of(
      _ file: ScriptFile, former: ScriptVersion?, _ declared: DeclaredGlobals
    ) -> ScriptEvaluator.Conditions {
      ScriptEvaluator.Conditions(
        environment: environment, library: library, lateModules: lateRequires[file.path] ?? [], declared: declared,
        source: try? file.content.get().bytes, former: former)
    }
  }

  private func declared(by path: ScriptPath) -> DeclaredGlobals {
    if let known = declaredGlobals[path] { return known }
    let new = DeclaredGlobals()
    declaredGlobals[path] = new
    return new
  }

  private func environment(_ configuration: HostConfiguration, _ calendars: CalendarLibrary) -> DeclareEnvironment {
    // The configuration's zone was checked when it was read; a zone file that has gone since must not stop the host.
    let zone = (try? zones.zone(named: configuration.timeZone ?? systemZone)) ?? .utc
    return DeclareEnvironment(
      zones: zones, zone: zone, executors: Array(configuration.executors.keys),
      stores: Array(configuration.stores.keys),
      groups: Array(configuration.groups.keys), hostDefaults: configuration.jobDefaults, calendars: calendars,
      quotas: configuration.quotas, now: clock.now, quota: quota, processExecutors: configuration.processExecutors,
      hasAllLibraries: configuration.hasAllLibraries, labels: configuration.node.labels,
      placingStores: Set(configuration.stores.filter(\.value.hasMembers).keys))
  }
}

/// Versions from before the host started.
extension ScriptLoader {
  private typealias Evaluated = (evaluation: ScriptEvaluation, former: ScriptVersion?)

  /// What was in force when the last host ended, of a script that this one has no version of.
  private func formerly(_ evaluation: ScriptEvaluation, _ configuration: HostConfiguration) -> ScriptVersion? {
    guard let content = saved?.content(of: evaluation.path) else { return nil }
    guard let version = evaluation.version else { return restored(evaluation.path, configuration) }
    // The same bytes: its names were its own before, and stay so.
    return version.content == content ? version : nil
  }

  /// A good version that cannot stay beside the others was edited since: the one before may. Answers whether there is
  /// one.
  private func restoreWhatLost(
    _ evaluations: inout [Evaluated], _ active: [ScriptVersion?], _ configuration: HostConfiguration
  ) -> Bool {
    var isAny = false
    for index in evaluations.indices where active[index] == nil && evaluations[index].former == nil {
      guard evaluations[index].evaluation.version != nil,
        let version = restored(evaluations[index].evaluation.path, configuration)
      else { continue }
      evaluations[index].former = version
      isAny = true
    }
    return isAny
  }

  /// Evaluates the saved version with the modules and calendars that it had.
  private func restored(_ path: ScriptPath, _ configuration: HostConfiguration) -> ScriptVersion? {
    guard let script = saved?.script(at: path) else { return nil }
    let environment = environment(configuration, CalendarLibrary(script.environment))
    let outcome = evaluator.evaluate(
      script.file,
      ScriptEvaluator.Conditions(
        environment: environment, library: script.library, lateModules: [], declared: declared(by: path),
        source: try? script.file.content.get().bytes, former: nil),
      within: WorkDeadline(loading: configuration.quotas.loadTimeout))
    let at = script.savedAt.advanced(byNanoseconds: -(script.savedAt.subsecondNanoseconds))
    // The configuration may have changed so that it cannot be loaded either.
    return outcome.evaluation.version.map {
      ScriptVersion(jobs: $0.jobs, content: $0.content, savedAt: ISO8601.format(at, in: environment.zone))
    }
  }
}

extension ScriptLoader {
  /// What a load must look at again.
  private struct Plan {
    private let snapshot: DirectorySnapshot
    private let previous: LoadedGeneration?
    private let changes: Set<ScriptPath>
    private let everything: Bool
    var requires: RequireGraph

    init(
      _ snapshot: DirectorySnapshot, _ previous: LoadedGeneration?, _ configuration: HostConfiguration,
      _ changes: Set<ScriptPath>, everything: Bool
    ) {
      self.snapshot = snapshot
      self.previous = previous
      guard let previous else {
        self.everything = true
        self.changes = changes
        requires = RequireGraph()
        return
      }
      self.everything = everything || !configuration.declaresTheSame(as: previous.configuration)
      self.changes = changes.union(snapshot.changes(since: previous.snapshot)).union(previous.pending)
      requires = previous.requires
    }

    /// Whether no module differs, so that the former library, which jobs already hold, serves on.
    var librarySurvives: Bool { previous != nil && !changes.contains { $0.isInLibrary } }

    /// Whether anything differs that scripts read while they load.
    var changesWhatScriptsRead: Bool {
      everything || changes.contains { $0.isInLibrary || $0.text.hasSuffix(".ics") }
    }

    /// The scripts to evaluate. A new script is always among them: it has no evaluation to keep.
    func affected() -> Set<ScriptPath> {
      if everything { return Set(snapshot.scripts.map(\.path)) }
      let readers = previous?.scripts.filter { !$0.evaluation.calendars.isDisjoint(with: changes) } ?? []
      return requires.scripts(affectedBy: changes).union(changes).union(readers.map(\.path))
    }

    /// Rises when any version in force is another one, so that it counts swaps and not scans.
    func number(of scripts: [LoadedScript]) -> Generation {
      guard let previous else { return Generation(1) }
      let before = previous.scripts.compactMap { script in script.active.map { (script.path, ObjectIdentifier($0)) } }
      let after = scripts.compactMap { script in script.active.map { (script.path, ObjectIdentifier($0)) } }
      return before.elementsEqual(after, by: ==) ? previous.number : Generation(previous.number.number + 1)
    }
  }
}
