internal import Basics
package import Chronology
package import JobModel
import Triggers

/// What operators ask for beyond one job: everything, a run that has ended, a range of fire times; and who did.
extension SchedulerCore {
  // MARK: Everything

  /// Why everything is paused; nil: it is not.
  package var pauseNote: PauseNote? { host.pause }

  /// Whether what falls due of the job is skipped: it is paused itself, or everything is.
  func isPaused(_ offset: Int) -> Bool { host.pause != nil || jobs[offset].isPaused }

  /// From now on what falls due is recorded as skipped (paused), of every job. What runs goes on, and what somebody
  /// asks for runs. No job is paused by it: what was paused by itself stays so when everything is resumed.
  ///
  /// - Returns: whether it was not paused before.
  @discardableResult
  package mutating func pauseEverything(
    _ note: PauseNote, at now: ClockReading, into evaluation: inout Evaluation
  ) -> Bool {
    evaluation.now = now
    let isNews = host.pause == nil
    guard host.pause != note else { return false }
    host.pause = note
    evaluation.stores[0].batch.hostPause = .paused(note)
    evaluation.events.append(.hostPaused(note))
    // What waits for an instance is a decision now. O(jobs)
    for offset in jobs.indices where jobs[offset].isBacklogged { arm(JobIndex(offset)) }
    return isNews
  }

  /// What fell due meanwhile stays skipped. O(jobs)
  ///
  /// - Returns: whether it was paused before.
  @discardableResult
  package mutating func resumeEverything(at now: ClockReading, into evaluation: inout Evaluation) -> Bool {
    evaluation.now = now
    guard host.pause != nil else { return false }
    // Instants up to now belong to the pause.
    for offset in jobs.indices where !jobs[offset].isOrphaned {
      if let next = jobs[offset].nextFire, next <= now.wall { fire(JobIndex(offset), &evaluation) }
    }
    host.pause = nil
    evaluation.stores[0].batch.hostPause = .resumed
    evaluation.events.append(.hostResumed)
    return true
  }

  // MARK: A run again

  /// What became of a cancel.
  package enum Cancellation: Sendable { case ended, asked }

  /// The job of an active run, and its state; nil: it is not active. O(active runs)
  package func activeRun(_ id: RunID) -> ActiveRun? {
    runs.activeSlots.first { runs.slots[$0].record.id == id }.map { runs.slots[$0] }
  }

  /// A new run of the job of an ended one, with its parameters and its event, for the same instant. It follows the
  /// overlap policy, and goes on after the steps that the ended run did, unless that succeeded.
  package mutating func retry(
    _ ended: RunRecord, at now: ClockReading, into evaluation: inout Evaluation
  ) throws(Refusal) -> RunID {
    evaluation.now = now
    guard !isDraining else { throw .draining }
    var index = try liveJob(ended.job)
    if let id = ended.schedule, let made = jobs.dynamic[id], !jobs[made.offset].isOrphaned, !jobs[made.offset].isGone {
      index = made
    }
    let run = accept(
      index, cause: .retry, at: ended.scheduledAt, missed: ended.missed, params: ended.params, event: ended.event,
      recovers: ended.id, &evaluation)
    guard let run else { throw .overlap(ended.job, maxInstances: jobs[index.offset].definition.maxInstances) }
    // One that succeeded has done everything: to run it again means to do it again.
    if ended.outcome != .succeeded { inheritSteps(from: ended.id, to: run, of: index, &evaluation) }
    return run
  }

  // MARK: A range of fire times

  /// Runs of a job for `fires`, in their order; or, `coalesced`, one for the last of them.
  ///
  /// - Parameter overlap: what becomes of a run while `max_instances` are active.
  /// - Returns: the runs; fewer than fires where the policy skipped some, which is recorded.
  package mutating func backfill(
    _ name: String, _ fires: [Instant], coalesced: Bool, overlap: OverlapPolicy, params: JSONText?,
    at now: ClockReading,
    into evaluation: inout Evaluation
  ) throws(Refusal) -> [RunID] {
    evaluation.now = now
    guard !isDraining else { throw .draining }
    let index = try liveJob(name)
    guard coalesced else {
      return fires.compactMap { fire in
        accept(index, cause: .backfill, at: fire, params: params, overlap: overlap, &evaluation)
      }
    }
    guard let last = fires.last else { return [] }
    let run = accept(
      index, cause: .backfill, at: last, missed: fires.count - 1, params: params, overlap: overlap, &evaluation)
    return [run].compactMap { $0 }
  }

  // MARK: Who did

  /// Notes who changed something, in the store of a job, or in the first one.
  package mutating func audit(
    _ line: AuditLine, of job: String?, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    var line = line
    line.id = host.nextAudit
    line.at = now.wall
    host.nextAudit += 1
    let store = job.flatMap { index(of: $0) }.map { Int(jobs[$0.offset].store) } ?? 0
    evaluation.stores[store].batch.audit.append(line)
  }
}
