import Chronology
package import JobModel
package import Triggers

/// What a host finds in the stores when it starts, and what it leaves there when it stops.
extension SchedulerCore {
  /// Takes in what a store knew. Before the first `reconcile`.
  ///
  /// - Parameter trigger: reads the text of a trigger; nil where that cannot be done here (a zone that is not
  ///   installed). Such a schedule is kept, and does not fire.
  package mutating func restore(_ snapshot: StoreSnapshot, store: Int, reading trigger: (String) -> AnyTrigger?) {
    precondition(!isStarted, "a store is restored before the scheduler starts")
    host.nextRun = max(host.nextRun, snapshot.nextRunID.number)
    host.nextDecision = max(host.nextDecision, snapshot.nextDecision)
    host.nextAudit = max(host.nextAudit, snapshot.nextAudit)
    // Everything is paused in the first store, the default one.
    if store == 0 { host.pause = snapshot.pause }
    host.clockEpoch = max(clockEpoch, snapshot.clockEpoch)
    restart.schedules.reserveCapacity(snapshot.schedules.count)
    for record in snapshot.schedules {
      if let last = record.lastFire { host.latestWall = max(host.latestWall, last) }
      if let id = record.id {
        restoreDynamic(RestoredSchedule(record: record, store: store, trigger: record.trigger.flatMap(trigger)), id)
        continue
      }
      // A job that was moved to another store left an orphaned record behind.
      let isLeftBehind =
        record.orphanedAt != nil && restart.schedules[record.job].map { $0.record.orphanedAt == nil } == true
      if !isLeftBehind { restart.schedules[record.job] = RestoredSchedules.Entry(record: record, store: store) }
    }
    // A parked run has begun: its rates count that, as far as its row tells.
    restart.starts += snapshot.unfinished.compactMap { run in
      guard run.claimedAt == nil, let at = run.lastStartedAt else { return nil }
      return RecordedStart(job: run.job, at: at, attempts: Int(run.attempts) + 1)
    }
    restart.intents += snapshot.intents.map { ($0, store) }
    restart.unfinished += snapshot.unfinished.map { ($0, store) }
    restart.placed.formUnion(snapshot.placed)
    if snapshot.isTakeover { restart.takeovers.insert(store) }
  }

  /// Takes in when runs of jobs with a rate began. Before the start.
  package mutating func restore(_ starts: [RecordedStart]) {
    precondition(!isStarted, "starts are restored before the scheduler starts")
    restart.starts += starts
  }

  /// Of a schedule that followed its job to another store, the record that was left behind goes.
  private mutating func restoreDynamic(_ found: RestoredSchedule, _ id: String) {
    let job = found.record.job
    guard let other = restart.dynamicIDs[id],
      let position = restart.dynamic[other]?.firstIndex(where: { $0.record.id == id })
    else {
      restart.dynamicIDs[id] = job
      restart.dynamic[job, default: []].append(found)
      return
    }
    let known = restart.dynamic[other]![position]
    if known.record.orphanedAt != nil, found.record.orphanedAt == nil {
      restart.dynamic[other]!.remove(at: position)
      restart.leftBehind.append((id, known.store))
      restart.dynamicIDs[id] = job
      restart.dynamic[job, default: []].append(found)
    } else {
      restart.leftBehind.append((id, found.store))
    }
  }

  /// Begins to fire: ends what a dead host left, spreads what was missed, runs what runs at the start.
  ///
  /// - Parameter isWhole: whether all jobs have been declared. Otherwise what the stores know of others waits for them,
  ///   until `completeStart`.
  package mutating func start(at now: ClockReading, isWhole: Bool = true, into evaluation: inout Evaluation) {
    evaluation.now = now
    precondition(!isStarted, "a scheduler is started once")
    host.phase = .running
    restart.isAwaitingScripts = !isWhole
    noticeClock(&evaluation)
    recallStarts(at: now)
    resolveUnfinished(&evaluation)
    var late = 0
    for offset in jobs.indices {
      if jobs[offset].dynamic == nil, !restart.continued.contains(JobIndex(offset)) {
        runAtStart(JobIndex(offset), &evaluation)
      }
      let job = jobs[offset]
      guard !job.isOrphaned else { continue }
      if let next = job.nextFire, job.registeredAt < now.wall, next < now.wall {
        arm(JobIndex(offset), notBefore: now.wall.nanoseconds + Int64(late) * configuration.catchUpStep)
        late += 1
      }
      if job.dynamic != nil, job.isOver { jobs.markDirty(JobIndex(offset)) }
    }
    for (id, store) in restart.leftBehind { evaluation.stores[store].batch.unscheduled.append(id) }
    restart.leftBehind = []
    restart.continued = []
    if isWhole { leaveOrphans(&evaluation) }
  }

