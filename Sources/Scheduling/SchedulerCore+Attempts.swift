internal import Basics
import Chronology
import JobModel

/// What follows an attempt that was not the last, and who gets the instance of a run that is over.
extension SchedulerCore {
  /// Calls of moondial.lua's `on_failure` go by numbers that are no slots.
  func noteFailureHook(_ report: RunReport, _ evaluation: inout Evaluation) {
    guard report.token.isFailureHook, report.kind == .ended else { return }
    evaluation.events.append(.failureHookEnded(report.token.use, report.outcome, report.details?.error))
  }

  /// Nanoseconds until the next attempt, nil when this one was the last.
  func delayBeforeRetry(_ slot: Int, _ report: RunReport) -> Int64? {
    let asked = report.details?.retry
    guard asked != nil || report.outcome.isRetried else { return nil }
    let run = runs.slots[slot]
    guard run.cancellation == .none, !isDraining,
      run.state == .running || run.state == .dispatched || run.state == .finishing,
      let policy = run.entry.definition.retryPolicy(
        after: report.outcome, asked: asked != nil, isFinal: report.details?.isFinal ?? false, retries: Int(run.retries)
      )
    else { return nil }
    return asked?.delay ?? policy.delay(beforeRetry: Int(run.retries) + 1, of: run.record.id)
  }

  mutating func retry(
    _ slot: Int, after delay: Int64, _ report: RunReport, _ evaluation: inout Evaluation
  ) {
    if runs.slots[slot].state.isInWindow { runs.inWindow -= 1 }
    runs.move(slot, to: .retrying)
    releaseGroupSlot(slot)
    runs.slots[slot].retries += 1
    counters.retried()
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
    case .finishing: commitOutboxAgain(slot, &evaluation)
    case _ where isDraining: return
    case .retrying:
      runs.move(slot, to: .ready)
      queueForClaim(slot)
    case .debouncing: endDebounce(slot, &evaluation)
    default: return
    }
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
