import Chronology
package import JobModel

/// What rates know of starts before this life of the host, so that they hold over restarts and crashes.
///
/// The rows of the stores tell it, and where they cannot, the later moment is assumed: a rate may be kept more strictly
/// than it says for one window, and is never broken. The rows have wall-clock times: a clock that was set forward
/// meanwhile makes starts look older than they are.
extension SchedulerCore {
  /// Enters into the rates of the declared jobs what the stores told. O(n log n).
  mutating func recallStarts(at now: ClockReading) {
    defer { restart.starts = [] }
    let interrupted = restart.unfinished.map(\.record).filter { $0.claimedAt != nil }
    // All attempts of a run count at its last one's start: only that is in the row, and the others were earlier.
    for start in (restart.starts + interrupted.compactMap { RecordedStart($0) }).sorted(by: { $0.at < $1.at }) {
      // What is older than every window counts no more, however old its row says that it is.
      let age = max(0, now.wall.nanoseconds(since: start.at))
      guard age <= RateLimit.windows.upperBound else { continue }
      count(start.attempts, of: start.job, at: now.monotonic - age)
    }
    // A claimed run may have started at any time until the host died, once more than its row tells.
    for record in interrupted { count(1, of: record.job, at: now.monotonic) }
  }

  /// Enters into the jobs' own rates when their runs began before they were forgotten. Their groups have not forgotten
  /// it.
  package mutating func recallStarts(_ starts: [RecordedStart], at now: ClockReading) {
    for start in starts.sorted(by: { $0.at < $1.at }) {
      guard let index = index(of: start.job), let queue = jobs[index.offset].limiterQueue else { continue }
      let age = max(0, now.wall.nanoseconds(since: start.at))
      let time = now.monotonic.subtractingReportingOverflow(age).partialValue
      for _ in 0..<start.attempts { limits.queues[queue.offset].starts?.start(at: time) }
      limits.mark(queue: queue)
    }
  }

  private mutating func count(_ starts: Int, of job: String, at time: Int64) {
    guard let index = index(of: job), let queue = jobs[index.offset].limiterQueue else { return }
    let group = limits.queues[queue.offset].group
    limits.queues[queue.offset].starts?.start(starts, at: time)
    limits.groups[group.offset].starts?.start(starts, at: time)
    limits.mark(queue: queue)
    limits.mark(group: group)
  }
}
