import Chronology
import JobModel
import Triggers

/// Due instants → misfired, coalesced, skipped, accepted.
extension SchedulerCore {
  /// Says that a schedule has no further fire, once it has decided its last one.
  func noteEnd(_ index: JobIndex, _ evaluation: inout Evaluation) {
    guard jobs[index.offset].nextFire == nil, jobs[index.offset].searchedTo == nil, jobs[index.offset].dynamic == nil
    else { return }
    evaluation.events.append(.scheduleEnded(jobs[index.offset].entry.definition.name))
  }

  /// The search for the next fire (`all_of`, `except`, `shift`) ended without an answer, and the clock comes near to
  /// where: goes on from there.
  mutating func searchOn(_ index: JobIndex, _ evaluation: inout Evaluation) {
    guard let searched = jobs[index.offset].searchedTo else { return due.remove(index) }
    let soonest = evaluation.now.wall.nanoseconds + SearchPace.pause
    guard due.searches < SearchPace.perTick else { return due.set(index, due: soonest, in: dueQueue(of: index)) }
    due.searches += 1
    jobs[index.offset].seek(after: searched)
    noteEnd(index, &evaluation)
    if jobs[index.offset].nextFire == nil {
      arm(index, notBefore: soonest)
    } else {
      arm(index)
      jobs.keep(index)
    }
  }

  /// Several instants found due in one evaluation: late ones are misfired, the rest coalesced.
  mutating func fireMany(
    _ index: JobIndex, trigger: AnyTrigger, from first: Instant, _ evaluation: inout Evaluation
  ) {
    let end = latestDue(of: index.offset, trigger, from: first, at: evaluation.now)
    move(index, past: end, to: trigger.nextFire(after: end))
    if isRefused(index) {
      let span = trigger.span(from: first, through: end, countingTo: SchedulingLimits.countedInstants)
      return decide(span, of: index, &evaluation)
    }
    var start: Instant? = first
    if let last = lastTooLate(index.offset, trigger, from: first, through: end, at: evaluation.now) {
      let span = trigger.span(from: first, through: last, countingTo: SchedulingLimits.countedInstants)
      record(.misfired, nil, span, of: index, &evaluation)
      // A search that breaks off before `end` passes over what it did not find; `end` is known.
      start = trigger.next(after: last) ?? (last < end ? end : nil)
    }
    guard let start, start <= end else { return }
    coalesce(index, trigger: trigger, from: start, through: end, &evaluation)
  }

  /// The last instant that is due, given the first. It may be due by its fire time and not yet by its jitter.
  func latestDue(of offset: Int, _ trigger: AnyTrigger, from first: Instant, at now: ClockReading) -> Instant {
    let end = trigger.latest(from: first, through: now.wall)
    guard due(end, of: offset) > now.wall.nanoseconds else { return end }
    return trigger.latest(from: first, through: end.advanced(byNanoseconds: -1))
  }

  /// The last of the instants from `first` to `end` that is due for longer than the job's grace; nil: none is.
  func lastTooLate(
    _ offset: Int, _ trigger: AnyTrigger, from first: Instant, through end: Instant, at now: ClockReading
  ) -> Instant? {
    guard let grace = jobs[offset].entry.definition.misfireGraceTime else { return nil }
    let job = jobs[offset]
    let oldest = now.wall.advanced(byNanoseconds: 0 &- grace)
    // Past dates that were given just now.
    if job.dynamic != nil, job.registeredAt >= oldest { return nil }
    guard first < oldest else { return nil }
    let last = trigger.latest(from: first, through: min(end, oldest.advanced(byNanoseconds: -1)))
    // Jitter may have made it due later than its fire time, but not those before it: jitter never reaches the next fire
    // time.
    guard job.due(last) >= oldest.nanoseconds else { return last }
    return last > first ? trigger.latest(from: first, through: last.advanced(byNanoseconds: -1)) : nil
  }

  private mutating func coalesce(
    _ index: JobIndex, trigger: AnyTrigger, from start: Instant, through end: Instant, _ evaluation: inout Evaluation
  ) {
    let entry = jobs[index.offset].entry
    let limit = SchedulingLimits.countedInstants
    switch entry.definition.coalesce {
    case .latest, .earliest:
      let span = trigger.span(from: start, through: end, countingTo: limit)
      guard span.count > 1 else {
        accept(index, fireTime: start, missed: 0, &evaluation)
        return
      }
      let earliest = entry.definition.coalesce == .earliest
      let rest =
        earliest
        ? trigger.span(from: trigger.next(after: start)!, through: end, countingTo: limit)
        : trigger.span(
          from: start, through: trigger.latest(from: start, through: end.advanced(byNanoseconds: -1)), countingTo: limit
        )
      let run = accept(index, fireTime: earliest ? start : end, missed: rest.count, &evaluation)
      record(.coalesced, nil, rest, of: index, run: run, &evaluation)
    case .all:
      let instants = trigger.lastInstants(entry.definition.catchUpMax, from: start, through: end)
      if let oldest = instants.first, oldest > start {
        let before = trigger.latest(from: start, through: oldest.advanced(byNanoseconds: -1))
        let span = trigger.span(from: start, through: before, countingTo: limit)
        record(.skipped, .limit, span, of: index, &evaluation)
      }
      for instant in instants { accept(index, fireTime: instant, missed: 0, &evaluation) }
    }
  }

