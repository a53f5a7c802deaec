internal import Basics
package import Chronology
package import JobModel
import Triggers

/// Old definitions × new definitions → added, changed, orphaned.
extension SchedulerCore {
  package struct Reconciliation: Sendable, Equatable {
    package var added = 0
    package var changed = 0
    package var unchanged = 0
    package var orphaned = 0
    package init() {}
  }

  /// Makes `definitions` the whole set of declared jobs: the swap of a reload, and the first load.
  ///
  /// Names are unique in `definitions`. A job equal to what it was is left alone. A job that is not among them is
  /// orphaned: kept, not fired, until it returns.
  @discardableResult
  package mutating func reconcile(
    _ definitions: [JobDefinition], at now: ClockReading, into evaluation: inout Evaluation
  ) -> Reconciliation {
    evaluation.now = now
    noticeClock(&evaluation)
    var result = Reconciliation()
    var declared: ContiguousArray<JobIndex> = []
    declared.reserveCapacity(definitions.count)
    // Jobs whose dynamic schedules must follow them. No set, though each is in it once: to hash a job that changed was
    // 990 instructions.
    var moved: [JobIndex] = []
    jobs.reserveCapacity(definitions.count)
    for definition in definitions {
      declared.append(take(definition, &moved, &result, &evaluation))
    }
    var isDeclared = ContiguousArray(repeating: false, count: jobs.count)
    for index in declared { isDeclared[index.offset] = true }
    for offset in jobs.indices where !jobs[offset].isOrphaned && jobs[offset].dynamic == nil && !isDeclared[offset] {
      orphan(JobIndex(offset), &evaluation)
      moved.append(JobIndex(offset))
      result.orphaned += 1
    }
    jobs.examined += jobs.count
    if !moved.isEmpty { followBases(moved, &evaluation) }
    refreshListeners()
    return result
  }

  /// Adds a declared job, or gives the one of that name this definition.
  ///
  /// - Parameter moved: gets the job when its dynamic schedules must follow it.
  @discardableResult
  mutating func take(
    _ definition: JobDefinition, _ moved: inout [JobIndex], _ result: inout Reconciliation,
    _ evaluation: inout Evaluation
  ) -> JobIndex {
    jobs.examined += 1
    guard let index = index(of: definition.name) else {
      result.added += 1
      return register(definition, firstFire: nil, &evaluation)
    }
    let before = jobs[index.offset].entry.definition
    if update(index, to: definition, &evaluation) { result.changed += 1 } else { result.unchanged += 1 }
    if !jobs[index.offset].definition.isSame(as: before) { moved.append(index) }
    return index
  }

  /// Adds one job, due first at `firstFire` even if that is past (a one-off made at run time is due at once); nil: by
  /// its trigger.
  @discardableResult
  package mutating func add(
    _ definition: JobDefinition, firstFire: Instant?, at now: ClockReading, into evaluation: inout Evaluation
  ) -> JobIndex {
    evaluation.now = now
    precondition(index(of: definition.name) == nil, "job \(definition.name) exists already")
    let index = register(definition, firstFire: firstFire, &evaluation)
    refreshListeners()
    return index
  }

  /// Declares one job beside those that are there: adds it, or gives the one of that name another definition.
  package mutating func declare(_ definition: JobDefinition, at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    noticeClock(&evaluation)
    guard let index = index(of: definition.name) else {
      add(definition, firstFire: nil, at: evaluation.now, into: &evaluation)
      return
    }
    update(index, to: definition, &evaluation)
    refreshListeners()
    followBases([index], &evaluation)
  }

  /// Takes one declared job away, as a reload does that does not declare it any more.
  package mutating func withdraw(
    _ name: String, at now: ClockReading, into evaluation: inout Evaluation
  ) throws(Refusal) {
    evaluation.now = now
    let index = try liveJob(name)
    noticeClock(&evaluation)
    orphan(index, &evaluation)
    followBases([index], &evaluation)
  }

