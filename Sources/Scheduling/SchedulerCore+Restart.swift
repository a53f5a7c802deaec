import Chronology
import Executors
package import JobModel
package import JobStores

/// What a host finds in the stores when it starts, and what it leaves there when it stops.
extension SchedulerCore {
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

  /// Waiting rows go on waiting; claimed ones are interrupted, and run again where the job asked to recover.
  private mutating func settleUnfinished(at now: Moment, into actions: inout SchedulerActions) {
    for (record, store) in unfinished.sorted(by: { $0.record.id < $1.record.id }) {
      let index = indices[record.job].flatMap { jobs[$0.offset].isOrphaned ? nil : $0 }
      if record.claimedAt == nil {
        if record.cause == .watch {
          // Its files are on the disk, without a mark.
          actions.stores[store].batch.dropped.append(record.id)
        } else if let index {
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
        if let index, jobs[index.offset].definition.recover, record.cause != .watch {
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
    guard job.definition.recover, !job.isOrphaned, run.record.cause != .watch else { return }
    accept(
      run.job, cause: .recovery, at: run.record.scheduledAt, missed: run.record.missed, params: run.record.params,
      event: run.record.event, recovers: run.record.id, now: now, into: &actions)
  }
}
