internal import Basics
import Chronology
package import JobModel
import Triggers

/// The way of a run: fire → decide → accept → claim → dispatch → finish.
///
/// Each step here is the step itself; what it needs to know stands in the file that its comment names. A run may leave
/// the way at each of them: its instant is then a decision (`record`), or the run ends.
extension SchedulerCore {
  // MARK: 1. Fire (searches, several instants at once: +Firing; what waits for an instance: +Backlog)

  /// Decides every instant of `job` that is due, and arms the next one.
  ///
  /// - Parameter isNextInLine: it is the job's turn, and nothing else asks for a decision: what waits for an instance
  ///   anyway is left due (`fireNext`).
  mutating func fire(_ index: JobIndex, isNextInLine: Bool = false, _ evaluation: inout Evaluation) {
    let offset = index.offset
    guard !jobs[offset].isOrphaned, let trigger = jobs[offset].trigger else { return due.remove(index) }
    guard let first = jobs[offset].nextFire else { return searchOn(index, &evaluation) }
    // A moved due time (catch-up spread) may come before the fire time's own: then it is only armed.
    guard due(first, of: offset) <= evaluation.now.wall.nanoseconds else { return arm(index) }
    defer { noteEnd(index, &evaluation) }
    if isNextInLine, queuesDue(offset) { return fireNext(index, trigger, first, &evaluation) }
    jobs[offset].isBacklogged = false
    let following = trigger.nextFire(after: first)
    let isLast: Bool
    if case .at(let following) = following {
      isLast = due(following, of: offset) > evaluation.now.wall.nanoseconds
    } else {
      isLast = true
    }
    if isLast {
      move(index, past: first, to: following)
      decide(DueSpan(first: first, last: first, count: 1, isAtLeast: false), of: index, &evaluation)
    } else {
      fireMany(index, trigger: trigger, from: first, &evaluation)
    }
    arm(index)
  }

  // MARK: 2. Decide

  /// One instant, or a span of a job that runs none of them.
  mutating func decide(_ span: DueSpan, of index: JobIndex, _ evaluation: inout Evaluation) {
    let entry = jobs[index.offset].entry
    if isPaused(index.offset) { return record(.skipped, .paused, span, of: index, &evaluation) }
    if !entry.definition.enabled { return record(.skipped, .disabled, span, of: index, &evaluation) }
    if let grace = entry.definition.misfireGraceTime, lateness(span.first, of: index.offset, at: evaluation.now) > grace
    {
      return record(.misfired, nil, span, of: index, &evaluation)
    }
    accept(index, fireTime: span.first, missed: 0, &evaluation)
  }

  // MARK: 3. Accept (what must wait: +Overlap; groups and rates: +Limits, +Choosing)

  /// Takes on a run for one of the trigger's instants, as far as the job's `limit` lets it.
  @discardableResult
  mutating func accept(
    _ index: JobIndex, fireTime: Instant, missed: Int, _ evaluation: inout Evaluation
  ) -> RunID? {
    if jobs[index.offset].hasReachedLimit {
      // Only a limit that was lowered below what has fired already gets here.
      record(.skipped, .limit, instant: fireTime, of: index, &evaluation)
      jobs[index.offset].end()
      return nil
    }
    jobs[index.offset].countFire()
    return accept(index, cause: .schedule, at: fireTime, missed: missed, &evaluation)
  }

