import Chronology
import Executors
package import JobModel
package import JobStores

/// Accepted fires → overlap → claim order → window → claim → dispatch.
extension SchedulerCore {
  /// Takes on a run of `index`, now or when the overlap policy lets it. nil: it was decided otherwise (and recorded).
  @discardableResult
  mutating func accept(
    _ index: JobIndex, cause: RunCause, at fireTime: Instant, missed: Int = 0, params: JSONText? = nil,
    event: JSONText? = nil, recovers: RunID? = nil, now: Moment, into actions: inout SchedulerActions
  ) -> RunID? {
    // Here and below, only what is needed is read from a job or a run: a copy of the whole counts a reference for each of its
    // strings and arrays.
    let entry = jobs[index.offset].entry
    let waiting = jobs[index.offset].queue.count
    let mustWait = jobs[index.offset].active >= entry.definition.maxInstances || waiting > 0
    // A recovery's instant has its decision, the interrupted run: it is not skipped but waits, whatever the policy.
    let overlap = entry.definition.overlap
    if mustWait, cause != .recovery,
      overlap == .skip || (overlap == .queue && waiting >= SchedulingLimits.queueDepth)
    {
      let reason: SkipReason = overlap == .skip ? .overlap : .limit
      record(
        .skipped, reason, instant: fireTime, of: index, isAboutFireTimes: cause == .schedule, at: now, into: &actions)
      return nil
    }
    let id = makeRunID()
    var record = RunRecord(id: id, job: entry.definition.name, cause: cause, scheduledAt: fireTime)
    record.clockEpoch = clockEpoch
    record.missed = missed
    if jobs[index.offset].made != nil, let made = jobs[index.offset].made {
      record.schedule = made.id
      if let own = params ?? made.options.params { record.params = own }
    } else if params != nil {
      record.params = params
    }
    if event != nil { record.event = event }
    if recovers != nil { record.recovers = recovers }
    let slot = runs.add(record, job: index, entry: entry, store: jobs[index.offset].store, state: mustWait ? .waiting : .ready)
    jobs[index.offset].unstored += 1
    jobs[index.offset].endRangeOfOtherInstants()
    if mustWait {
      enqueue(slot, of: index, at: now, into: &actions)
    } else {
      makeReady(slot)
    }
    if cause != .schedule { accepted.append(runs.token(slot)) }
    return id
  }

  /// Puts a waiting run into its job's queue; `queue_one` and `replace` keep only the newest.
  private mutating func enqueue(
    _ slot: Int, of index: JobIndex, at now: Moment, into actions: inout SchedulerActions
  ) {
    let overlap = jobs[index.offset].definition.overlap
    if overlap == .queueOne || overlap == .replace {
      while let older = jobs[index.offset].queue.popLast() {
        turnAway(Int(older), .overlap, at: now, into: &actions)
      }
    }
    jobs[index.offset].queue.append(Int32(truncatingIfNeeded: slot))
    touch(index)
    if overlap == .replace { cancelOldestInstance(of: index, into: &actions) }
  }

  /// An accepted run that gets no turn after all, and gives up its place. Its instant is recorded as skipped; that of a recovery has its
  /// decision, the interrupted run, so the recovery's own row says what became of it.
  mutating func turnAway(_ slot: Int, _ reason: SkipReason, at now: Moment, into actions: inout SchedulerActions) {
    let run = runs.slots[slot]
    if run.record.cause == .recovery {
      let why = reason == .unscheduled ? "its schedule was unscheduled" : "a newer run of the job took its place"
      let error = RunError(message: why + " while it waited")
      return end(slot, .cancelled, details: AttemptDetails(error: error), at: now, into: &actions)
    }
    drop(slot, into: &actions)
    record(.skipped, reason, insteadOf: run.record, of: run.job, at: now, into: &actions)
    if run.state.isCounted { releaseInstance(of: run.job, into: &actions) }
  }

