import Chronology
import JobModel
import Triggers

/// Instants that wait for an instance of their job, and are left due meanwhile.
///
/// Under `overlap = "queue"` with `coalesce = false` each instant gets a run of its own, in their order, whatever is
/// decided when. So nothing is gained by deciding early, and much is lost: a host that is asked for more than it can do
/// would spend its time on runs, rows and slots in queues for what it cannot start. Such a job takes on as many
/// instants as it has instances free. The others stay due, as the store knows them to; the job is out of the due queue
/// until an instance ends, and costs nothing.
///
/// What was accepted already (a run that somebody asked for, an event's) goes before what is only due.
extension SchedulerCore {
  /// Whether the job's instants wait as what they are, due, instead of as runs in its queue.
  func queuesDue(_ offset: Int) -> Bool {
    let entry = jobs[offset].entry
    return entry.definition.overlap == .queue && entry.definition.coalesce == .all && !isPaused(offset)
      && entry.definition.enabled
  }

  /// Decides the earliest due instant, and before it what is too late or too much; without a free instance, nothing.
  mutating func fireNext(
    _ index: JobIndex, _ trigger: AnyTrigger, _ first: Instant, _ evaluation: inout Evaluation
  ) {
    let offset = index.offset
    guard hasFreeInstance(offset) else {
      jobs[offset].isBacklogged = true
      return due.remove(index)
    }
    var next = first
    var following = trigger.nextFire(after: first)
    if case .at(let second) = following, due(second, of: offset) <= evaluation.now.wall.nanoseconds {
      guard let start = giveUpOldest(of: index, trigger, from: first, &evaluation) else {
        return arm(index)
      }
      if start != next {
        next = start
        following = trigger.nextFire(after: start)
      }
    } else if let grace = jobs[offset].entry.definition.misfireGraceTime,
      lateness(first, of: offset, at: evaluation.now) > grace
    {
      move(index, past: first, to: following)
      record(.misfired, nil, instant: first, of: index, &evaluation)
      return arm(index)
    }
    // Whether something is left that has been evaluated, and has only to wait.
    if case .at(let second) = following, due(second, of: offset) <= evaluation.now.wall.nanoseconds {
      jobs[offset].isBacklogged = true
    } else {
      jobs[offset].isBacklogged = false
    }
    move(index, past: next, to: following)
    accept(index, fireTime: next, missed: 0, &evaluation)
    arm(index)
  }

  /// An instance has ended: the job's due instants come in turn again.
  mutating func endWaiting(of index: JobIndex) {
    guard jobs[index.offset].isBacklogged, hasFreeInstance(index.offset) else { return }
    arm(index)
  }

  private func hasFreeInstance(_ offset: Int) -> Bool {
    jobs[offset].queue.isEmpty && jobs[offset].active < jobs[offset].entry.definition.maxInstances
  }

  /// Of several due instants, misfires those beyond the grace time, and skips the oldest when they are more than may
  /// wait: what is found late is caught up with as far as `catch_up_max`, and what fell due while the job was busy as
  /// far as a queue is long.
  ///
  /// - Returns: the first one left; nil when none is, and the schedule has moved past them.
  private mutating func giveUpOldest(
    of index: JobIndex, _ trigger: AnyTrigger, from first: Instant, _ evaluation: inout Evaluation
  ) -> Instant? {
    let offset = index.offset
    let end = latestDue(of: offset, trigger, from: first, at: evaluation.now)
    var start = first
    if let last = lastTooLate(offset, trigger, from: first, through: end, at: evaluation.now) {
      let span = trigger.span(from: first, through: last, countingTo: SchedulingLimits.countedInstants)
      // A search that breaks off before `end` passes over what it did not find; `end` is known.
      let left = trigger.next(after: last) ?? (last < end ? end : nil)
      move(index, past: last, to: left.map { .at($0) } ?? trigger.nextFire(after: last))
      record(.misfired, nil, span, of: index, &evaluation)
      guard let left, left <= end else { return nil }
      start = left
    }
    if let kept = oldestKept(of: offset, trigger, from: start, through: end) {
      let before = trigger.latest(from: start, through: kept.advanced(byNanoseconds: -1))
      let span = trigger.span(from: start, through: before, countingTo: SchedulingLimits.countedInstants)
      record(.skipped, .limit, span, of: index, &evaluation)
      start = kept
    }
    return start
  }

  /// The first of the instants that go on waiting, when there are more than may; nil: all may.
  private mutating func oldestKept(
    of offset: Int, _ trigger: AnyTrigger, from first: Instant, through end: Instant
  ) -> Instant? {
    let depth = SchedulingLimits.queueDepth
    guard jobs[offset].isBacklogged else {
      jobs[offset].uncounted = ScheduledJob.startsPerCount
      return trigger.oldest(ofLast: min(jobs[offset].entry.definition.catchUpMax, depth), from: first, through: end)
    }
    // Counting the instants of a cron expression is a walk along them. One walk serves so many starts that each pays
    // for a few steps; the backlog may be longer by what falls due meanwhile.
    if trigger.intervalNanoseconds == nil, jobs[offset].uncounted > 0 {
      jobs[offset].uncounted -= 1
      return nil
    }
    jobs[offset].uncounted = ScheduledJob.startsPerCount
    guard trigger.oldest(ofLast: depth, from: first, through: end) != nil else { return nil }
    // An eighth at a time: a host that cannot keep up writes a range for many instants, not one for each.
    return trigger.oldest(ofLast: depth - depth / 8, from: first, through: end)
  }
}
