import Chronology
import JobModel

extension SchedulerCore {
  /// The job that is due and whose turn it is, among those whose store can be written. O(queues), which are few.
  func firstDue(by now: ClockReading) -> DueJob? {
    var best: DueJob?
    for queue in due.indices {
      guard let entry = due.first(in: queue), entry.due <= now.wall.nanoseconds,
        !stores.failed[Int(due.keys[queue].store)]
      else {
        continue
      }
      let rank = due.keys[queue].rank
      if let known = best, (known.rank, known.due, known.job.position) <= (rank, entry.due, entry.job.position) {
        continue
      }
      best = DueJob(job: entry.job, rank: rank, due: entry.due)
    }
    return best
  }

  /// The queue of a job's store and priority as they are now.
  mutating func dueQueue(of index: JobIndex) -> Int {
    // Wraps: a priority that nobody checked gives an absurd rank, and ends nothing.
    let wanted = DueKey(
      store: jobs[index.offset].store,
      rank: 0 &- Int32(truncatingIfNeeded: jobs[index.offset].entry.definition.priority))
    let known = Int(jobs[index.offset].dueQueue)
    if due.keys[known] == wanted { return known }
    let queue = due.queue(of: wanted)
    jobs[index.offset].dueQueue = Int16(truncatingIfNeeded: queue)
    return queue
  }
}
