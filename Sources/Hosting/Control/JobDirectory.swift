internal import Basics
internal import SchedulerService
internal import Scheduling
internal import Synchronization

/// The names of all jobs in order, with where they are found: read again, some at a time, only after jobs came or went,
/// so that a page of a list costs the scheduler its own length.
///
/// Threading: any thread; blocks while it is read again.
final class JobDirectory: Sendable {
  private let engine: any SchedulerEngine
  private let revision = Atomic(1)
  private let known = Mutex<(revision: Int, slots: [JobSlot])>((0, []))

  init(_ engine: any SchedulerEngine) { self.engine = engine }

  /// Jobs have come or gone. Never blocks.
  func changed() { revision.add(1, ordering: .sequentiallyConsistent) }

  /// All jobs, by name; orphaned ones that are remembered among them.
  var all: [JobSlot] {
    known.withLock { known in
      let revision = revision.load(ordering: .sequentiallyConsistent)
      guard known.revision != revision else { return known.slots }
      var slots: [JobSlot] = []
      var from = 0
      while true {
        let range = from..<from + SchedulerControl.jobsPerTick
        let (found, count) = engine.ask { core, _, _ in (core.jobNames(in: range), core.slotCount) }
        slots += found
        from += SchedulerControl.jobsPerTick
        if from >= count { break }
      }
      slots.sort { $0.name < $1.name }
      known = (revision, slots)
      return slots
    }
  }

  /// The slot of a job; nil: nobody has declared it.
  func slot(of name: String) -> JobSlot? {
    let all = all
    var (low, high) = (0, all.count)
    while low < high {
      let middle = (low + high) / 2
      if all[middle].name < name { low = middle + 1 } else { high = middle }
    }
    return low < all.count && all[low].name == name ? all[low] : nil
  }
}
