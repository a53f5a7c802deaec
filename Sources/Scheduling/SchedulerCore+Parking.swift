internal import Basics
import Chronology
import JobModel

/// Runs that wait for long without a thread and a Lua state: parked, and executed again from their start.
///
/// A parked run counts as an instance of its job, and not in its group: it is like one that waits for its next attempt.
/// Its row says that it is parked, so it outlives the host, and the end of a host does not wait for it. When its time
/// or its event has come it is claimed again as any run is, and its attempt goes on: the steps that it has done answer
/// from the store.
extension SchedulerCore {
  // MARK: Parking

  /// Whether an attempt that asks for it may park. Who was cancelled ends instead.
  func mayPark(_ slot: Int) -> Bool {
    runs.slots[slot].cancellation == .none && runs.slots[slot].state == .running && runs.slots[slot].row == .claim
  }

  /// The attempt has come to a step that takes long.
  mutating func park(_ slot: Int, at step: RunStep, _ evaluation: inout Evaluation) {
    runs.move(slot, to: .parked)
    releaseGroupSlot(slot)
    // The attempt is not over.
    runs.slots[slot].record.attempts -= 1
    runs.slots[slot].record.claimedAt = nil
    let event = step.kind == .wait ? step.name : nil
    runs.slots[slot].record.park = RunPark(position: step.position, until: step.until, event: event)
    runs.slots[slot].row = .waiting
    let store = Int(runs.slots[slot].store)
    evaluation.stores[store].batch.waiting.append(runs.slots[slot].record)
    evaluation.stores[store].batch.steps.append(.put(step))
    evaluation.events.append(
      .runParked(runs.slots[slot].record.id, job: runs.slots[slot].record.job, runs.slots[slot].record.park!))
    if let event, let came = runs.parked.recent(event, since: step.startedAt) {
      return wake(slot, with: came.data ?? JSONText("true"), &evaluation)
    }
    armParked(slot)
  }

  /// Arms what wakes a parked run.
  private mutating func armParked(_ slot: Int) {
    guard let park = runs.slots[slot].record.park else { return }
    runs.slots[slot].resumesAt = park.until?.nanoseconds ?? .max
    if let until = park.until {
      runs.parked.times.push(
        until.nanoseconds, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
      runs.sweepParkedTimes()
    }
    if let event = park.event { runs.parked.wait(runs.token(slot), for: event) }
  }

  // MARK: Going on

  /// Runs whose time has come go on.
  mutating func wakeParked(_ evaluation: inout Evaluation) {
    while let entry = runs.parked.times.first, entry.key <= evaluation.now.wall.nanoseconds {
      _ = runs.parked.times.popFirst()
      guard let slot = runs.parkedSlot(of: entry) else { continue }
      if let event = runs.slots[slot].record.park?.event { runs.parked.forget(runs.token(slot), waitingFor: event) }
      wake(slot, with: nil, &evaluation)
    }
  }

  /// Runs that wait for an event go on with its data.
  ///
  /// - Returns: how many.
  mutating func wakeParked(for event: String, _ data: JSONText?, _ evaluation: inout Evaluation) -> Int {
    runs.parked.note(event, data, at: evaluation.now)
    guard runs.parked.isAwaitingEvents else { return 0 }
    var count = 0
    for token in runs.parked.take(waitingFor: event) {
      guard let slot = runs.slot(token), runs.slots[slot].state == .parked else { continue }
      wake(slot, with: data ?? JSONText("true"), &evaluation)
      count += 1
    }
    return count
  }

  private mutating func wake(_ slot: Int, with data: JSONText?, _ evaluation: inout Evaluation) {
    guard let park = runs.slots[slot].record.park else { return }
    let store = Int(runs.slots[slot].store)
    runs.slots[slot].record.park = nil
    runs.move(slot, to: .ready)
    evaluation.stores[store].batch.steps.append(
      .end(
        StepEnd(
          run: runs.slots[slot].record.id, position: park.position, finishedAt: evaluation.now.wall, result: data)))
    evaluation.stores[store].batch.waiting.append(runs.slots[slot].record)
    queueForClaim(slot)
  }

  /// A parked run that was cancelled ends where a claim would be: in the claim order.
  mutating func endParked(_ slot: Int) {
    if let event = runs.slots[slot].record.park?.event { runs.parked.forget(runs.token(slot), waitingFor: event) }
    runs.move(slot, to: .ready)
    queueForClaim(slot)
  }

  // MARK: After a restart

  /// A parked row of the last host: the run keeps its id, and what it waits for.
  mutating func readmitParked(_ record: RunRecord, as index: JobIndex, from store: Int) {
    let slot = runs.add(
      record, job: index, entry: jobs[index.offset].entry, store: Int16(truncatingIfNeeded: store), state: .parked)
    runs.slots[slot].row = .waiting
    runs.slots[slot].retries = record.attempts
    jobs[index.offset].active += 1
    armParked(slot)
  }

  /// Parked runs of a job that was not declared at the start, and is now.
  mutating func adoptParked(of job: String) {
    let found = restart.parked.filter { $0.record.job == job }
    restart.parked.removeAll { $0.record.job == job }
    for (record, store) in found {
      guard let index = owner(of: record) else { continue }
      if record.park != nil {
        readmitParked(record, as: index, from: store)
      } else {
        readmit(record, as: index, from: store)
      }
    }
  }
}
