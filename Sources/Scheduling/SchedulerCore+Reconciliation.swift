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
      restored[record.job] = (record, store)
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
    for offset in jobs.indices where jobs[offset]?.isOrphaned == false && !declared.contains(JobIndex(offset)) {
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
      guard let job = jobs[offset], !job.isOrphaned else { continue }
      if let next = job.nextFire, job.lastFire != nil, next < now.wall {
        arm(JobIndex(offset), notBefore: now.wall.nanoseconds + Int64(late) * configuration.catchUpStep)
        late += 1
      }
      runAtStart(JobIndex(offset), at: now, into: &actions)
    }
    for (_, orphan) in restored where orphan.record.orphanedAt == nil {
      var record = orphan.record
      record.orphanedAt = now.wall
      actions.stores[orphan.store].batch.schedules.append(record)
      actions.events.append(.jobOrphaned(record.job))
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
    let known = restored.removeValue(forKey: definition.name)?.record
    let index = freeJobs.popLast() ?? JobIndex(jobs.count)
    if index.offset == jobs.count { jobs.append(nil) }
    indices[definition.name] = index
    if let known {
      adopt(known, into: &job, at: now)
    } else {
      job.anchor = now.wall
      job.trigger = definition.trigger?.anchored(at: now.wall)
      job.nextFire = firstFire ?? job.trigger?.next(after: now.wall)
    }
    jobs[index.offset] = job
    if let gone = known?.orphanedAt, job.orphanedAt == nil { skipOrphaned(index, since: gone, at: now, into: &actions) }
    arm(index)
    if let firstFire, firstFire <= now.wall { due.set(index, due: firstFire.nanoseconds) }
    actions.stores[Int(job.store)].batch.schedules.append(jobs[index.offset]!.record(clockEpoch: clockEpoch))
    if known?.orphanedAt != nil {
      actions.events.append(.jobResumedFromOrphan(definition.name, nextFire: jobs[index.offset]!.nextFire))
    } else if known == nil, isStarted {
      actions.events.append(.jobAdded(definition.name, nextFire: jobs[index.offset]!.nextFire))
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
    } else {
      edit(&job, to: definition, at: now)
    }
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
    let old = jobs[index.offset]!
    let code = old.definition.payload.difference(from: definition.payload)
    let sameOptions = old.definition.hasSameOptions(as: definition)
    if let gone = old.orphanedAt {
      jobs[index.offset]!.orphanedAt = nil
      skipOrphaned(index, since: gone, at: now, into: &actions)
      actions.events.append(.jobResumedFromOrphan(definition.name, nextFire: jobs[index.offset]!.nextFire))
    } else if case .none = code, sameOptions {
      // Only its place in the file may differ.
      if old.definition.source != definition.source { jobs[index.offset]!.entry = JobEntry(keepingCode(old, definition)) }
      return false
    }
    // What is due already belongs to the old definition.
    if isStarted, !isDraining, let next = jobs[index.offset]!.nextFire, next <= now.wall {
      fire(index, at: now, into: &actions)
    }
    jobs[index.offset]!.entry = JobEntry(definition)
    jobs[index.offset]!.store = storeIndex(definition)
    jobs[index.offset]!.executor = executorIndex(definition)
    if !old.definition.hasSameSchedule(as: definition) { edit(&jobs[index.offset]!, to: definition, at: now) }
    arm(index)
    let job = jobs[index.offset]!
    actions.stores[Int(job.store)].batch.schedules.append(job.record(clockEpoch: clockEpoch))
    if old.orphanedAt == nil { actions.events.append(.jobChanged(definition.name, nextFire: job.nextFire)) }
    return true
  }

  private func keepingCode(_ old: ScheduledJob, _ definition: JobDefinition) -> JobDefinition {
    var kept = definition
    kept.payload = old.definition.payload
    return kept
  }

  private mutating func orphan(_ index: JobIndex, at now: Moment, into actions: inout SchedulerActions) {
    if isStarted, !isDraining, let next = jobs[index.offset]!.nextFire, next <= now.wall { fire(index, at: now, into: &actions) }
    jobs[index.offset]!.orphanedAt = now.wall
    due.remove(index)
    let job = jobs[index.offset]!
    actions.stores[Int(job.store)].batch.schedules.append(job.record(clockEpoch: clockEpoch))
    actions.events.append(.jobOrphaned(job.definition.name))
  }

  /// What fell due while the job was gone is one range.
  private mutating func skipOrphaned(
    _ index: JobIndex, since gone: Instant, at now: Moment, into actions: inout SchedulerActions
  ) {
    guard let job = jobs[index.offset], let trigger = job.trigger, let first = job.nextFire, first <= now.wall else { return }
    let span = trigger.span(from: first, through: now.wall, countingTo: SchedulingLimits.countedInstants)
    jobs[index.offset]!.lastFire = span.last
    jobs[index.offset]!.nextFire = trigger.next(after: span.last)
    record(.skipped, .orphaned, span, of: index, at: now, into: &actions)
  }

  private mutating func runAtStart(_ index: JobIndex, at now: Moment, into actions: inout SchedulerActions) {
    guard let job = jobs[index.offset], !job.isOrphaned, !job.isPaused, job.definition.enabled else { return }
    guard job.definition.runAtStart || job.trigger?.firesAtStart == true else { return }
    accept(index, cause: .startup, at: now.wall, now: now, into: &actions)
  }

  /// Waiting rows go on waiting; claimed ones are interrupted, and run again where the job asked to recover.
  private mutating func settleUnfinished(at now: Moment, into actions: inout SchedulerActions) {
    for (record, store) in unfinished.sorted(by: { $0.record.id < $1.record.id }) {
      let index = indices[record.job].flatMap { jobs[$0.offset]?.isOrphaned == false ? $0 : nil }
      if record.claimedAt == nil {
        if let index {
          readmit(record, as: index)
        } else {
          actions.stores[store].batch.dropped.append(record.id)
          actions.stores[store].batch.decisions.append(
            DecisionRange(
              job: record.job, kind: .skipped, reason: .orphaned, first: record.scheduledAt, last: record.scheduledAt,
              count: 1, clockEpoch: clockEpoch, decidedAt: now.wall))
        }
      } else {
        var ended = record
        ended.outcome = .interrupted
        ended.finishedAt = now.wall
        ended.error = RunError(message: "the host ended while this run was claimed; it may have started")
        actions.stores[store].batch.finished.append(ended)
        actions.events.append(.runFinished(ended))
        if let index, jobs[index.offset]!.definition.recover {
          accept(
            index, cause: .recovery, at: record.scheduledAt, missed: record.missed, params: record.params,
            event: record.event, recovers: record.id, now: now, into: &actions)
        }
      }
    }
    unfinished = []
  }

  /// A waiting row of the last host: accepted already, so it keeps its id and its row.
  private mutating func readmit(_ record: RunRecord, as index: JobIndex) {
    let job = jobs[index.offset]!
    let mustWait = job.active >= job.definition.maxInstances || !job.queue.isEmpty
    let slot = runs.add(record, job: index, entry: job.entry, state: mustWait ? .waiting : .ready)
    runs.slots[slot].isStored = true
    if mustWait {
      jobs[index.offset]!.queue.append(Int32(truncatingIfNeeded: slot))
    } else {
      makeReady(slot)
    }
  }

  /// Ends what is still claimed as interrupted: the host gives up on it.
  package mutating func interruptAll(at now: Moment, into actions: inout SchedulerActions) {
    for slot in runs.activeSlots where runs.slots[slot].isClaimed {
      end(
        slot, .interrupted,
        details: AttemptDetails(error: RunError(message: "the host stopped before this run ended")), at: now, into: &actions)
    }
  }

  private mutating func deriveListeners() {
    listeners.removeAll(keepingCapacity: true)
    downstream.removeAll(keepingCapacity: true)
    for offset in jobs.indices {
      guard let definition = jobs[offset]?.definition else { continue }
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
