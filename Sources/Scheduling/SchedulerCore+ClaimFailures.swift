internal import Basics
import Chronology
package import JobModel

/// Runs that are not claimed after all: they come too late, or their store cannot be written.
extension SchedulerCore {
  /// Lateness is judged at the claim: a run that waited for the window, or in a queue, beyond its grace is misfired.
  func isTooLate(_ slot: Int, at now: ClockReading) -> Bool {
    let offset = runs.slots[slot].job.offset
    let entry = jobs[offset].entry
    guard runs.slots[slot].record.cause == .schedule, let grace = entry.definition.misfireGraceTime,
      runs.slots[slot].record.startedAt == nil
    else {
      return false
    }
    return lateness(runs.slots[slot].record.scheduledAt, of: offset, at: now) > grace
  }

  /// A run that may not start any more: its row goes, its instant is recorded as misfired, the next in line gets its
  /// turn.
  ///
  /// - Parameter limit: what it waited for; nil: its turn.
  mutating func misfire(
    _ slot: Int, waitingFor limit: SkipReason? = nil, _ evaluation: inout Evaluation
  ) {
    let run = runs.slots[slot]
    drop(slot, &evaluation)
    record(.misfired, limit, insteadOf: run.record, of: run.job, &evaluation)
    releaseInstance(of: run.job, &evaluation)
  }

  /// The store could not write: nothing of the batch took place. Its runs stay due, and nothing more is claimed in that
  /// store until `storeRecovered`.
  package mutating func claimsFailed(
    _ tokens: [RunToken], store: Int, error: StoreError, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    stores.noteFailure(in: store)
    if !stores.failed[store] {
      stores.failed[store] = true
      stallChoices()
      let text = "\(stores.names[store]): \(error.message)"
      evaluation.events.append(error.code == .lost ? .storeLost(text) : .storeFailed(text))
    }
    var failed: Set<JobIndex> = []
    for token in tokens {
      guard let slot = runs.slot(token), runs.slots[slot].state == .claiming else { continue }
      let job = runs.slots[slot].job
      if failed.insert(job).inserted {
        evaluation.events.append(.claimFailed(job: jobs[job.offset].entry.definition.name, error: error.message))
      }
      runs.move(slot, to: .ready)
      releaseGroupSlot(slot)
      runs.inWindow -= 1
      // The answer may have been lost and not the commit: then the claim is there until its row is written over or
      // dropped.
      if runs.slots[slot].row != .claim {
        runs.slots[slot].record.claimedAt = nil
        runs.slots[slot].row = .waiting
      }
      if runs.slots[slot].cancellation != .none {
        end(slot, .cancelled, details: nil, &evaluation)
      } else if isDraining, runs.slots[slot].row == .claim {
        // The next attempt of a run, as `drain` finds it: nothing is claimed any more, and the end would wait for it.
        interrupt(slot, &evaluation)
      } else {
        // Its schedule may have moved past it in the batch that is tried again: that one must hold its waiting row.
        evaluation.stores[store].batch.waiting.append(runs.slots[slot].record)
        queueForClaim(slot)
      }
    }
  }

  /// Everything handed to the store before is written now.
  package mutating func storeRecovered(_ store: Int, into evaluation: inout Evaluation) {
    guard stores.failed[store] else { return }
    stores.failed[store] = false
    reviveChoices()
    evaluation.events.append(.storeRecovered)
  }
}
