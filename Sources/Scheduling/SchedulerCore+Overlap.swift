import Basics
import Chronology
import JobModel

/// What was accepted and must wait: for an instance of its job, then in the claim order; and the way out of both
/// without a claim.
extension SchedulerCore {
  /// Puts a waiting run into its job's queue; `queue_one` and `replace` keep only the newest.
  mutating func enqueue(
    _ slot: Int, of index: JobIndex, _ overlap: OverlapPolicy, _ evaluation: inout Evaluation
  ) {
    if overlap == .queueOne || overlap == .replace {
      while let older = jobs[index.offset].queue.popLast() {
        reject(Int(older), .overlap, &evaluation)
      }
    }
    jobs[index.offset].queue.append(Int32(truncatingIfNeeded: slot))
    jobs.markDirty(index)
    if overlap == .replace { cancelOldestInstance(of: index, &evaluation) }
  }

  /// An accepted run that gets no turn after all, and gives up its slot. Its instant is recorded as skipped; that of a
  /// recovery, and of a run that has begun and was parked, has its decision, so its own row says what became of it.
  mutating func reject(_ slot: Int, _ reason: SkipReason, _ evaluation: inout Evaluation) {
    let run = runs.slots[slot]
    if run.record.cause == .recovery || run.record.startedAt != nil {
      let why = reason == .unscheduled ? "its schedule was unscheduled" : "a newer run of the job took its place"
      let error = RunError(message: why + " while it waited")
      return end(slot, .cancelled, details: AttemptDetails(error: error), &evaluation)
    }
    drop(slot, &evaluation)
    record(.skipped, reason, insteadOf: run.record, of: run.job, &evaluation)
    if run.state.isCounted { releaseInstance(of: run.job, &evaluation) }
  }

  mutating func cancelOldestInstance(of index: JobIndex, _ evaluation: inout Evaluation) {
    let instances = runs.activeSlots.filter {
      runs.slots[$0].job == index && runs.slots[$0].cancellation == .none && runs.slots[$0].state != .waiting
        && runs.slots[$0].state != .debouncing
    }
    guard let oldest = instances.min(by: { runs.slots[$0].record.id < runs.slots[$1].record.id }) else { return }
    requestCancel(oldest, as: .replaced, &evaluation)
  }

  /// Removes a run that has not been claimed, with its row; what became of its instant is the caller's to record.
  mutating func drop(_ slot: Int, _ evaluation: inout Evaluation) {
    let run = runs.slots[slot]
    if run.row != .none {
      evaluation.stores[Int(run.store)].batch.dropped.append(run.record.id)
    } else {
      jobs[run.job.offset].unstored -= 1
    }
    if run.record.cause == .watch { returnFiles(of: slot) }
    leaveLimiterQueue(slot)
    releaseGroupSlot(slot)
    runs.remove(slot)
  }

  /// Puts a run that was not counted so far among those whose turn it is.
  mutating func makeReady(_ slot: Int) {
    jobs[runs.slots[slot].job.offset].active += 1
    queueForClaim(slot)
  }

  mutating func queueForClaim(_ slot: Int) {
    runs.sequence += 1
    let entry = jobs[runs.slots[slot].job.offset].entry
    let key = ClaimOrder(
      rank: 0 &- Int32(truncatingIfNeeded: entry.definition.priority),
      fireTime: runs.slots[slot].record.scheduledAt.nanoseconds, sequence: runs.sequence)
    let queue = jobs[runs.slots[slot].job.offset].limiterQueue
    // A cancelled run only ends: it needs no place for that.
    if let queue, runs.slots[slot].cancellation == .none { return enterLimiterQueue(slot, queue, key: key) }
    runs.ready[Int(runs.slots[slot].store)].push(key, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
  }
}