  private func isRefused(_ index: JobIndex) -> Bool {
    isPaused(index.offset) || !jobs[index.offset].entry.definition.enabled
  }

  /// The schedule's first undecided instant is now `next`.
  mutating func move(_ index: JobIndex, past last: Instant, to next: NextFire) {
    jobs[index.offset].lastFire = last
    jobs[index.offset].nextFire = next.instant
    if case .unknown(let searched) = next {
      jobs[index.offset].searchedTo = max(searched, last)
    } else {
      jobs[index.offset].searchedTo = nil
    }
  }

  /// When an instant of a job is due. Most jobs have neither jitter nor a moment of their own making, and nothing of
  /// them is copied.
  @inline(__always)
  func due(_ fireTime: Instant, of offset: Int) -> Int64 {
    if jobs[offset].dynamic == nil, jobs[offset].entry.definition.jitter == 0 { return fireTime.nanoseconds }
    return jobs[offset].due(fireTime)
  }

  /// Nanoseconds since an instant of a job was due; negative before. Stops at the ends of the range: rows of another
  /// program may say that it was due at the beginning of time.
  func lateness(_ fireTime: Instant, of offset: Int, at now: ClockReading) -> Int64 {
    now.wall.nanoseconds(since: Instant(nanoseconds: due(fireTime, of: offset)))
  }

  /// Enters the job's next due time in the queue, or takes it out.
  mutating func arm(_ index: JobIndex, notBefore earliest: Int64 = .min) {
    let offset = index.offset
    if jobs[offset].isOrphaned {
      due.remove(index)
    } else if let next = jobs[offset].nextFire {
      due.set(index, due: max(due(next, of: offset), earliest), in: dueQueue(of: index))
    } else if let searched = jobs[offset].searchedTo {
      let soon = searched.advanced(byNanoseconds: -SearchPace.lead).nanoseconds
      due.set(index, due: max(soon, earliest), in: dueQueue(of: index))
    } else {
      due.remove(index)
    }
  }

  /// Notes a decision about instants that get no run.
  ///
  /// - Parameters:
  ///   - epoch: the clock epoch that the instants belong to; nil: the present one.
  ///   - isAboutFireTimes: whether they are the trigger's own.
  mutating func record(
    _ kind: DecisionKind, _ reason: SkipReason?, _ span: DueSpan, of index: JobIndex, run: RunID? = nil,
    epoch: ClockEpoch? = nil, isAboutFireTimes: Bool = true, _ evaluation: inout Evaluation
  ) {
    let job = jobs[index.offset]
    var range = DecisionRange(
      job: job.definition.name, schedule: job.dynamic?.id, kind: kind, reason: reason, first: span.first,
      last: span.last,
      count: span.count,
      isAtLeast: span.isAtLeast, clockEpoch: epoch ?? clockEpoch, decidedAt: evaluation.now.wall, run: run)
    range.number = host.makeDecisionNumber()
    range.continues = job.latestRange(continuedBy: range, isAboutFireTimes: isAboutFireTimes)
    jobs[index.offset].latestRange = ScheduledJob.LatestRange(
      kind: kind, reason: reason, clockEpoch: range.clockEpoch, last: span.last, isAboutFireTimes: isAboutFireTimes)
    counters.decided(kind, reason, span.count)
    evaluation.stores[Int(job.store)].batch.decisions.append(range)
    evaluation.events.append(.decided(range, maxInstances: job.definition.maxInstances))
    jobs.markDirty(index)
  }

  mutating func record(
    _ kind: DecisionKind, _ reason: SkipReason?, instant: Instant, of index: JobIndex, epoch: ClockEpoch? = nil,
    isAboutFireTimes: Bool = true, _ evaluation: inout Evaluation
  ) {
    let span = DueSpan(first: instant, last: instant, count: 1, isAtLeast: false)
    record(
      kind, reason, span, of: index, epoch: epoch, isAboutFireTimes: isAboutFireTimes, &evaluation)
  }

  /// Notes that an accepted run gets no turn after all.
  mutating func record(
    _ kind: DecisionKind, _ reason: SkipReason?, insteadOf run: RunRecord, of index: JobIndex,
    _ evaluation: inout Evaluation
  ) {
    record(
      kind, reason, instant: run.scheduledAt, of: index, epoch: run.clockEpoch,
      isAboutFireTimes: run.cause == .schedule,
      &evaluation)
  }
}

/// How much of a tick goes to searches that break off. Nanoseconds, and some milliseconds a search.
private enum SearchPace {
  /// How long before the clock reaches the end of the last search the next one begins.
  static let lead: Int64 = 1_000_000_000
  /// Between two searches of one schedule that is far behind: after a long downtime it must not hold up the others.
  static let pause: Int64 = 20_000_000
  static let perTick = 4
}
