import Chronology
import JobModel
import Triggers

/// A wall clock that is set.
extension SchedulerCore {
  /// Steps of the wall clock smaller than this are slewing, and nobody's business. Nanoseconds.
  private static let noticed: Int64 = 1_000_000_000

  /// Forward needs nothing: what is due is late, and the policies for late runs apply. Back by up to 3 hours needs
  /// nothing either: the next fire times stay, so nothing that has a decision is repeated. Further back starts a new
  /// clock epoch: every schedule is armed anew from now.
  mutating func noticeClock(_ evaluation: inout Evaluation) {
    let offset = evaluation.now.wall.nanoseconds &- evaluation.now.monotonic
    let step = host.clockOffset.map { offset &- $0 } ?? 0
    let behind = host.latestWall == .distantPast ? 0 : host.latestWall.nanoseconds(since: evaluation.now.wall)
    if behind > SchedulingLimits.clockBridge {
      host.latestWall = evaluation.now.wall
      rearmAll(&evaluation)
      evaluation.events.append(.clockChanged(by: -behind, epoch: clockEpoch))
      host.clockOffset = offset
    } else {
      host.latestWall = max(host.latestWall, evaluation.now.wall)
      if step.magnitude >= Self.noticed {
        evaluation.events.append(.clockChanged(by: step, epoch: clockEpoch))
        host.clockOffset = offset
      } else if host.clockOffset == nil {
        host.clockOffset = offset
      }
    }
  }

  private mutating func rearmAll(_ evaluation: inout Evaluation) {
    host.clockEpoch = ClockEpoch(clockEpoch.number + 1)
    for store in evaluation.stores.indices { evaluation.stores[store].batch.clockEpoch = clockEpoch }
    for offset in jobs.indices { rearm(JobIndex(offset), &evaluation) }
  }

  /// Computes a schedule's next fire time from now, in the present clock epoch.
  mutating func rearm(_ index: JobIndex, _ evaluation: inout Evaluation) {
    let job = jobs[index.offset]
    guard let trigger = job.plainTrigger, job.nextFire != nil || job.searchedTo != nil else { return }
    if let anchor = job.anchor, anchor > evaluation.now.wall {
      // An interval fires after its anchor only; an earlier one of the same phase keeps its beat.
      let interval = trigger.intervalNanoseconds ?? 0
      let ahead = anchor.nanoseconds(since: evaluation.now.wall)
      let earlier =
        interval > 0 ? anchor.advanced(byNanoseconds: -ahead.roundedUp(toMultipleOf: interval)) : evaluation.now.wall
      jobs[index.offset].anchor = earlier
      jobs[index.offset].trigger = trigger.anchored(at: earlier)
    }
    jobs[index.offset].seek(after: evaluation.now.wall)
    jobs[index.offset].isBacklogged = false
    // A last fire that was not decided yet is not lost to the clock: past or to come, it stays.
    if jobs[index.offset].nextFire == nil, jobs[index.offset].searchedTo == nil {
      jobs[index.offset].nextFire = job.nextFire
    }
    jobs[index.offset].lastFire = evaluation.now.wall
    record(.clock, nil, instant: evaluation.now.wall, of: index, isAboutFireTimes: false, &evaluation)
    jobs.keep(index)
    arm(index)
  }
}

extension Int64 {
  /// The smallest multiple of `step` that is not below this; the largest number where none fits. Both are positive.
  fileprivate func roundedUp(toMultipleOf step: Int64) -> Int64 {
    let over = self % step
    guard over > 0 else { return self }
    let (sum, overflow) = addingReportingOverflow(step - over)
    return overflow ? .max : sum
  }
}