  /// All jobs have been declared: what the stores know of others is orphaned from now on. Twice is fine.
  package mutating func completeStart(at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    guard restart.isAwaitingScripts else { return }
    restart.isAwaitingScripts = false
    resolveUnfinished(&evaluation)
    leaveOrphans(&evaluation)
  }

  private mutating func leaveOrphans(_ evaluation: inout Evaluation) {
    for job in restart.dynamic.keys.sorted() {
      for position in restart.dynamic[job]!.indices where restart.dynamic[job]![position].record.orphanedAt == nil {
        restart.dynamic[job]![position].record.orphanedAt = evaluation.now.wall
        let found = restart.dynamic[job]![position]
        evaluation.stores[found.store].batch.schedules.append(found.record)
      }
    }
    let orphans = restart.schedules.sorted
    let known = orphans.count { $0.record.orphanedAt != nil }
    if known > 0 { evaluation.events.append(.orphansKept(known)) }
    for var orphan in orphans where orphan.record.orphanedAt == nil {
      orphan.record.orphanedAt = evaluation.now.wall
      restart.schedules[orphan.record.job] = orphan
      evaluation.stores[orphan.store].batch.schedules.append(orphan.record)
      evaluation.events.append(.jobOrphaned(orphan.record.job))
    }
    // Not before they were counted, nor while scripts that may declare them still load.
    forgetRestored(at: evaluation.now)
  }

  /// Waiting rows go on waiting; claimed ones are interrupted, and run again where the job asked to recover. Those of
  /// jobs that may yet be declared are left for later.
  private mutating func resolveUnfinished(_ evaluation: inout Evaluation) {
    var later: [(record: RunRecord, store: Int)] = []
    // Those that have begun and were parked, and those on other hosts first: they are instances already, and nothing
    // may take their places.
    let placed = restart.placed
    func hasBegun(_ run: RunRecord) -> Bool {
      run.startedAt != nil && run.claimedAt == nil || placed.contains(run.id)
    }
    let inOrder = restart.unfinished.sorted { a, b in
      hasBegun(a.record) != hasBegun(b.record) ? hasBegun(a.record) : a.record.id < b.record.id
    }
    for (record, store) in inOrder {
      let index = owner(of: record)
      if index == nil, restart.isAwaitingScripts {
        later.append((record, store))
        continue
      }
      if record.claimedAt == nil {
        if record.cause == .watch {
          // Its files are on the disk, without a mark.
          evaluation.stores[store].batch.dropped.append(record.id)
        } else if index == nil, record.startedAt != nil {
          // It was parked: it has begun, and its job may come back.
          restart.parked.append((record, store))
        } else if record.park != nil, let index {
          readmitParked(record, as: index, from: store)
        } else if let index {
          readmit(record, as: index, from: store)
        } else if isDueAgain(record, in: store, &evaluation) {
          evaluation.stores[store].batch.dropped.append(record.id)
        } else if record.cause == .recovery {
          // Its instant has its decision: the run that was interrupted.
          endLeftOver(
            record, .cancelled, "its job had gone when the host started again", in: store, &evaluation)
        } else {
          evaluation.stores[store].batch.dropped.append(record.id)
          var range = DecisionRange(
            job: record.job, schedule: record.schedule, kind: .skipped, reason: .orphaned, first: record.scheduledAt,
            last: record.scheduledAt, count: 1, clockEpoch: record.clockEpoch, decidedAt: evaluation.now.wall)
          range.number = host.makeDecisionNumber()
          evaluation.stores[store].batch.decisions.append(range)
        }
      } else if let index, placed.contains(record.id) {
        adopt(record, as: index, from: store, &evaluation)
      } else if placed.contains(record.id) {
        restart.elsewhere[record.id] = (record, store)
      } else {
        var lost = record
        // It may have started, once more than its row tells: rates count that after the next restart, too.
        lost.attempts += 1
        endLeftOver(
          lost, .interrupted, "the host ended while this run was claimed; it may have started", in: store, &evaluation)
        if let index, jobs[index.offset].definition.recover, record.cause != .watch {
          recover(record, as: index, &evaluation)
        }
      }
    }
    restart.unfinished = later
  }

