package import Chronology
import Executors
package import JobModel
package import JobStores
import Triggers

/// Old definitions × new definitions → added, changed, orphaned; and what a restart finds in the stores.
extension SchedulerCore {
  package struct Reconciliation: Sendable, Equatable {
    package var added = 0
    package var changed = 0
    package var unchanged = 0
    package var orphaned = 0
  }

  /// Takes in what a store knew. Before the first `reconcile`.
  package mutating func restore(_ snapshot: StoreSnapshot, store: Int) {
    precondition(!isStarted, "a store is restored before the scheduler starts")
    nextRun = max(nextRun, snapshot.nextRunID.number)
    clockEpoch = max(clockEpoch, snapshot.clockEpoch)
    for record in snapshot.schedules {
      // A job that was moved to another store left an orphaned record behind.
      let isLeftBehind = record.orphanedAt != nil && restored[record.job].map { $0.record.orphanedAt == nil } == true
      if !isLeftBehind { restored[record.job] = (record, store) }
      if let last = record.lastFire { latestWall = max(latestWall, last) }
    }
    unfinished += snapshot.unfinished.map { ($0, store) }
  }

  /// Makes `definitions` the whole set of declared jobs: the swap of a reload, and the first load.
  ///
  /// Names are unique in `definitions`. A job equal to what it was is left alone. A job that is not among them is orphaned: kept,
  /// not fired, until it returns.
  @discardableResult
  package mutating func reconcile(
    _ definitions: [JobDefinition], at now: Moment, into actions: inout SchedulerActions
  ) -> Reconciliation {
    noticeClock(now, into: &actions)
    var result = Reconciliation()
    var declared = Set<JobIndex>(minimumCapacity: definitions.count)
    reserveJobs(definitions.count)
    for definition in definitions {
      if let index = indices[definition.name] {
        if update(index, to: definition, at: now, into: &actions) { result.changed += 1 } else { result.unchanged += 1 }
        declared.insert(index)
      } else {
        declared.insert(register(definition, firstFire: nil, at: now, into: &actions))
        result.added += 1
      }
    }
    for offset in jobs.indices where !jobs[offset].isOrphaned && !declared.contains(JobIndex(offset)) {
      orphan(JobIndex(offset), at: now, into: &actions)
      result.orphaned += 1
    }
    deriveListeners()
    return result
  }

  /// Adds one job, due first at `firstFire` even if that is past (a one-off made at run time is due at once); nil: by its trigger.
  @discardableResult
  package mutating func add(
    _ definition: JobDefinition, firstFire: Instant?, at now: Moment, into actions: inout SchedulerActions
  ) -> JobIndex {
    precondition(indices[definition.name] == nil, "job \(definition.name) exists already")
    let index = register(definition, firstFire: firstFire, at: now, into: &actions)
    if !definition.events.isEmpty || !definition.after.isEmpty { deriveListeners() }
    return index
  }

  /// Begins to fire: ends what a dead host left, spreads what was missed, runs what runs at the start.
  package mutating func start(at now: Moment, into actions: inout SchedulerActions) {
    precondition(!isStarted, "a scheduler is started once")
    isStarted = true
    noticeClock(now, into: &actions)
    settleUnfinished(at: now, into: &actions)
    var late = 0
    for offset in jobs.indices {
      let job = jobs[offset]
      guard !job.isOrphaned else { continue }
      if let next = job.nextFire, job.registeredAt < now.wall, next < now.wall {
        arm(JobIndex(offset), notBefore: now.wall.nanoseconds + Int64(late) * configuration.catchUpStep)
        late += 1
      }
      runAtStart(JobIndex(offset), at: now, into: &actions)
    }
    for (name, orphan) in restored.sorted(by: { $0.key < $1.key }) where orphan.record.orphanedAt == nil {
      var record = orphan.record
      record.orphanedAt = now.wall
      restored[name] = (record, orphan.store)
      actions.stores[orphan.store].batch.schedules.append(record)
      actions.events.append(.jobOrphaned(name))
    }
  }

