import Chronology
import JobModel
import Triggers

/// What runs because the host started: `run_at_start`, `@reboot`.
extension SchedulerCore {
  /// One run because of the start. Fire times that were missed before it are coalesced with it, as with one another: a
  /// job that says hello every 5 s says it once after a night, and is not told that it runs already.
  mutating func runAtStart(_ index: JobIndex, _ evaluation: inout Evaluation) {
    let offset = index.offset
    guard !jobs[offset].isOrphaned, !isPaused(offset), jobs[offset].definition.enabled else { return }
    guard jobs[offset].definition.runAtStart || jobs[offset].trigger?.firesAtStart == true else { return }
    var missed = missedBeforeStart(index, at: evaluation.now)
    if missed?.rest != nil, jobs[offset].definition.coalesce == .earliest || jobs[offset].hasReachedLimit {
      let next = host.nextRun
      fire(index, &evaluation)
      // The run for the earliest of them is the one.
      if host.nextRun != next { return }
      // All of them are decided.
      missed = nil
    }
    let run = accept(
      index, cause: .startup, at: evaluation.now.wall, missed: missed?.rest?.count ?? 0, &evaluation)
    // Without it each of them gets its own decision when its turn comes.
    guard let run, let missed else { return }
    move(index, past: missed.end, to: missed.next)
    if let late = missed.tooLate { record(.misfired, nil, late, of: index, &evaluation) }
    if let rest = missed.rest {
      // The run is theirs as well: one fire.
      jobs[offset].countFire()
      record(.coalesced, nil, rest, of: index, run: run, &evaluation)
    }
    noteEnd(index, &evaluation)
    arm(index)
  }

  /// Fire times that are due at a start, of a job that coalesces them.
  private struct MissedFires {
    /// The last of them.
    var end: Instant
    var next: NextFire
    /// Those that are due for longer than the job's grace.
    var tooLate: DueSpan?
    var rest: DueSpan?
  }

  private func missedBeforeStart(_ index: JobIndex, at now: ClockReading) -> MissedFires? {
    let offset = index.offset
    guard jobs[offset].definition.coalesce != .all, let trigger = jobs[offset].trigger,
      let first = jobs[offset].nextFire, jobs[offset].registeredAt < now.wall, first < now.wall,
      due(first, of: offset) <= now.wall.nanoseconds
    else { return nil }
    func span(_ first: Instant, _ last: Instant) -> DueSpan {
      trigger.span(from: first, through: last, countingTo: SchedulingLimits.countedInstants)
    }
    let end = latestDue(of: offset, trigger, from: first, at: now)
    var missed = MissedFires(end: end, next: trigger.nextFire(after: end))
    var start: Instant? = first
    if let last = lastTooLate(offset, trigger, from: first, through: end, at: now) {
      missed.tooLate = span(first, last)
      // As in `fireMany`.
      start = trigger.next(after: last) ?? (last < end ? end : nil)
    }
    if let start, start <= end { missed.rest = span(start, end) }
    return missed
  }
}