  mutating func cancelOldestInstance(of index: JobIndex, into actions: inout SchedulerActions) {
    let instances = runs.activeSlots.filter {
      runs.slots[$0].job == index && !runs.slots[$0].isCancelled && runs.slots[$0].state != .waiting && runs.slots[$0].state != .debouncing
    }
    guard let oldest = instances.min(by: { runs.slots[$0].record.id < runs.slots[$1].record.id }) else { return }
    runs.slots[oldest].isReplaced = true
    requestCancel(oldest, into: &actions)
  }

  /// Removes a run that has not been claimed, with its row; what became of its instant is the caller's to record.
  mutating func drop(_ slot: Int, into actions: inout SchedulerActions) {
    let run = runs.slots[slot]
    if run.isStored {
      actions.stores[Int(run.store)].batch.dropped.append(run.record.id)
    } else {
      jobs[run.job.offset].unstored -= 1
    }
    if run.record.cause == .watch { returnFiles(of: slot) }
    leaveLane(slot)
    releasePlace(slot)
    runs.remove(slot)
  }

  /// Puts a run that was not counted so far among those whose turn it is.
  mutating func makeReady(_ slot: Int) {
    jobs[runs.slots[slot].job.offset].active += 1
    queueForClaim(slot)
  }

  mutating func queueForClaim(_ slot: Int) {
    sequence += 1
    let entry = jobs[runs.slots[slot].job.offset].entry
    let key = ClaimOrder(
      rank: -Int32(truncatingIfNeeded: entry.definition.priority),
      fireTime: runs.slots[slot].record.scheduledAt.nanoseconds, sequence: sequence)
    let lane = jobs[runs.slots[slot].job.offset].limitLane
    // A cancelled run only ends: it needs no place for that.
    if lane >= 0, !runs.slots[slot].isCancelled { return enterLane(slot, lane, key: key) }
    ready[Int(runs.slots[slot].store)].push(key, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
  }

  /// The accepted run whose turn it is, among those whose store can be written; stores are few.
  private func firstReady() -> (store: Int, key: ClaimOrder)? {
    var best: (store: Int, key: ClaimOrder)?
    for store in ready.indices where !failedStores[store] {
      guard let key = ready[store].first?.key else { continue }
      if let known = best, known.key < key { continue }
      best = (store, key)
    }
    return best
  }

  /// Claims what is due and ready runs in order, as far as the window reaches.
  ///
  /// What is due is decided here, when its turn has come, and not before: a crowd that falls due at once then starts with its first
  /// run, not with a row in the store for each of its members. What waits for the window stays due, as the store knows it; its
  /// instants of that time are coalesced when its turn comes.
  mutating func claim(at now: Moment, into actions: inout SchedulerActions) {
    guard isStarted, !isDraining else { return }
    while true {
      refreshChoices(at: now)
      guard inWindow < configuration.window else { return }
      let ready = firstReady()
      if let next = firstDue(by: now), ready.map({ next.precedes($0.key) }) ?? true {
        // Moves the job's entry on, or takes it out: one way down the heap instead of two.
        fire(next.job, isTurn: true, at: now, into: &actions)
        continue
      }
      guard let ready, let entry = self.ready[ready.store].popFirst() else { return }
      guard let slot = runs.slot(Int(entry.slot), use: entry.use), runs.slots[slot].state == .ready else { continue }
      let index = runs.slots[slot].job
      let store = Int(runs.slots[slot].store)
      if runs.slots[slot].isCancelled {
        end(slot, .cancelled, details: nil, at: now, into: &actions)
      } else if jobs[index.offset].limitLane >= 0, !isChosen(slot) {
        continue
      } else if runs.slots[slot].isClaimed, !hasRate(slot) {
        takePlace(slot)
        dispatch(slot, into: &actions)
      } else if runs.slots[slot].isClaimed {
        // Its row must tell of the attempts before this one: after a crash it is all that its rates have to count by.
        takePlace(slot)
        runs.move(slot, to: .claiming)
        inWindow += 1
        actions.stores[store].batch.claims.append(runs.slots[slot].record)
        actions.stores[store].claims.append(runs.token(slot))
      } else if jobs[index.offset].isGone {
        // A claim that the store refused, of a schedule that was unscheduled meanwhile.
        turnAway(slot, .unscheduled, at: now, into: &actions)
      } else if isTooLate(slot, at: now) {
        misfire(slot, at: now, into: &actions)
      } else {
        takePlace(slot)
        runs.move(slot, to: .claiming)
        inWindow += 1
        if !runs.slots[slot].isStored { jobs[index.offset].unstored -= 1 }
        runs.slots[slot].record.claimedAt = now.wall
        actions.stores[store].batch.claims.append(runs.slots[slot].record)
        actions.stores[store].claims.append(runs.token(slot))
        if configuration.publishesRuns {
          let record = runs.slots[slot].record
          actions.events.append(.runClaimed(record.id, job: record.job, scheduledAt: record.scheduledAt))
        }
        if runs.slots[slot].record.cause == .schedule { touch(index) }
      }
    }
  }

  /// Lateness is judged at the claim: a run that waited for the window, or in a queue, beyond its grace is misfired.
  func isTooLate(_ slot: Int, at now: Moment) -> Bool {
    let offset = runs.slots[slot].job.offset
    let entry = jobs[offset].entry
    guard runs.slots[slot].record.cause == .schedule, let grace = entry.definition.misfireGraceTime else { return false }
    return now.wall.nanoseconds - due(runs.slots[slot].record.scheduledAt, of: offset) > grace
  }

  /// A run that may not start any more: its row goes, its instant is recorded as misfired, the next in line gets its turn.
  ///
  /// - Parameter limit: what it waited for; nil: its turn.
  mutating func misfire(
    _ slot: Int, waitingFor limit: SkipReason? = nil, at now: Moment, into actions: inout SchedulerActions
  ) {
    let run = runs.slots[slot]
    drop(slot, into: &actions)
    record(.misfired, limit, insteadOf: run.record, of: run.job, at: now, into: &actions)
    releaseInstance(of: run.job, into: &actions)
  }

  /// Hands a claimed run to its executor, under its job's newest definition.
  private mutating func dispatch(_ slot: Int, into actions: inout SchedulerActions) {
    let wasInWindow = runs.slots[slot].state.isInWindow
    runs.move(slot, to: .dispatched)
    if !wasInWindow { inWindow += 1 }
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
    actions.orders[Int(executor)].append(
      RunOrder(
        token: runs.token(slot), id: runs.slots[slot].record.id, job: entry, attempt: attempts + 1, scheduledAt: scheduledAt,
        missed: runs.slots[slot].record.missed, startBefore: startBefore,
        context: runs.slots[slot].isPlain ? nil : OrderContext(runs.slots[slot].record)))
  }

  /// The claims are on disk: their runs may start.
  package mutating func committed(_ tokens: [RunToken], at now: Moment, into actions: inout SchedulerActions) {
    for token in tokens {
      guard let slot = runs.slot(token), runs.slots[slot].state == .claiming else { continue }
      runs.slots[slot].isStored = true
      runs.slots[slot].isClaimed = true
      if runs.slots[slot].isCancelled {
        end(slot, .cancelled, details: nil, at: now, into: &actions)
      } else if isOver {
        interrupt(slot, at: now, into: &actions)
      } else {
        dispatch(slot, into: &actions)
      }
    }
  }

  /// The store could not write: nothing of the batch took place. Its runs stay due, and nothing more is claimed in that store
  /// until `storeRecovered`.
  package mutating func claimsFailed(
    _ tokens: [RunToken], store: Int, error: StoreError, at now: Moment, into actions: inout SchedulerActions
  ) {
    if !failedStores[store] {
      failedStores[store] = true
      stallChoices()
      actions.events.append(.storeFailed("\(storeNames[store]): \(error.message)"))
    }
    for token in tokens {
      guard let slot = runs.slot(token), runs.slots[slot].state == .claiming else { continue }
      runs.move(slot, to: .ready)
      releasePlace(slot)
      inWindow -= 1
      if !runs.slots[slot].isClaimed { runs.slots[slot].record.claimedAt = nil }
      // The answer may have been lost and not the commit: then the claim is there until its row is written over or dropped.
      runs.slots[slot].isStored = true
      if runs.slots[slot].isCancelled {
        end(slot, .cancelled, details: nil, at: now, into: &actions)
      } else {
        // Its schedule may have moved past it in the batch that is tried again: that one must hold its waiting row.
        actions.stores[store].batch.waiting.append(runs.slots[slot].record)
        queueForClaim(slot)
      }
    }
  }

  /// Everything handed to the store before is written now.
  package mutating func storeRecovered(_ store: Int, into actions: inout SchedulerActions) {
    guard failedStores[store] else { return }
    failedStores[store] = false
    reviveChoices()
    actions.events.append(.storeRecovered)
  }

  /// Ends an evaluation: says where each schedule that moved stands now.
  ///
  /// The law that crash recovery rests on: a store is never told that a schedule moved past an instant unless the same batch,
  /// or an earlier one, holds that instant's claim, waiting row or decision.
  mutating func settle(into actions: inout SchedulerActions) {
    persistUnclaimedFires(into: &actions)
    for token in accepted {
      guard let slot = runs.slot(token), !runs.slots[slot].isStored else { continue }
      persistIfWaiting(slot, into: &actions)
    }
    accepted.removeAll(keepingCapacity: true)
    defer { texts.removeAll() }
    guard !touched.isEmpty else { return }
    for index in touched {
      let offset = index.offset
      let isWhole = jobs[offset].untold == .record
      jobs[offset].untold = .nothing
      if jobs[offset].made != nil, clearAway(index, into: &actions) { continue }
      let store = Int(jobs[offset].store)
      if isWhole {
        var record = jobs[offset].record(clockEpoch: clockEpoch, &texts)
        if record.made == nil { record.index = JobHint(index) }
        // It may have taken the id of one that went in the same evaluation.
        if let id = record.id { actions.stores[store].batch.unscheduled.removeAll { $0 == id } }
        actions.stores[store].batch.schedules.append(record)
      } else if let last = jobs[offset].lastFire {
        let entry = jobs[offset].entry
        actions.stores[store].batch.fires.append(
          FireUpdate(
            job: entry.definition.name, schedule: jobs[offset].made?.id, nextFire: jobs[offset].nextFire, lastFire: last,
            fireCount: jobs[offset].fireCount, index: jobs[offset].made == nil ? index : nil))
      }
    }
    touched.removeAll(keepingCapacity: true)
  }

  /// Writes waiting rows for accepted fires of touched jobs that are neither claimed nor stored.
  ///
  /// Those that wait in their job's queue are found there. Others are rare (a full window): one scan of the runs is cheaper than a
  /// list per job that nearly always is empty.
  private mutating func persistUnclaimedFires(into actions: inout SchedulerActions) {
    var areOthersLeft = false
    for index in touched where jobs[index.offset].unstored > 0 {
      // From the newest: what came in an earlier evaluation got its row then.
      var position = jobs[index.offset].queue.count - 1
      while position >= 0, !runs.slots[Int(jobs[index.offset].queue[position])].isStored {
        persistIfWaiting(Int(jobs[index.offset].queue[position]), into: &actions)
        position -= 1
      }
      areOthersLeft = areOthersLeft || jobs[index.offset].unstored > 0
    }
    guard areOthersLeft else { return }
    for slot in runs.slots.indices where runs.slots[slot].state != .free && jobs[runs.slots[slot].job.offset].isTouched {
      persistIfWaiting(slot, into: &actions)
    }
  }

  private mutating func persistIfWaiting(_ slot: Int, into actions: inout SchedulerActions) {
    switch runs.slots[slot].state {
    case .ready, .waiting, .debouncing:
      guard !runs.slots[slot].isStored else { return }
      runs.slots[slot].isStored = true
      jobs[runs.slots[slot].job.offset].unstored -= 1
      actions.stores[Int(runs.slots[slot].store)].batch.waiting.append(runs.slots[slot].record)
    default: return
    }
  }
}
