import Chronology
package import JobModel

/// Runs that other hosts execute for this one. Their executor knows where they are; here they are like any other run.
extension SchedulerCore {
  /// A run that another host has goes on as it is: it counts everywhere, and its executor is handed its order again.
  mutating func adopt(
    _ record: RunRecord, as index: JobIndex, from store: Int, _ evaluation: inout Evaluation
  ) {
    let slot = runs.add(
      record, job: index, entry: jobs[index.offset].entry, store: Int16(truncatingIfNeeded: store), state: .ready)
    runs.slots[slot].row = .claim
    runs.slots[slot].retries = record.attempts
    jobs[index.offset].active += 1
    takeGroupSlot(slot)
    dispatch(slot, &evaluation)
  }

  /// Runs on other hosts of a job that was not declared at the start, and is now. They were told to end.
  mutating func adoptElsewhere(of job: String, _ evaluation: inout Evaluation) {
    let found = restart.elsewhere.values.filter { $0.record.job == job }.sorted { $0.record.id < $1.record.id }
    for (record, store) in found {
      guard let index = owner(of: record) else { continue }
      restart.elsewhere[record.id] = nil
      adopt(record, as: index, from: store, &evaluation)
    }
  }

  /// A run on another host whose job nobody has declared has ended there, or its host has gone.
  ///
  /// - Parameter report: what that host says of its end; nil: nothing that can be read.
  package mutating func endElsewhere(
    _ run: RunID, _ report: RunReport?, at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    guard case (var record, let store)? = restart.elsewhere.removeValue(forKey: run) else { return }
    // It may have started, once more than its row tells: rates count that after the next restart, too.
    record.attempts += 1
    // One that would park, or whose outbox would have to be committed, comes to no end without its job.
    guard let report, report.kind == .ended, report.details?.park == nil, report.details?.outbox == nil else {
      let why = "no script declares its job, so that it was told to end on the host that had it; it may have started"
      return endLeftOver(record, .interrupted, why, in: store, &evaluation)
    }
    if record.startedAt == nil { record.startedAt = report.startedAt } else { record.retriedAt = report.startedAt }
    record.duration += report.duration
    record.memoryPeakBytes = max(record.memoryPeakBytes, report.memoryPeakBytes)
    record.error = report.details?.error
    if report.outcome == .succeeded { record.result = report.details?.result }
    let why = report.outcome == .cancelled ? "no script declares its job, so that it was told to end" : nil
    endLeftOver(record, report.outcome, why, in: store, &evaluation)
  }

  /// Runs that nobody has begun: their executors are handed them again, under their jobs' newest definitions, and have
  /// forgotten the former orders.
  package mutating func dispatchAgain(
    _ tokens: [RunToken], at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    for token in tokens {
      guard let slot = runs.slot(token), runs.slots[slot].state == .dispatched else { continue }
      if runs.slots[slot].cancellation != .none {
        end(slot, .cancelled, details: nil, &evaluation)
      } else if isOver {
        interrupt(slot, &evaluation)
      } else {
        handOver(slot, &evaluation)
      }
    }
  }

  /// A run whose host has gone. Who was asked to end has ended; any other one is interrupted.
  mutating func lose(_ slot: Int, _ report: RunReport, _ evaluation: inout Evaluation) {
    let why = report.details?.error?.message ?? "the host that had this run has gone"
    if runs.slots[slot].state == .dispatched {
      // It may have begun without anybody having heard of it: its rates count it, now and after the next restart.
      noteStart(slot, at: evaluation.now)
      runs.slots[slot].record.attempts += 1
    }
    switch runs.slots[slot].cancellation {
    case .requested, .replaced:
      end(slot, .cancelled, details: AttemptDetails(error: RunError(message: why)), &evaluation)
    case .none, .leaseEnded: interrupt(slot, saying: why, &evaluation)
    }
  }
}
