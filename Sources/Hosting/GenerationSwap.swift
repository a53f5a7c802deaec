internal import Basics
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading

/// What differs between two generations: the jobs of the scripts that have another version, without those that are the
/// same in both. O(jobs of those scripts). Made on the loader's thread, so that the scheduler's needs not look.
struct GenerationDifference: Sendable {
  /// New jobs and jobs that differ, in the order of their declaration.
  private(set) var declared: [JobDefinition] = []
  private(set) var removed: [String] = []
  /// Whether a job that watches for files is among them.
  private(set) var concernsFiles = false

  init(from former: LoadedGeneration, to generation: LoadedGeneration) {
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
        if job.watch != nil || old?.watch != nil { concernsFiles = true }
      }
    }
    if before.values.contains(where: { $0.watch != nil }) { concernsFiles = true }
    removed = before.keys.sorted()
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
  /// Takes the steps one after the other, each when the one before it is on disk: so the commits that claims wait for
  /// stay short. Blocks until the last one has been taken. Not from inside a tick.
  ///
  /// - Parameters:
  ///   - stored: what is asked for jobs that the scheduler has forgotten, a step at a time.
  ///   - isWanted: asked before each step but the first; the rest is left out when the host ends.
  func reload(
    _ steps: [SchedulerCore.ReloadStep], from stored: StoredJobs, while isWanted: () -> Bool
  ) -> SchedulerCore.Reconciliation {
    var whole = SchedulerCore.Reconciliation()
    for (index, step) in steps.enumerated() where index == 0 || isWanted() {
      let result = ask(recalling: Array(step.declared), from: stored) { core, now, actions in
        core.reload(step, at: now, into: &actions)
      }
      if !step.isLast { awaitDurable() }
      whole.added += result.added
      whole.changed += result.changed
      whole.unchanged += result.unchanged
      whole.orphaned += result.orphaned
    }
    return whole
  }

  /// Waits until what was decided so far is on disk; at most a second, since a store that cannot be written must hold
  /// up the next step for a while, and not for ever.
  private func awaitDurable() {
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