  /// Takes on a run of `index`, now or when the overlap policy lets it. nil: it was decided otherwise (and recorded).
  @discardableResult
  mutating func accept(
    _ index: JobIndex, cause: RunCause, at fireTime: Instant, missed: Int = 0, params: JSONText? = nil,
    event: JSONText? = nil, recovers: RunID? = nil, overlap policy: OverlapPolicy? = nil,
    _ evaluation: inout Evaluation
  ) -> RunID? {
    // Here and below, only what is needed is read from a job or a run: a copy of the whole counts a reference for each
    // of its strings and arrays.
    let entry = jobs[index.offset].entry
    let waiting = jobs[index.offset].queue.count
    let mustWait = jobs[index.offset].active >= entry.definition.maxInstances || waiting > 0
    // A recovery's instant has its decision, the interrupted run: it is not skipped but waits, whatever the policy.
    let overlap = policy ?? entry.definition.overlap
    if mustWait, cause != .recovery,
      overlap == .skip || (overlap == .queue && waiting >= SchedulingLimits.queueDepth)
    {
      let reason: SkipReason = overlap == .skip ? .overlap : .limit
      record(
        .skipped, reason, instant: fireTime, of: index, isAboutFireTimes: cause == .schedule, &evaluation)
      return nil
    }
    let id = host.makeRunID()
    var record = RunRecord(id: id, job: entry.definition.name, cause: cause, scheduledAt: fireTime)
    record.clockEpoch = clockEpoch
    record.missed = missed
    if jobs[index.offset].dynamic != nil, let dynamic = jobs[index.offset].dynamic {
      record.schedule = dynamic.id
      if let own = params ?? dynamic.options.params { record.params = own }
    } else if params != nil {
      record.params = params
    }
    if event != nil { record.event = event }
    if recovers != nil { record.recovers = recovers }
    let slot = runs.add(
      record, job: index, entry: entry, store: jobs[index.offset].store, state: mustWait ? .waiting : .ready)
    jobs[index.offset].unstored += 1
    jobs[index.offset].endRangeOfOtherInstants()
    if mustWait {
      enqueue(slot, of: index, overlap, &evaluation)
    } else {
      makeReady(slot)
    }
    if cause == .schedule { counters.fired() }
    if cause != .schedule { runs.unflushed.append(runs.token(slot)) }
    endJoin(index)
    return id
  }