  private mutating func register(
    _ definition: JobDefinition, firstFire: Instant?, _ evaluation: inout Evaluation
  ) -> JobIndex {
    let entry = JobEntry(definition)
    var job = ScheduledJob(
      entry: entry, trigger: nil, nextFire: nil, lastFire: nil, anchor: nil, fireCount: 0,
      registeredAt: evaluation.now.wall,
      isPaused: false, orphanedAt: nil, store: storeIndex(definition), executor: executorIndex(definition),
      hash: StableHash.of(definition.name))
    let found = restart.schedules.isEmpty ? nil : restart.schedules.take(definition.name)
    let known = found?.record
    if let known {
      adopt(known, into: &job, at: evaluation.now)
    } else {
      job.anchor = evaluation.now.wall
      job.trigger = definition.trigger?.anchored(at: evaluation.now.wall)
      if let firstFire { job.nextFire = firstFire } else { job.seek(after: evaluation.now.wall) }
    }
    let index = jobs.add(job)
    listeners.noteChange(of: index, from: nil, to: definition)
    if let known { listeners.adopt(known.arrivals, at: index, of: definition.afterAll) }
    assignLimiterQueue(index, isNew: true)
    if let known, known.clockEpoch < clockEpoch { rearm(index, &evaluation) }
    if known?.orphanedAt != nil { skipOrphaned(index, &evaluation) }
    arm(index)
    if let firstFire, firstFire <= evaluation.now.wall {
      due.set(index, due: firstFire.nanoseconds, in: dueQueue(of: index))
    }
    // At a restart most schedules stand where the store knows them to.
    if found?.store != Int(job.store) || known != scheduleRecord(of: index) {
      jobs.keep(index)
    }
    if let found, found.store != Int(job.store) { leave(found.record, in: found.store, &evaluation) }
    if known?.orphanedAt != nil {
      evaluation.events.append(.jobResumedFromOrphan(definition.name, nextFire: jobs[index.offset].nextFire))
    } else if known == nil, isStarted {
      evaluation.events.append(.jobAdded(definition.name, nextFire: jobs[index.offset].nextFire))
    }
    // A script that loads late at a start is part of that start.
    let isLate = restart.isAwaitingScripts && known?.orphanedAt == nil
    let isContinued = found.map { restart.takeovers.contains($0.store) } ?? false
    if isContinued, !isStarted { restart.continued.insert(index) }
    if isStarted, known == nil || isLate && !isContinued { runAtStart(index, &evaluation) }
    resumeSchedules(of: index, &evaluation)
    if !restart.parked.isEmpty { adoptParked(of: definition.name) }
    if !restart.elsewhere.isEmpty { adoptElsewhere(of: definition.name, &evaluation) }
    return index
  }

  /// A schedule that a store knows: it goes on where it stood, unless the script was edited meanwhile.
  private mutating func adopt(_ known: ScheduleRecord, into job: inout ScheduledJob, at now: ClockReading) {
    job.registeredAt = known.registeredAt
    job.lastFire = known.lastFire
    job.fireCount = known.fireCount
    job.isPaused = known.isPaused
    job.pause = known.pause
    job.anchor = known.anchor
    let definition = job.definition
    if jobs.texts.text(of: definition.trigger) == known.trigger {
      job.trigger = definition.trigger?.anchored(at: known.anchor ?? known.registeredAt)
      job.nextFire = known.nextFire
      // Either it has ended, which is seen at once, or its search had broken off and begins again.
      if known.nextFire == nil, known.fireCount < definition.limit ?? .max {
        job.seek(after: known.orphanedAt == nil ? known.lastFire ?? known.registeredAt : now.wall)
      }
      Self.revive(&job, at: now)
    } else {
      Self.edit(&job, to: definition, at: now)
    }
  }

  /// A schedule that had ended at its limit goes on when the limit was raised or taken away.
  private static func revive(_ job: inout ScheduledJob, at now: ClockReading) {
    guard job.nextFire == nil, job.searchedTo == nil, job.fireCount > 0, job.fireCount < job.definition.limit ?? .max
    else {
      return
    }
    job.seek(after: now.wall)
  }

  /// The record of a job that another store keeps from now on stays behind, orphaned.
  func leave(_ record: ScheduleRecord, in store: Int, _ evaluation: inout Evaluation) {
    var record = record
    record.orphanedAt = record.orphanedAt ?? evaluation.now.wall
    evaluation.stores[store].batch.schedules.append(record)
  }

  /// A new trigger for a schedule: its next fire is computed from now; an interval keeps its last fire as the start of
  /// the new interval while that lies ahead. (Static: a method that takes a job in place by `&jobs[…]` would be given a
  /// copy of the whole table.)
  private static func edit(_ job: inout ScheduledJob, to definition: JobDefinition, at now: ClockReading) {
    job.fireCount = 0
    guard let trigger = definition.trigger else {
      job.trigger = nil
      job.end()
      return
    }
    if let interval = trigger.intervalNanoseconds, trigger.needsAnchor {
      let fromLast = job.lastFire?.advanced(byNanoseconds: interval)
      let next = fromLast.flatMap { $0 > now.wall ? $0 : nil } ?? now.wall.advanced(byNanoseconds: interval)
      job.anchor = next
      job.trigger = trigger.anchored(at: next)
      job.searchedTo = nil
      job.nextFire = next
    } else {
      job.trigger = trigger.anchored(at: job.anchor ?? now.wall)
      job.seek(after: now.wall)
    }
  }