  private mutating func reserveJobs(_ count: Int) {
    jobs.reserveCapacity(max(jobs.count, count))
    indices.reserveCapacity(max(indices.count, count))
  }

  private mutating func register(
    _ definition: JobDefinition, firstFire: Instant?, at now: Moment, into actions: inout SchedulerActions
  ) -> JobIndex {
    let entry = JobEntry(definition)
    var job = ScheduledJob(
      entry: entry, trigger: nil, nextFire: nil, lastFire: nil, anchor: nil, fireCount: 0, registeredAt: now.wall,
      isPaused: false, orphanedAt: nil, store: storeIndex(definition), executor: executorIndex(definition),
      hash: StableHash.of(definition.name))
    let found = restored.removeValue(forKey: definition.name)
    let known = found?.record
    let index = JobIndex(jobs.count)
    indices[definition.name] = index
    if let known {
      adopt(known, into: &job, at: now)
    } else {
      job.anchor = now.wall
      job.trigger = definition.trigger?.anchored(at: now.wall)
      job.nextFire = firstFire ?? job.trigger?.next(after: now.wall)
    }
    jobs.append(job)
    if let known, known.clockEpoch < clockEpoch { rearm(index, at: now, into: &actions) }
    if known?.orphanedAt != nil { skipOrphaned(index, at: now, into: &actions) }
    arm(index)
    if let firstFire, firstFire <= now.wall { due.set(index, due: firstFire.nanoseconds) }
    // At a restart most schedules stand where the store knows them to.
    if found?.store != Int(job.store) || known != jobs[index.offset].record(clockEpoch: clockEpoch) { keep(index) }
    if let found, found.store != Int(job.store) { leave(found.record, in: found.store, at: now, into: &actions) }
    if known?.orphanedAt != nil {
      actions.events.append(.jobResumedFromOrphan(definition.name, nextFire: jobs[index.offset].nextFire))
    } else if known == nil, isStarted {
      actions.events.append(.jobAdded(definition.name, nextFire: jobs[index.offset].nextFire))
    }
    if isStarted, known == nil { runAtStart(index, at: now, into: &actions) }
    return index
  }

  /// A schedule that a store knows: it goes on where it stood, unless the script was edited meanwhile.
  private func adopt(_ known: ScheduleRecord, into job: inout ScheduledJob, at now: Moment) {
    job.registeredAt = known.registeredAt
    job.lastFire = known.lastFire
    job.fireCount = known.fireCount
    job.isPaused = known.isPaused
    job.anchor = known.anchor
    let definition = job.definition
    if definition.trigger?.text == known.trigger {
      job.trigger = definition.trigger?.anchored(at: known.anchor ?? known.registeredAt)
      job.nextFire = known.nextFire
      revive(&job, at: now)
    } else {
      edit(&job, to: definition, at: now)
    }
  }

  /// A schedule that had ended at its limit goes on when the limit was raised or taken away.
  private func revive(_ job: inout ScheduledJob, at now: Moment) {
    guard job.nextFire == nil, job.fireCount > 0, job.fireCount < job.definition.limit ?? .max else { return }
    job.nextFire = job.trigger?.next(after: now.wall)
  }

  /// The record of a job that another store keeps from now on stays behind, orphaned.
  private func leave(_ record: ScheduleRecord, in store: Int, at now: Moment, into actions: inout SchedulerActions) {
    var record = record
    record.orphanedAt = record.orphanedAt ?? now.wall
    actions.stores[store].batch.schedules.append(record)
  }

  /// A new trigger for a schedule: its next fire is computed from now; an interval keeps its last fire as the start of the new
  /// interval while that lies ahead.
  private func edit(_ job: inout ScheduledJob, to definition: JobDefinition, at now: Moment) {
    job.fireCount = 0
    guard let trigger = definition.trigger else {
      job.trigger = nil
      job.nextFire = nil
      return
    }
    if let interval = trigger.intervalNanoseconds, trigger.needsAnchor {
      let fromLast = job.lastFire?.advanced(byNanoseconds: interval)
      let next = fromLast.flatMap { $0 > now.wall ? $0 : nil } ?? now.wall.advanced(byNanoseconds: interval)
      job.anchor = next
      job.trigger = trigger.anchored(at: next)
      job.nextFire = next
    } else {
      job.trigger = trigger.anchored(at: job.anchor ?? now.wall)
      job.nextFire = job.trigger?.next(after: now.wall)
    }
  }

