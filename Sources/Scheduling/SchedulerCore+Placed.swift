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
