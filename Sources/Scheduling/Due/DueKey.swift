import Chronology
import JobModel

/// What the jobs in one lane of the due queue have in common, and therefore nobody has to compare.
struct DueKey: Sendable, Equatable {
  /// Index of their store: what is due waits in its own lane while the store cannot be written.
  var store: Int16
  /// −priority, as in `ClaimOrder`.
  var rank: Int32
}

/// A job whose turn it is.
struct DueTurn {
  var job: JobIndex
  var rank: Int32
  /// Nanoseconds since the epoch.
  var due: Int64

  /// Before a run that was accepted: by priority, then by time; a run that is there already comes first among equals.
  func precedes(_ run: ClaimOrder) -> Bool { rank != run.rank ? rank < run.rank : due < run.fireTime }
}

extension SchedulerCore {
  /// The job that is due and whose turn it is, among those whose store can be written. O(lanes), which are few.
  func firstDue(by now: Moment) -> DueTurn? {
    var best: DueTurn?
    for lane in due.indices {
      guard let entry = due.first(in: lane), entry.due <= now.wall.nanoseconds,
        !stores.failed[Int(due.keys[lane].store)]
      else {
        continue
      }
      let rank = due.keys[lane].rank
      if let known = best, (known.rank, known.due, known.job.position) <= (rank, entry.due, entry.job.position) {
        continue
      }
      best = DueTurn(job: entry.job, rank: rank, due: entry.due)
    }
    return best
  }

  /// The lane of a job's store and priority as they are now.
  mutating func lane(of index: JobIndex) -> Int {
    let wanted = DueKey(
      store: jobs[index.offset].store, rank: -Int32(truncatingIfNeeded: jobs[index.offset].entry.definition.priority))
    let known = Int(jobs[index.offset].lane)
    if due.keys[known] == wanted { return known }
    let lane = due.queue(of: wanted)
    jobs[index.offset].lane = Int16(truncatingIfNeeded: lane)
    return lane
  }
}