  mutating func endLeftOver(
    _ record: RunRecord, _ outcome: Outcome, _ why: String?, in store: Int, _ evaluation: inout Evaluation
  ) {
    var ended = record
    ended.outcome = outcome
    ended.claimedAt = ended.claimedAt ?? evaluation.now.wall
    ended.finishedAt = max(evaluation.now.wall, ended.lastStartedAt ?? evaluation.now.wall)
    ended.resumesAt = nil
    if let why { ended.error = RunError(message: why) }
    evaluation.stores[store].batch.finished.append(ended)
    evaluation.events.append(.runFinished(ended))
    passOn(ended, &evaluation)
  }

  /// The last fire of a dynamic schedule waits for its job to come back: it is late then, not lost.
  private mutating func isDueAgain(
    _ record: RunRecord, in store: Int, _ evaluation: inout Evaluation
  ) -> Bool {
    guard record.cause == .schedule, let id = record.schedule, let job = restart.dynamicIDs[id],
      let position = restart.dynamic[job]?.firstIndex(where: { $0.record.id == id })
    else { return false }
    var schedule = restart.dynamic[job]![position].record
    guard schedule.nextFire == nil else { return false }
    schedule.nextFire = record.scheduledAt
    schedule.orphanedAt = schedule.orphanedAt ?? evaluation.now.wall
    restart.dynamic[job]![position].record = schedule
    evaluation.stores[store].batch.schedules.append(schedule)
    return true
  }

  /// Whose an unfinished run is: a dynamic schedule, or, if that is gone, its job. nil: the job is gone.
  func owner(of record: RunRecord) -> JobIndex? {
    if let id = record.schedule, let index = jobs.dynamic[id], !jobs[index.offset].isOrphaned,
      jobs[index.offset].definition.name == record.job
    {
      return index
    }
    return index(of: record.job).flatMap { jobs[$0.offset].isOrphaned ? nil : $0 }
  }

  /// A waiting row of the last host: accepted already, so it keeps its id and its row.
  mutating func readmit(_ record: RunRecord, as index: JobIndex, from store: Int) {
    var job = jobs[index.offset]
    job.store = Int16(store)
    let mustWait = job.active >= job.definition.maxInstances || !job.queue.isEmpty
    let slot = runs.add(record, job: index, entry: job.entry, store: job.store, state: mustWait ? .waiting : .ready)
    runs.slots[slot].row = .waiting
    // One that was parked has begun already.
    runs.slots[slot].retries = record.attempts
    if mustWait {
      jobs[index.offset].queue.append(Int32(truncatingIfNeeded: slot))
    } else {
      makeReady(slot)
    }
  }

  /// Ends what is still claimed as interrupted: the host gives up on it, and on what is being claimed.
  package mutating func interruptAll(at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    host.phase = .over
    for slot in runs.activeSlots where runs.slots[slot].row == .claim && !isOutboxUnderWay(slot) {
      interrupt(slot, &evaluation)
    }
  }

  /// Ends a claimed run that this host will not bring to its end. Where the job asked to recover, a run that makes good
  /// for it waits in the store for the next host.
  mutating func interrupt(
    _ slot: Int, saying message: String = "the host stopped before this run ended", _ evaluation: inout Evaluation
  ) {
    if runs.slots[slot].state == .running || runs.slots[slot].state == .stuck {
      // Its executor will report no more: what it took is what has passed.
      let began = runs.slots[slot].record.lastStartedAt ?? evaluation.now.wall
      runs.slots[slot].record.duration += max(0, evaluation.now.wall.nanoseconds(since: began))
    }
    let run = runs.slots[slot]
    let why = RunError(message: message)
    end(slot, .interrupted, details: AttemptDetails(error: why), &evaluation)
    let job = jobs[run.job.offset]
    guard job.definition.recover, !job.isOrphaned, run.record.cause != .watch else { return }
    recover(run.record, as: run.job, &evaluation)
  }

  /// A run that makes good for an interrupted one, and has the steps that that one did.
  private mutating func recover(_ record: RunRecord, as index: JobIndex, _ evaluation: inout Evaluation) {
    let heir = accept(
      index, cause: .recovery, at: record.scheduledAt, missed: record.missed, params: record.params,
      event: record.event, recovers: record.id, &evaluation)
    if let heir { inheritSteps(from: record.id, to: heir, of: index, &evaluation) }
  }

  /// In the store of the job as it is now: a job that is moved to another store begins anew with its steps.
  func inheritSteps(from run: RunID, to heir: RunID, of index: JobIndex, _ evaluation: inout Evaluation) {
    evaluation.stores[Int(jobs[index.offset].store)].batch.steps.append(
      .inherit(StepInheritance(from: run, to: heir)))
  }
}
