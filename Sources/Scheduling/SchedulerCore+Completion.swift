internal import Basics
import Chronology
package import JobModel

/// What executors report → started, retried, ended; and who gets the free slot.
extension SchedulerCore {
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
      case .ended:
        begin(slot, report, &evaluation)
        endAttempt(slot, report, &evaluation)
      }
    }
  }

  /// Calls of moondial.lua's `on_failure` go by numbers that are no slots.
  private func noteFailureHook(_ report: RunReport, _ evaluation: inout Evaluation) {
    guard report.token.isFailureHook, report.kind == .ended else { return }
    evaluation.events.append(.failureHookEnded(report.token.use, report.outcome, report.details?.error))
  }

  private mutating func begin(
    _ slot: Int, _ report: RunReport, _ evaluation: inout Evaluation
  ) {
    guard runs.slots[slot].state == .dispatched else { return }
    // A queued order that was cancelled ends without having started: it is not an attempt.
    guard report.kind == .started || report.outcome != .cancelled || report.duration > 0 else { return }
    runs.move(slot, to: .running)
    noteStart(slot, at: evaluation.now)
    runs.inWindow -= 1
    if runs.slots[slot].record.startedAt == nil {
      runs.slots[slot].record.startedAt = report.startedAt
    } else {
      runs.slots[slot].record.retriedAt = report.startedAt
      runs.slots[slot].record.resumesAt = nil
    }
    runs.slots[slot].record.attempts += 1
    if configuration.publishesRuns {
      let record = runs.slots[slot].record
      evaluation.events.append(.runStarted(record.id, job: record.job, attempt: Int(record.attempts)))
    }
  }

  private mutating func endAttempt(
    _ slot: Int, _ report: RunReport, _ evaluation: inout Evaluation
  ) {
    runs.slots[slot].record.duration += report.duration
    runs.slots[slot].record.memoryPeakBytes = max(runs.slots[slot].record.memoryPeakBytes, report.memoryPeakBytes)
    if let delay = delayBeforeRetry(slot, report) {
      return retry(slot, after: delay, report, &evaluation)
    }
    end(slot, report.outcome, details: report.details, &evaluation)
  }

  /// Nanoseconds until the next attempt, nil when this one was the last.
  private func delayBeforeRetry(_ slot: Int, _ report: RunReport) -> Int64? {
    let asked = report.details?.retry
    guard asked != nil || report.outcome.isRetried else { return nil }
    let run = runs.slots[slot]
    guard !run.isCancelled, !isDraining, run.state == .running || run.state == .dispatched,
      let policy = run.entry.definition.retryPolicy(
        after: report.outcome, asked: asked != nil, isFinal: report.details?.isFinal ?? false, retries: Int(run.retries)
      )
    else { return nil }
    return asked?.delay ?? policy.delay(beforeRetry: Int(run.retries) + 1, of: run.record.id)
  }

  private mutating func retry(
    _ slot: Int, after delay: Int64, _ report: RunReport, _ evaluation: inout Evaluation
  ) {
    if runs.slots[slot].state.isInWindow { runs.inWindow -= 1 }
    runs.move(slot, to: .retrying)
    releaseGroupSlot(slot)
    runs.slots[slot].retries += 1
    let (resumesAt, overflow) = evaluation.now.monotonic.addingReportingOverflow(max(0, delay))
    runs.slots[slot].resumesAt = overflow ? .max : resumesAt
    runs.delayed.push(runs.slots[slot].resumesAt, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
    // For who reads the store: what the run waits for, and that it had begun.
    runs.slots[slot].record.resumesAt = evaluation.now.wall.advanced(byNanoseconds: max(0, delay))
    let record = runs.slots[slot].record
    evaluation.stores[Int(runs.slots[slot].store)].batch.waiting.append(record)
    evaluation.events.append(
      .runRetrying(
        record.id, job: record.job, attempt: Int(record.attempts), delay: delay, outcome: report.outcome,
        error: report.details?.error))
  }

  /// A `retrying` or `debouncing` run's time has come.
  mutating func endDelay(of slot: Int32, use: UInt32, _ evaluation: inout Evaluation) {
    guard let slot = runs.slot(Int(slot), use: use), runs.slots[slot].resumesAt <= evaluation.now.monotonic else {
      return
    }
    switch runs.slots[slot].state {
    case .retrying:
      runs.move(slot, to: .ready)
      queueForClaim(slot)
    case .debouncing: endDebounce(slot, &evaluation)
    default: return
    }
  }

  /// Ends a run with its outcome: its row is completed, its slot is free.
  mutating func end(
    _ slot: Int, _ outcome: Outcome, details: AttemptDetails?, _ evaluation: inout Evaluation
  ) {
    if runs.slots[slot].state.isInWindow { runs.inWindow -= 1 }
    let index = runs.slots[slot].job
    runs.slots[slot].record.outcome = outcome
    // The start was read on a worker, after the reading that this tick works with.
    runs.slots[slot].record.finishedAt = max(
      evaluation.now.wall, runs.slots[slot].record.lastStartedAt ?? evaluation.now.wall)
    runs.slots[slot].record.resumesAt = nil
    if runs.slots[slot].record.claimedAt == nil { runs.slots[slot].record.claimedAt = evaluation.now.wall }
    if let details {
      if let error = details.error { runs.slots[slot].record.error = error }
      if let result = details.result, outcome == .succeeded { runs.slots[slot].record.result = result }
    }
    jobs[jobs[index.offset].base.map(Int.init) ?? index.offset].lastOutcome = outcome
    let isCounted = runs.slots[slot].state.isCounted
    let cause = runs.slots[slot].record.cause
    if !runs.slots[slot].isStored, runs.slots[slot].state == .ready || !isCounted {
      jobs[index.offset].unstored -= 1
      // No claim and no waiting row has told the store yet that the schedule moved past this instant; this row does.
      if cause == .schedule { jobs.markDirty(index) }
    }
    if cause == .watch { runs.slots[slot].record.event = recordedEvent(of: slot) }
    evaluation.stores[Int(runs.slots[slot].store)].batch.finished.append(runs.slots[slot].record)
    if configuration.publishesRuns || outcome != .succeeded {
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

  /// One counted run of the job is over: the next in its queue gets its turn, or a job that has gone gives up its
  /// place.
  mutating func releaseInstance(of index: JobIndex, _ evaluation: inout Evaluation) {
    jobs[index.offset].active -= 1
    while jobs[index.offset].active < jobs[index.offset].definition.maxInstances, !jobs[index.offset].queue.isEmpty {
      let next = Int(jobs[index.offset].queue.removeFirst())
      runs.move(next, to: .ready)
      makeReady(next)
    }
    endWaiting(of: index)
  }
}

/// `text` as a JSON string.
func quoted(_ text: String) -> String { quotedJSON(text) }