  // MARK: 4. Claim (what is too late, what the store refuses: +ClaimFailures)

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
      if runs.slots[slot].cancellation != .none {
        end(slot, .cancelled, details: nil, &evaluation)
      } else if jobs[index.offset].limiterQueue != nil, !isChosen(slot) {
        continue
      } else if runs.slots[slot].row == .claim {
        // The next attempt. Before it begins its row tells of those before: after a crash, and on another host that
        // leads, it is all that attempts and rates are counted by. And no row is on its way that is older than its end.
        handToStore(slot, &evaluation)
      } else if jobs[index.offset].isGone, runs.slots[slot].record.startedAt == nil {
        // A claim that the store refused, of a schedule that was unscheduled meanwhile.
        reject(slot, .unscheduled, &evaluation)
      } else if isTooLate(slot, at: evaluation.now) {
        misfire(slot, &evaluation)
      } else {
        claim(slot, &evaluation)
      }
    }
  }

  /// A run's first claim goes to its store with the rest of the batch.
  private mutating func claim(_ slot: Int, _ evaluation: inout Evaluation) {
    let index = runs.slots[slot].job
    if runs.slots[slot].row == .none { jobs[index.offset].unstored -= 1 }
    runs.slots[slot].record.claimedAt = evaluation.now.wall
    handToStore(slot, &evaluation)
    if configuration.tellsRuns {
      let record = runs.slots[slot].record
      evaluation.events.append(.runClaimed(record.id, job: record.job, scheduledAt: record.scheduledAt))
    }
    if runs.slots[slot].record.cause == .schedule { jobs.markDirty(index) }
  }

  private mutating func handToStore(_ slot: Int, _ evaluation: inout Evaluation) {
    let store = Int(runs.slots[slot].store)
    takeGroupSlot(slot)
    runs.move(slot, to: .claiming)
    runs.inWindow += 1
    evaluation.stores[store].batch.claims.append(runs.slots[slot].record)
    evaluation.stores[store].claims.append(runs.token(slot))
  }

  // MARK: 5. Dispatch

  /// The claims are on disk: their runs may start.
  package mutating func committed(_ tokens: [RunToken], at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    for token in tokens {
      guard let slot = runs.slot(token), runs.slots[slot].state == .claiming else { continue }
      runs.slots[slot].row = .claim
      if runs.slots[slot].cancellation != .none {
        end(slot, .cancelled, details: nil, &evaluation)
      } else if isOver {
        interrupt(slot, &evaluation)
      } else {
        dispatch(slot, &evaluation)
      }
    }
  }

  /// Hands a claimed run to its executor, under its job's newest definition.
  mutating func dispatch(_ slot: Int, _ evaluation: inout Evaluation) {
    let wasInWindow = runs.slots[slot].state.isInWindow
    runs.move(slot, to: .dispatched)
    if !wasInWindow { runs.inWindow += 1 }
    handOver(slot, &evaluation)
  }

  /// Makes the order of a dispatched run.
  mutating func handOver(_ slot: Int, _ evaluation: inout Evaluation) {
    let offset = runs.slots[slot].job.offset
    let entry = jobs[offset].entry
    let executor = jobs[offset].executor
    runs.slots[slot].entry = entry
    runs.slots[slot].executor = executor
    let scheduledAt = runs.slots[slot].record.scheduledAt
    let attempts = runs.slots[slot].record.attempts
    var startBefore: Instant?
    if runs.slots[slot].record.cause == .schedule, attempts == 0, let grace = entry.definition.misfireGraceTime,
      runs.slots[slot].record.startedAt == nil
    {
      startBefore = Instant(nanoseconds: due(scheduledAt, of: offset)).advanced(byNanoseconds: grace)
    }
    evaluation.orders[Int(executor)].append(
      RunOrder(
        token: runs.token(slot), id: runs.slots[slot].record.id, job: entry, attempt: attempts + 1,
        scheduledAt: scheduledAt,
        missed: runs.slots[slot].record.missed, startBefore: startBefore,
        context: runs.slots[slot].isPlain && runs.slots[slot].record.startedAt == nil
          ? nil : OrderContext(runs.slots[slot].record, store: movedStore(of: slot))))
  }

  /// The store of a run, where its job has another one by now.
  private func movedStore(of slot: Int) -> String? {
    let store = runs.slots[slot].store
    return store == jobs[runs.slots[slot].job.offset].store ? nil : stores.names[Int(store)]
  }

  // MARK: 6. Finish (retries: +Attempts; the jobs after it: +Upstreams; its files: +Files)

  /// Takes executors' reports, in the order in which each run's were made.
  package mutating func report(_ reports: [RunReport], at now: ClockReading, into evaluation: inout Evaluation) {
    evaluation.now = now
    for report in reports {
      guard let slot = runs.slot(report.token) else {
        noteFailureHook(report, &evaluation)
        continue
      }
      switch report.kind {
      case .started: begin(slot, report, &evaluation)
      case .late where runs.slots[slot].state == .dispatched:
        runs.inWindow -= 1
        misfire(slot, &evaluation)
      case .late: continue
      case .stuck where runs.slots[slot].state == .running:
        runs.move(slot, to: .stuck)
        evaluation.events.append(.runStuck(runs.slots[slot].record.id, job: runs.slots[slot].record.job))
      case .stuck: continue
      case .lost:
        switch runs.slots[slot].state {
        case .dispatched, .running, .stuck: lose(slot, report, &evaluation)
        default: continue
        }
      case .ended:
        begin(slot, report, &evaluation)
        endAttempt(slot, report, &evaluation)
      }
    }
  }

  private mutating func begin(
    _ slot: Int, _ report: RunReport, _ evaluation: inout Evaluation
  ) {
    guard runs.slots[slot].state == .dispatched else { return }
    // A queued order that was cancelled ends without having started: it is not an attempt. One that parks is.
    guard
      report.kind == .started || report.outcome != .cancelled || report.duration > 0 || report.details?.park != nil
    else { return }
    runs.move(slot, to: .running)
    noteStart(slot, at: evaluation.now)
    runs.inWindow -= 1
    if runs.slots[slot].record.startedAt == nil {
      runs.slots[slot].record.startedAt = report.startedAt
      if runs.slots[slot].record.cause == .schedule {
        let (scheduledAt, index) = (runs.slots[slot].record.scheduledAt, runs.slots[slot].job)
        let dueAt = Instant(nanoseconds: due(scheduledAt, of: index.offset))
        let late = report.startedAt.nanoseconds(since: dueAt)
        counters.started(late: late)
      }
    } else {
      runs.slots[slot].record.retriedAt = report.startedAt
      runs.slots[slot].record.resumesAt = nil
    }
    runs.slots[slot].record.attempts += 1
    if configuration.tellsRuns {
      let record = runs.slots[slot].record
      evaluation.events.append(.runStarted(record.id, job: record.job, attempt: Int(record.attempts)))
    }
  }

  mutating func endAttempt(
    _ slot: Int, _ report: RunReport, _ evaluation: inout Evaluation
  ) {
    runs.slots[slot].record.duration += report.duration
    runs.slots[slot].record.memoryPeakBytes = max(runs.slots[slot].record.memoryPeakBytes, report.memoryPeakBytes)
    if let details = report.details {
      if let step = details.park, mayPark(slot) { return park(slot, at: step, &evaluation) }
      if let outbox = details.outbox, report.outcome == .succeeded, runs.slots[slot].state == .running {
        return commitOutbox(slot, outbox, report, &evaluation)
      }
    }
    if let delay = delayBeforeRetry(slot, report) {
      return retry(slot, after: delay, report, &evaluation)
    }
    if report.outcome == .cancelled, runs.slots[slot].cancellation == .leaseEnded {
      return interrupt(
        slot, saying: "the host could not renew its lease on the store before this run ended", &evaluation)
    }
    end(slot, report.outcome, details: report.details, &evaluation)
  }

  /// Ends a run with its outcome: its row is completed, its slot is free.
  mutating func end(
    _ slot: Int, _ outcome: Outcome, details: AttemptDetails?, _ evaluation: inout Evaluation
  ) {
    if runs.slots[slot].state.isInWindow { runs.inWindow -= 1 }
    let index = runs.slots[slot].job
    runs.slots[slot].record.outcome = outcome
    // The start was read on a worker, after the reading that this tick works with.
    var started = runs.slots[slot].record.startedAt
    // Asked for the last start only where there may have been several (attempts, or a claim after a park): the answer
    // copies the record.
    if runs.slots[slot].record.attempts > 1 || runs.slots[slot].record.claimedAt.map({ $0 > started ?? $0 }) == true {
      started = runs.slots[slot].record.lastStartedAt
    }
    runs.slots[slot].record.finishedAt = max(evaluation.now.wall, started ?? evaluation.now.wall)
    runs.slots[slot].record.resumesAt = nil
    if runs.slots[slot].record.claimedAt == nil { runs.slots[slot].record.claimedAt = evaluation.now.wall }
    if let details {
      if let error = details.error { runs.slots[slot].record.error = error }
      if let result = details.result, outcome == .succeeded { runs.slots[slot].record.result = result }
    }
    jobs[(jobs[index.offset].base ?? index).offset].lastOutcome = outcome
    countEnd(of: index, outcome, after: runs.slots[slot].record.duration)
    let isCounted = runs.slots[slot].state.isCounted
    let cause = runs.slots[slot].record.cause
    if runs.slots[slot].row == .none, runs.slots[slot].state == .ready || !isCounted {
      jobs[index.offset].unstored -= 1
      // No claim and no waiting row has told the store yet that the schedule moved past this instant; this row does.
      if cause == .schedule { jobs.markDirty(index) }
    }
    if cause == .watch { runs.slots[slot].record.event = recordedEvent(of: slot) }
    evaluation.stores[Int(runs.slots[slot].store)].batch.finished.append(runs.slots[slot].record)
    if configuration.tellsRuns || outcome != .succeeded {
      evaluation.events.append(.runFinished(runs.slots[slot].record))
    }
    if cause == .watch { endFiles(of: slot, outcome, &evaluation) }
    leaveLimiterQueue(slot)
    releaseGroupSlot(slot)
    let ended = listeners.downstream.isEmpty ? nil : runs.slots[slot].record
    runs.remove(slot)
    if isCounted { releaseInstance(of: index, &evaluation) }
    if jobs[index.offset].dynamic != nil { jobs.markDirty(index) }
    if let ended { passOn(ended, &evaluation) }
  }
}
