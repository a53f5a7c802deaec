internal import Basics
internal import JobModel

/// One job's schedule, and the ends of its histories. A class, so that a change is not a copy out of the dictionary and
/// back.
///
/// Most jobs of a host with very many have not run yet: what only a run or a decision brings is made with the first of
/// them.
///
/// Owned by the lock of its store.
final class JobMemory {
  let name: String
  var schedule: ScheduleRecord?
  // Not checked for exclusive access, here and below (70 instructions, four times a run): the lock of the store is the
  // proof, and no access calls anything that leads back here.
  @exclusivity(unchecked) private var present: History?
  /// nil: nothing has become of the job so far.
  var known: History? { unsafe present }

  init(_ name: String) { self.name = name }

  var history: History {
    if let known { return known }
    let made = History()
    unsafe present = made
    return made
  }

  /// What has become of a job: runs and decisions, the newest of each.
  final class History {
    @exclusivity(unchecked) private var kept = KeptRuns()
    var decisions = Ring<(sequence: Int64, range: DecisionRange)>(capacity: MemoryStore.rangesPerJob)
    var files: [String: FileMark] = [:]

    var runs: Ring<RunRecord> { unsafe kept.ring }

    /// Replaces the run of that id, or adds it.
    func put(_ run: RunRecord) { unsafe kept.put(run) }

    /// Forgets a run. False when it is not here.
    func drop(_ id: RunID) -> Bool { unsafe kept.drop(id) }
  }

  /// The newest runs of a job: one value, so that a change of it is one access to its object.
  private struct KeptRuns {
    private(set) var ring = Ring<RunRecord>(capacity: MemoryStore.runsPerJob)
    private var highestID = RunID(0)

    /// A run that changes is almost always the newest or close to it, so looking for it from the newest end is quicker
    /// than keeping an index.
    mutating func put(_ run: RunRecord) {
      if run.id > highestID {
        highestID = run.id
      } else if let slot = ring.newestSlot(where: { $0.id == run.id }) {
        ring[slot] = run
        return
      }
      ring.append(run)
    }

    mutating func drop(_ id: RunID) -> Bool {
      guard let slot = ring.newestSlot(where: { $0.id == id }) else { return false }
      ring.remove(slot: slot)
      return true
    }
  }
}
