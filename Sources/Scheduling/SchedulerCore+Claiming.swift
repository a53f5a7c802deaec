internal import Basics
import Chronology
package import JobModel

/// Claim order → window → claim → the store's answer → dispatch.
extension SchedulerCore {
  /// Claims what is due and ready runs in order, as far as the window reaches.
  ///
  /// What is due is decided here, when its turn has come, and not before: a crowd that falls due at once then starts
  /// with its first run, not with a row in the store for each of its members. What waits for the window stays due, as
  /// the store knows it; its instants of that time are coalesced when its turn comes.
  mutating func claim(_ evaluation: inout Evaluation) {
    guard isStarted, !isDraining else { return }
    while true {
      refreshChoices(at: evaluation.now)
      guard runs.inWindow < configuration.window else { return }
      let ready = runs.firstReady(except: stores.failed)
      if let next = firstDue(by: evaluation.now), ready.map({ next.precedes($0.key) }) ?? true {
        // Moves the job's entry on, or takes it out: one way down the heap instead of two.
        fire(next.job, isNextInLine: true, &evaluation)
        continue
      }
      guard let ready, let entry = runs.ready[ready.store].popFirst() else { return }
      guard let slot = runs.slot(Int(entry.slot), use: entry.use), runs.slots[slot].state == .ready else { continue }
      let index = runs.slots[slot].job
      let store = Int(runs.slots[slot].store)
      if runs.slots[slot].isCancelled {
        end(slot, .cancelled, details: nil, &evaluation)
      } else if jobs[index.offset].limiterQueue != nil, !isChosen(slot) {
        continue
      } else if runs.slots[slot].isClaimed, !hasRate(slot) {
        takeGroupSlot(slot)
        dispatch(slot, &evaluation)
      } else if runs.slots[slot].isClaimed {
        // Its row must tell of the attempts before this one: after a crash it is all that its rates have to count by.
        takeGroupSlot(slot)
        runs.move(slot, to: .claiming)
        runs.inWindow += 1
        evaluation.stores[store].batch.claims.append(runs.slots[slot].record)
        evaluation.stores[store].claims.append(runs.token(slot))
      } else if jobs[index.offset].isGone {
        // A claim that the store refused, of a schedule that was unscheduled meanwhile.
        reject(slot, .unscheduled, &evaluation)
      } else if isTooLate(slot, at: evaluation.now) {
        misfire(slot, &evaluation)
      } else {
        takeGroupSlot(slot)
        runs.move(slot, to: .claiming)
        runs.inWindow += 1
        if !runs.slots[slot].isStored { jobs[index.offset].unstored -= 1 }
        runs.slots[slot].record.claimedAt = evaluation.now.wall
        evaluation.stores[store].batch.claims.append(runs.slots[slot].record)
        evaluation.stores[store].claims.append(runs.token(slot))
        if configuration.publishesRuns {
          let record = runs.slots[slot].record
          evaluation.events.append(.runClaimed(record.id, job: record.job, scheduledAt: record.scheduledAt))
        }
        if runs.slots[slot].record.cause == .schedule { jobs.markDirty(index) }
      }
    }
  }

  /// Lateness is judged at the claim: a run that waited for the window, or in a queue, beyond its grace is misfired.
  func isTooLate(_ slot: Int, at now: ClockReading) -> Bool {
    let offset = runs.slots[slot].job.offset
    let entry = jobs[offset].entry
    guard runs.slots[slot].record.cause == .schedule, let grace = entry.definition.misfireGraceTime else {
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

  /// Hands a claimed run to its executor, under its job's newest definition.
  private mutating func dispatch(_ slot: Int, _ evaluation: inout Evaluation) {
    let wasInWindow = runs.slots[slot].state.isInWindow
    runs.move(slot, to: .dispatched)
    if !wasInWindow { runs.inWindow += 1 }
    let offset = runs.slots[slot].job.offset
    let entry = jobs[offset].entry
    let executor = jobs[offset].executor
    runs.slots[slot].entry = entry
    runs.slots[slot].executor = executor
    let scheduledAt = runs.slots[slot].record.scheduledAt
    let attempts = runs.slots[slot].record.attempts
    var startBefore: Instant?
    if runs.slots[slot].record.cause == .schedule, attempts == 0, let grace = entry.definition.misfireGraceTime {
      startBefore = Instant(nanoseconds: due(scheduledAt, of: offset)).advanced(byNanoseconds: grace)
    }
    evaluation.orders[Int(executor)].append(
      RunOrder(
        token: runs.token(slot), id: runs.slots[slot].record.id, job: entry, attempt: attempts + 1,
        scheduledAt: scheduledAt,
        missed: runs.slots[slot].record.missed, startBefore: startBefore,
        context: runs.slots[slot].isPlain ? nil : OrderContext(runs.slots[slot].record)))
  }

  /// The claims are on disk: their runs may start.
  package mutating func committed(_ tokens: [RunToken], at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    for token in tokens {
      guard let slot = runs.slot(token), runs.slots[slot].state == .claiming else { continue }
      runs.slots[slot].isStored = true
      runs.slots[slot].isClaimed = true
      if runs.slots[slot].isCancelled {
        end(slot, .cancelled, details: nil, &evaluation)
      } else if isOver {
        interrupt(slot, &evaluation)
      } else {
        dispatch(slot, &evaluation)
      }
    }
  }

  /// The store could not write: nothing of the batch took place. Its runs stay due, and nothing more is claimed in that
  /// store until `storeRecovered`.
  package mutating func claimsFailed(
    _ tokens: [RunToken], store: Int, error: StoreError, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
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
      if !runs.slots[slot].isClaimed { runs.slots[slot].record.claimedAt = nil }
      // The answer may have been lost and not the commit: then the claim is there until its row is written over or
      // dropped.
      runs.slots[slot].isStored = true
      if runs.slots[slot].isCancelled {
        end(slot, .cancelled, details: nil, &evaluation)
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
