internal import Basics
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading

/// Puts generations in force while the scheduler runs: it hands over what differs, so that an edit of one script costs
/// the scheduler's thread the jobs that it changes, however many others there are.
///
/// Threading: `put` on the thread that loads, one generation at a time.
struct GenerationSwap: Sendable {
  let engine: any SchedulerEngine
  let declared: DeclaredJobs
  let stored: StoredJobs
  let files: FileFollower
  let intents: PendingIntents
  /// Asked before each step but the first: the rest is left out when the host ends.
  let isWanted: @Sendable () -> Bool

  /// Blocks until `generation` is in force.
  func put(_ generation: LoadedGeneration, after former: LoadedGeneration) -> SchedulerCore.Reconciliation {
    let difference = GenerationDifference(from: former, to: generation, releasing: declared.released)
    let groups = generation.configuration.groups
    if groups != former.configuration.groups { engine.ask { core, _, _ in core.setGroups(groups) } }
    if generation.configuration.logsRuns, !former.configuration.logsRuns {
      engine.ask { core, _, _ in core.configuration.publishesRuns = true }
    }
    let result = take(difference.steps, completingStart: generation.loading.isEmpty)
    if generation.loading.isEmpty { intents.carryOut() }
    declared.adopt(generation)
    files.reviewGrants()
    return result
  }

  /// Takes the steps one after the other, each when the one before it is on disk: so the commits that claims wait for
  /// stay short.
  ///
  /// - Parameter isWhole: whether no script is still loading: then the scheduler's start is over, if it was not.
  private func take(_ steps: [SchedulerCore.ReloadStep], completingStart isWhole: Bool) -> SchedulerCore.Reconciliation
  {
    var whole = SchedulerCore.Reconciliation()
    for (index, step) in steps.enumerated() where index == 0 || isWanted() {
      let result = engine.ask(recalling: Array(step.declared), from: stored) { [declared, files] core, now, actions in
        let inForce = declared.admit(step)
        let result = core.reload(inForce, at: now, into: &actions)
        if step.isLast, isWhole { core.completeStart(at: now, into: &actions) }
        // Only now: the scheduler takes files for jobs that it knows.
        files.follow(inForce)
        return result
      }
      if !step.isLast { engine.awaitDurable() }
      whole.added += result.added
      whole.changed += result.changed
      whole.unchanged += result.unchanged
      whole.orphaned += result.orphaned
    }
    return whole
  }
}

/// What differs between two generations: the jobs of the scripts that have another version, without those that are the
/// same in both. O(jobs of those scripts). Made on the loader's thread, so that the scheduler's needs not look.
struct GenerationDifference: Sendable {
  /// New jobs and jobs that differ, in the order of their declaration.
  private(set) var declared: [JobDefinition] = []
  private(set) var removed: [String] = []

  /// - Parameter released: jobs of `former` that were not in force; they come in if `generation` still has them.
  init(from former: LoadedGeneration, to generation: LoadedGeneration, releasing released: [JobDefinition] = []) {
    let formerVersions = Set(former.scripts.compactMap { $0.active.map(ObjectIdentifier.init) })
    let versions = Set(generation.scripts.compactMap { $0.active.map(ObjectIdentifier.init) })
    var before: [String: JobDefinition] = [:]
    for version in former.scripts.compactMap(\.active) where !versions.contains(ObjectIdentifier(version)) {
      for job in version.jobs { before[job.name] = job }
    }
    for version in generation.scripts.compactMap(\.active) where !formerVersions.contains(ObjectIdentifier(version)) {
      for job in version.jobs {
        let old = before.removeValue(forKey: job.name)
        if let old, old.source == job.source, old.hasSameOptions(as: job), old.payload === job.payload { continue }
        declared.append(job)
      }
    }
    removed = before.keys.sorted()
    guard !released.isEmpty else { return }
    let known = Set(declared.map(\.name)).union(removed)
    declared += released.filter { !known.contains($0.name) }
  }

  /// The most jobs of a step. A step takes some milliseconds of the scheduler's thread, and its rows as long a commit;
  /// what is less than one is swapped in as one.
  static let step = 500

  /// In steps of at most ``step`` jobs; at least one.
  var steps: [SchedulerCore.ReloadStep] {
    var steps: [SchedulerCore.ReloadStep] = []
    var (next, nextRemoved) = (0, 0)
    repeat {
      let end = min(next + GenerationDifference.step, declared.count)
      let room = GenerationDifference.step - (end - next)
      let endRemoved = min(nextRemoved + room, removed.count)
      let isLast = end == declared.count && endRemoved == removed.count
      steps.append(
        SchedulerCore.ReloadStep(
          declared: declared[next..<end], removed: removed[nextRemoved..<endRemoved], isLast: isLast))
      (next, nextRemoved) = (end, endRemoved)
    } while !(steps.last?.isLast ?? true)
    return steps
  }
}

extension SchedulerEngine {
  /// Waits until what was decided so far is on disk; at most a second, since a store that cannot be written must hold
  /// up the next step for a while, and not for ever.
  fileprivate func awaitDurable() {
    let isDurable = Monitor(false)
    post(
      whenDurable: { _ in
        isDurable.withLock { $0 = true }
        isDurable.broadcast()
      },
      { _, _, _ in })
    _ = isDurable.wait(until: monotonicNow() + 1_000_000_000) { $0 ? true : nil }
  }
}
