internal import JobModel
internal import Scheduling
internal import ScriptLoading
internal import Synchronization

/// Who declares which job: the program, or its scripts. The program's own names go first.
///
/// Invariants: a job of a script whose name the program has is not in force, and is in `hidden`; `locations`, while it
/// is there, has every job of the scripts.
///
/// Threading: any thread; `admit` in the tick of the scheduler in which the step is taken.
final class DeclaredJobs: Sendable {
  private struct State: Sendable {
    /// Of the program.
    var nativeJobs: [String: JobDefinition] = [:]
    var scripts: [LoadedScript] = []
    /// Jobs of scripts that the program's of the same name keep from being in force.
    var hidden: [String: JobDefinition] = [:]
    /// Where the scripts' jobs are, by name. Made when somebody asks, and kept up from then on: most programs declare
    /// no job beside 100,000 of scripts, and most hosts are no program.
    var locations: [String: SourceLocation]?
    /// Rises with each change of the scripts' jobs.
    var version = 0

    func indexed() -> [String: SourceLocation] {
      var locations: [String: SourceLocation] = [:]
      for script in scripts {
        for job in script.jobs where locations[job.name] == nil { locations[job.name] = job.source }
      }
      return locations
    }

    mutating func location(of name: String) -> SourceLocation? {
      let known = locations ?? indexed()
      if locations == nil { locations = known }
      return known[name]
    }

    /// Whether a job of a script is in force. - Returns: its namesake otherwise.
    mutating func namesake(of job: JobDefinition) -> JobDefinition? {
      let own = nativeJobs.isEmpty ? nil : nativeJobs[job.name]
      if own != nil { hidden[job.name] = job } else if !hidden.isEmpty { hidden[job.name] = nil }
      return own
    }
  }

  private let state = Mutex(State())
  private let log: any HostLog

  init(log: any HostLog) { self.log = log }

  // MARK: The program's

  func add(_ definitions: [JobDefinition]) {
    state.withLock { state in for definition in definitions { state.nativeJobs[definition.name] = definition } }
  }

  func remove(_ name: String) { state.withLock { $0.nativeJobs[name] = nil } }

  func nativeJob(_ name: String) -> JobDefinition? { state.withLock { $0.nativeJobs[name] } }

  func isNative(_ name: String) -> Bool { nativeJob(name) != nil }

  /// The program's own jobs, by name.
  var all: [JobDefinition] { state.withLock { $0.nativeJobs.values.sorted { $0.name < $1.name } } }

  /// Where a name is declared that is not free. What the program itself has declared is its own to replace, whatever
  /// scripts say.
  func owner(of name: String, replacing: Bool) -> SourceLocation? {
    state.withLock { state in
      if let own = state.nativeJobs[name] { return replacing ? nil : own.source }
      return state.location(of: name)
    }
  }

  /// The circle of `after` that would go through a job of the program.
  func circle(with definition: JobDefinition) -> [String]? {
    if definition.upstreams.isEmpty { return nil }
    return state.withLock { state in
      let scripted = Dictionary(
        state.scripts.lazy.compactMap(\.active).flatMap(\.jobs).filter { !$0.upstreams.isEmpty }
          .map { ($0.name, $0.upstreams) },
        uniquingKeysWith: { first, _ in first })
      return AfterCircle.find(through: definition.name) { name in
        name == definition.name ? definition.upstreams : state.nativeJobs[name]?.upstreams ?? scripted[name] ?? []
      }
    }
  }

  /// Makes the index of the scripts' names, if there is none, without holding up those who ask. O(jobs), once.
  func indexNames() {
    let former = state.withLock { $0 }
    guard former.locations == nil else { return }
    let locations = former.indexed()
    state.withLock { if $0.locations == nil, $0.version == former.version { $0.locations = locations } }
  }

  // MARK: The scripts'

  /// The first generation; nil: there are no scripts. Returns its jobs that are in force.
  func take(_ generation: LoadedGeneration?) -> [JobDefinition] {
    let scripted = generation?.jobs ?? []
    var hidden: [(job: JobDefinition, own: JobDefinition)] = []
    let inForce = state.withLock { state in
      state.scripts = generation?.scripts ?? []
      state.locations = nil
      state.version += 1
      guard !state.nativeJobs.isEmpty else { return scripted }
      return scripted.filter { job in
        guard let own = state.namesake(of: job) else { return true }
        hidden.append((job, own))
        return false
      }
    }
    for (job, own) in hidden { complain(job, own) }
    return inForce
  }

  /// Of a step of a reload what is in force from now on. O(jobs of the step).
  func admit(_ step: SchedulerCore.ReloadStep) -> SchedulerCore.ReloadStep {
    var hidden: [(job: JobDefinition, own: JobDefinition)] = []
    let admitted = state.withLock { state in
      state.version += 1
      if state.locations != nil {
        for name in step.removed { state.locations?[name] = nil }
        for job in step.declared { state.locations?[job.name] = job.source }
      }
      guard !state.nativeJobs.isEmpty || !state.hidden.isEmpty else { return step }
      let declared = step.declared.filter { job in
        guard let own = state.namesake(of: job) else { return true }
        hidden.append((job, own))
        return false
      }
      let removed = step.removed.filter { name in
        state.hidden.removeValue(forKey: name) == nil && state.nativeJobs[name] == nil
      }
      return SchedulerCore.ReloadStep(declared: declared[...], removed: removed[...], isLast: step.isLast)
    }
    for (job, own) in hidden { complain(job, own) }
    return admitted
  }

  /// All steps were taken. On the thread that loads: what the former generation alone had is freed here.
  func adopt(_ generation: LoadedGeneration) {
    let former = state.withLock { state in
      defer { state.scripts = generation.scripts }
      return state.scripts
    }
    withExtendedLifetime(former) {}
  }

  /// Jobs of scripts whose names the program has given up: the next reload puts them in force.
  var released: [JobDefinition] {
    state.withLock { state in
      if state.hidden.isEmpty { return [] }
      return state.hidden.values.filter { state.nativeJobs[$0.name] == nil }.sorted { $0.name < $1.name }
    }
  }

  private func complain(_ job: JobDefinition, _ own: JobDefinition) {
    log.write(
      .error,
      "\(job.source): job \"\(job.name)\" is already declared at \(own.source), which stays; "
        + "give one of them another name")
  }
}