  /// - Returns: whether anything changed.
  private mutating func update(
    _ index: JobIndex, to definition: JobDefinition, at now: Moment, into actions: inout SchedulerActions
  ) -> Bool {
    let old = jobs[index.offset]
    let code = old.definition.payload.difference(from: definition.payload)
    let sameOptions = old.definition.hasSameOptions(as: definition)
    if old.orphanedAt != nil {
      jobs[index.offset].orphanedAt = nil
      skipOrphaned(index, at: now, into: &actions)
      actions.events.append(.jobResumedFromOrphan(definition.name, nextFire: jobs[index.offset].nextFire))
    } else if case .none = code, sameOptions {
      // Only its place in the file may differ.
      if old.definition.source != definition.source { jobs[index.offset].entry = JobEntry(keepingCode(old, definition)) }
      return false
    }
    // What is due already belongs to the old definition.
    if isStarted, !isDraining, let next = jobs[index.offset].nextFire, next <= now.wall {
      fire(index, at: now, into: &actions)
    }
    jobs[index.offset].entry = JobEntry(definition)
    jobs[index.offset].executor = executorIndex(definition)
    move(index, to: storeIndex(definition), at: now, into: &actions)
    // Another jitter, zone or limit does not move the fire times.
    if old.definition.trigger != definition.trigger {
      edit(&jobs[index.offset], to: definition, at: now)
    } else {
      revive(&jobs[index.offset], at: now)
    }
    arm(index)
    keep(index)
    if old.orphanedAt == nil {
      actions.events.append(.jobChanged(definition.name, nextFire: jobs[index.offset].nextFire))
    }
    return true
  }

  /// What is active stays with the store that has its rows.
  private mutating func move(_ index: JobIndex, to store: Int16, at now: Moment, into actions: inout SchedulerActions) {
    let job = jobs[index.offset]
    guard store != job.store else { return }
    leave(job.record(clockEpoch: clockEpoch), in: Int(job.store), at: now, into: &actions)
    jobs[index.offset].store = store
    jobs[index.offset].latestRange = nil
  }

  private func keepingCode(_ old: ScheduledJob, _ definition: JobDefinition) -> JobDefinition {
    var kept = definition
    kept.payload = old.definition.payload
    return kept
  }

  private mutating func orphan(_ index: JobIndex, at now: Moment, into actions: inout SchedulerActions) {
    if isStarted, !isDraining, let next = jobs[index.offset].nextFire, next <= now.wall { fire(index, at: now, into: &actions) }
    jobs[index.offset].orphanedAt = now.wall
    due.remove(index)
    keep(index)
    actions.events.append(.jobOrphaned(jobs[index.offset].definition.name))
  }

  /// What fell due while the job was gone is one range.
  private mutating func skipOrphaned(_ index: JobIndex, at now: Moment, into actions: inout SchedulerActions) {
    let job = jobs[index.offset]
    guard let trigger = job.trigger, let first = job.nextFire, first <= now.wall else { return }
    let span = trigger.span(from: first, through: now.wall, countingTo: SchedulingLimits.countedInstants)
    jobs[index.offset].lastFire = span.last
    jobs[index.offset].nextFire = trigger.next(after: span.last)
    record(.skipped, .orphaned, span, of: index, at: now, into: &actions)
  }

  private mutating func runAtStart(_ index: JobIndex, at now: Moment, into actions: inout SchedulerActions) {
    let job = jobs[index.offset]
    guard !job.isOrphaned, !job.isPaused, job.definition.enabled else { return }
    guard job.definition.runAtStart || job.trigger?.firesAtStart == true else { return }
    accept(index, cause: .startup, at: now.wall, now: now, into: &actions)
  }