  /// - Returns: whether anything changed.
  @discardableResult
  private mutating func update(
    _ index: JobIndex, to definition: JobDefinition, _ evaluation: inout Evaluation
  ) -> Bool {
    // Its definition and no more of it: a copy of the job is 400 instructions.
    let old = jobs[index.offset].entry.definition
    let wasOrphaned = jobs[index.offset].isOrphaned
    let code = old.payload.difference(from: definition.payload)
    let sameOptions = old.hasSameOptions(as: definition)
    if wasOrphaned {
      jobs[index.offset].orphanedAt = nil
      skipOrphaned(index, &evaluation)
      evaluation.events.append(.jobResumedFromOrphan(definition.name, nextFire: jobs[index.offset].nextFire))
    } else if case .none = code, sameOptions {
      // Only its location in the file may differ.
      if old.source != definition.source {
        jobs[index.offset].entry = JobEntry(keepingCode(old, definition))
      }
      return false
    }
    // What is due already belongs to the old definition.
    if isStarted, !isDraining, let next = jobs[index.offset].nextFire, next <= evaluation.now.wall {
      fire(index, &evaluation)
    }
    jobs[index.offset].entry = JobEntry(definition)
    listeners.noteChange(of: index, from: old, to: definition)
    jobs[index.offset].executor = executorIndex(definition)
    assignLimiterQueue(index)
    move(index, to: storeIndex(definition), &evaluation)
    // Another jitter, zone or limit does not move the fire times.
    if old.trigger != definition.trigger {
      Self.edit(&jobs[index.offset], to: definition, at: evaluation.now)
    } else {
      Self.revive(&jobs[index.offset], at: evaluation.now)
    }
    arm(index)
    jobs.keep(index)
    if !wasOrphaned {
      evaluation.events.append(.jobChanged(definition.name, nextFire: jobs[index.offset].nextFire))
    }
    return true
  }

  /// What is active stays with the store that has its rows.
  mutating func move(_ index: JobIndex, to store: Int16, _ evaluation: inout Evaluation) {
    let job = jobs[index.offset]
    guard store != job.store else { return }
    leave(scheduleRecord(of: index), in: Int(job.store), &evaluation)
    jobs[index.offset].store = store
    jobs[index.offset].latestRange = nil
  }

  /// Where a schedule stands, as a store keeps it.
  mutating func scheduleRecord(of index: JobIndex) -> ScheduleRecord {
    let arrivals = listeners.arrivals.isEmpty ? [] : listeners.arrivals[index] ?? []
    return jobs.record(of: index, clockEpoch: clockEpoch, arrivals: arrivals)
  }

  private func keepingCode(_ old: JobDefinition, _ definition: JobDefinition) -> JobDefinition {
    var kept = definition
    kept.payload = old.payload
    return kept
  }

  mutating func orphan(_ index: JobIndex, _ evaluation: inout Evaluation) {
    if isStarted, !isDraining, let next = jobs[index.offset].nextFire, next <= evaluation.now.wall {
      fire(index, &evaluation)
    }
    jobs[index.offset].orphanedAt = evaluation.now.wall
    due.remove(index)
    jobs.keep(index)
    if jobs[index.offset].dynamic == nil { evaluation.events.append(.jobOrphaned(jobs[index.offset].definition.name)) }
  }

  /// What fell due while the job was gone is one range.
  mutating func skipOrphaned(_ index: JobIndex, _ evaluation: inout Evaluation) {
    let job = jobs[index.offset]
    guard let trigger = job.trigger else { return }
    guard let first = job.nextFire else {
      if let searched = job.searchedTo, searched < evaluation.now.wall {
        jobs[index.offset].seek(after: evaluation.now.wall)
      }
      return
    }
    guard first <= evaluation.now.wall else { return }
    // The last fire of a dynamic schedule is somebody's only one: it is late, not lost.
    if job.dynamic != nil, case .never = trigger.nextFire(after: first) { return }
    let span = trigger.span(from: first, through: evaluation.now.wall, countingTo: SchedulingLimits.countedInstants)
    jobs[index.offset].lastFire = span.last
    jobs[index.offset].seek(after: evaluation.now.wall)
    record(.skipped, .orphaned, span, of: index, &evaluation)
  }

  /// Events and the ends of other jobs reach the definitions of now. O(what changed since).
  mutating func refreshListeners() { jobs.examined += listeners.refresh(from: jobs) }

  private func storeIndex(_ definition: JobDefinition) -> Int16 {
    // The loader checked the name; a store that a reload took away falls back to the default.
    Int16(stores.names.firstIndex(of: definition.store) ?? 0)
  }

  private func executorIndex(_ definition: JobDefinition) -> Int16 {
    Int16(configuration.executors.firstIndex(of: definition.executor) ?? 0)
  }
}
