import Chronology
import JobModel

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
