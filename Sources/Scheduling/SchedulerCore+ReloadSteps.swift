package import JobModel
internal import Triggers

/// A reload in steps: what differs between two sets of definitions, a few jobs at a time, so that the jobs that run are
/// not held up by a hundred thousand that are new.
extension SchedulerCore {
  /// A part of what differs. Names of `declared` and `removed` are different ones, over all steps of a reload.
  package struct ReloadStep: Sendable {
    /// New jobs, and jobs whose definition is another one.
    package var declared: ArraySlice<JobDefinition>
    /// Jobs that are not declared any more.
    package var removed: ArraySlice<String>
    /// Whether no step follows: then events and `after` are those of the new set.
    package var isLast: Bool

    package init(declared: ArraySlice<JobDefinition>, removed: ArraySlice<String>, isLast: Bool) {
      self.declared = declared
      self.removed = removed
      self.isLast = isLast
    }
  }

  /// Takes one step. What no step names is left alone, and not looked at: O(jobs of the step), with their dynamic
  /// schedules. (With more than a few jobs that listen, the last step makes the tables of listeners anew.)
  package mutating func reload(
    _ step: ReloadStep, at now: ClockReading, into evaluation: inout Evaluation
  ) -> Reconciliation {
    evaluation.now = now
    noticeClock(&evaluation)
    var result = Reconciliation()
    var moved: [JobIndex] = []
    for definition in step.declared { take(definition, &moved, &result, &evaluation) }
    jobs.examined += step.removed.count
    for name in step.removed {
      guard let index = index(of: name), !jobs[index.offset].isOrphaned, jobs[index.offset].dynamic == nil else {
        continue
      }
      orphan(index, &evaluation)
      moved.append(index)
      result.orphaned += 1
    }
    if !moved.isEmpty { followBases(moved, &evaluation) }
    if step.isLast { refreshListeners() }
    return result
  }
}