  /// Waiting rows go on waiting; claimed ones are interrupted, and run again where the job asked to recover.
  private mutating func settleUnfinished(at now: Moment, into actions: inout SchedulerActions) {
    for (record, store) in unfinished.sorted(by: { $0.record.id < $1.record.id }) {
      let index = indices[record.job].flatMap { jobs[$0.offset].isOrphaned ? nil : $0 }
      if record.claimedAt == nil {
        if let index {
          readmit(record, as: index, from: store)
        } else {
          actions.stores[store].batch.dropped.append(record.id)
          actions.stores[store].batch.decisions.append(
            DecisionRange(
              job: record.job, kind: .skipped, reason: .orphaned, first: record.scheduledAt, last: record.scheduledAt,
              count: 1, clockEpoch: record.clockEpoch, decidedAt: now.wall))
        }
      } else {
        var ended = record
        ended.outcome = .interrupted
        ended.finishedAt = now.wall
        ended.error = RunError(message: "the host ended while this run was claimed; it may have started")
        actions.stores[store].batch.finished.append(ended)
        actions.events.append(.runFinished(ended))
        if let index, jobs[index.offset].definition.recover {
          accept(
            index, cause: .recovery, at: record.scheduledAt, missed: record.missed, params: record.params,
            event: record.event, recovers: record.id, now: now, into: &actions)
        }
      }
    }
    unfinished = []
  }

  /// A waiting row of the last host: accepted already, so it keeps its id and its row.
  private mutating func readmit(_ record: RunRecord, as index: JobIndex, from store: Int) {
    var job = jobs[index.offset]
    job.store = Int16(store)
    let mustWait = job.active >= job.definition.maxInstances || !job.queue.isEmpty
    let slot = runs.add(record, job: index, of: job, state: mustWait ? .waiting : .ready)
    runs.slots[slot].isStored = true
    if mustWait {
      jobs[index.offset].queue.append(Int32(truncatingIfNeeded: slot))
    } else {
      makeReady(slot)
    }
  }

  /// Ends what is still claimed as interrupted: the host gives up on it, and on what is being claimed.
  package mutating func interruptAll(at now: Moment, into actions: inout SchedulerActions) {
    isOver = true
    for slot in runs.activeSlots where runs.slots[slot].isClaimed { interrupt(slot, at: now, into: &actions) }
  }

  /// Ends a claimed run that this host will not bring to its end. Where the job asked to recover, a run that makes good for it
  /// waits in the store for the next host.
  mutating func interrupt(_ slot: Int, at now: Moment, into actions: inout SchedulerActions) {
    let run = runs.slots[slot]
    let why = RunError(message: "the host stopped before this run ended")
    end(slot, .interrupted, details: AttemptDetails(error: why), at: now, into: &actions)
    let job = jobs[run.job.offset]
    guard job.definition.recover, !job.isOrphaned else { return }
    accept(
      run.job, cause: .recovery, at: run.record.scheduledAt, missed: run.record.missed, params: run.record.params,
      event: run.record.event, recovers: run.record.id, now: now, into: &actions)
  }

  private mutating func deriveListeners() {
    listeners.removeAll(keepingCapacity: true)
    downstream.removeAll(keepingCapacity: true)
    for offset in jobs.indices {
      let definition = jobs[offset].definition
      for event in definition.events { listeners[event, default: []].append(JobIndex(offset)) }
      for upstream in definition.after { downstream[upstream, default: []].append(JobIndex(offset)) }
    }
  }

  private func storeIndex(_ definition: JobDefinition) -> Int16 {
    // The loader checked the name; a store that a reload took away falls back to the default.
    Int16(storeNames.firstIndex(of: definition.store) ?? 0)
  }

  private func executorIndex(_ definition: JobDefinition) -> Int16 {
    Int16(executorNames.firstIndex(of: definition.executor) ?? 0)
  }
}
