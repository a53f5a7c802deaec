internal import Basics
import Chronology
package import JobModel
internal import Triggers

/// What runs change together: transactions while they run, and the outbox of a run that has succeeded.
///
/// A transaction is committed by its store, with what it asks of the scheduler as an intent. Here it is judged before,
/// and carried out after its commit; the batch in which that becomes durable removes the intent. So it is done once,
/// also when the host dies in between: the next one finds the intent.
extension SchedulerCore {
  /// Why the scheduler would not do something that a transaction asks for.
  package enum OperationRefusal: Error, Sendable {
    case refused(RunOperation, Refusal)
    /// The job is kept in another store, which no commit of this one reaches.
    case otherStore(RunOperation, job: String, its: String, own: String)
  }

  // MARK: Before the commit

  /// Why one of `operations` cannot be done; nil: all can.
  ///
  /// - Parameter store: the name of the store that is to commit them.
  package func refusal(of operations: [RunOperation], in store: String, at now: ClockReading) -> OperationRefusal? {
    guard let own = stores.names.firstIndex(of: store) else { return nil }
    var removed: Set<String> = []
    for operation in operations {
      do throws(OperationRefusal) {
        try check(operation, in: own, at: now, &removed)
      } catch { return error }
    }
    return nil
  }

  /// - Parameter removed: schedules that the transaction has taken away before.
  private func check(
    _ operation: RunOperation, in own: Int, at now: ClockReading, _ removed: inout Set<String>
  ) throws(OperationRefusal) {
    func known(_ name: String) throws(OperationRefusal) -> JobIndex {
      let index: JobIndex
      do throws(Refusal) { index = try liveJob(name) } catch { throw .refused(operation, error) }
      let store = Int(jobs[index.offset].store)
      guard store == own else {
        throw .otherStore(operation, job: name, its: stores.names[store], own: stores.names[own])
      }
      return index
    }
    switch operation {
    case .emit: return
    case .run(let name, _):
      let index = try known(name)
      let definition = jobs[index.offset].entry.definition
      if isDraining { throw .refused(operation, .draining) }
      if definition.overlap == .skip, jobs[index.offset].active >= definition.maxInstances {
        throw .refused(operation, .overlap(name, maxInstances: definition.maxInstances))
      }
    case .schedule(let request):
      let index = try known(request.job)
      do throws(Refusal) { try check(request, of: index, at: now, removed) } catch { throw .refused(operation, error) }
    case .unschedule(let id):
      guard hasSchedule(id) else { throw .refused(operation, .unknownSchedule(id)) }
      removed.insert(id)
    }
  }

  private func check(
    _ request: ScheduleRequest, of base: JobIndex, at now: ClockReading, _ removed: Set<String>
  ) throws(Refusal) {
    if isDraining { throw .draining }
    if let id = request.id {
      guard !id.isEmpty, id.utf8.count <= DynamicSchedule.idLength else { throw .scheduleID(id) }
      if hasSchedule(id), !request.replaceExisting, !removed.contains(id) { throw .scheduleExists(id) }
    }
    if let quota = request.quota, jobs.dynamicCount(of: base) >= quota {
      throw .tooManySchedules(request.job, quota: quota)
    }
    let trigger = request.trigger.anchored(at: now.wall)
    if request.trigger.firstDate == nil, case .never = trigger.nextFire(after: now.wall) {
      throw .neverFires(request.trigger.lua)
    }
  }

  // MARK: After the commit

  /// Does what a committed transaction asks for. What cannot be done any more is told.
  ///
  /// - Parameter store: the name of the store that has the intent.
  package mutating func perform(
    _ operations: [RunOperation], of intent: RunIntent, in store: String, at now: ClockReading,
    into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    guard let own = stores.names.firstIndex(of: store) else { return }
    for operation in operations {
      do throws(Refusal) {
        switch operation {
        case .emit(let name, let data):
          emit(name, data: data, at: now, into: &evaluation)
          evaluation.outbox.append(.emitted(name, data))
        case .run(let job, let params): _ = try runNow(job, params: params, at: now, into: &evaluation)
        case .schedule(let request): _ = try schedule(request, at: now, into: &evaluation)
        case .unschedule(let id): try unschedule(id, at: now, into: &evaluation)
        }
      } catch {
        evaluation.events.append(.operationRefused(intent.run, job: intent.job, "\(operation.words): \(error.message)"))
      }
    }
    evaluation.stores[own].batch.steps.append(.performed(intent.id))
  }

  /// What the stores know of transactions that nobody has carried out, with the names of the stores: once, and nothing
  /// before all jobs are declared.
  package mutating func takeIntents() -> [(intent: RunIntent, store: String)] {
    guard !restart.isAwaitingScripts, !restart.intents.isEmpty else { return [] }
    defer { restart.intents = [] }
    return restart.intents.map { ($0.intent, stores.names[$0.store]) }
  }

  // MARK: Outbox

  /// A run has succeeded, and its outbox is to be committed with that: until then it goes on.
  mutating func commitOutbox(_ slot: Int, _ outbox: RunOutbox, _ report: RunReport, _ evaluation: inout Evaluation) {
    runs.move(slot, to: .finishing)
    let store = stores.names[Int(runs.slots[slot].store)]
    if let refusal = refusal(of: outbox.operations, in: store, at: evaluation.now) {
      return failOutbox(slot, "ctx.outbox: \(refusal.message)", report, &evaluation)
    }
    var record = runs.slots[slot].record
    record.outcome = .succeeded
    record.duration += report.duration
    record.memoryPeakBytes = max(record.memoryPeakBytes, report.memoryPeakBytes)
    record.finishedAt = max(evaluation.now.wall, record.lastStartedAt ?? evaluation.now.wall)
    record.resumesAt = nil
    if let result = report.details?.result { record.result = result }
    var transaction = RunTransaction()
    transaction.keyValues = outbox.keyValues
    transaction.finished = record
    if let encoded = outbox.encoded {
      transaction.intent = RunIntent(run: record.id, job: record.job, at: evaluation.now.wall, operations: encoded)
    }
    runs.finishing[runs.token(slot)] = FinishingRun(transaction: transaction, outbox: outbox, report: report)
    handOutbox(slot, &evaluation)
  }

  private mutating func handOutbox(_ slot: Int, _ evaluation: inout Evaluation) {
    let token = runs.token(slot)
    guard let finishing = runs.finishing[token] else { return }
    runs.finishing[token]?.isUnderWay = true
    evaluation.outbox.append(
      .commit(
        RunCommit(store: Int(runs.slots[slot].store), run: token, transaction: finishing.transaction)))
  }

  /// What became of the commit of an outbox.
  package mutating func outboxCommitted(
    _ token: RunToken, _ result: Result<TransactionAnswer, StoreError>, at now: ClockReading,
    into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    guard let slot = runs.slot(token), let finishing = runs.finishing[token] else { return }
    switch result {
    case .success(.committed(let id)):
      runs.finishing[token] = nil
      let store = stores.names[Int(runs.slots[slot].store)]
      runs.slots[slot].record.duration += finishing.report.duration
      runs.slots[slot].record.memoryPeakBytes = max(
        runs.slots[slot].record.memoryPeakBytes, finishing.report.memoryPeakBytes)
      end(slot, .succeeded, details: finishing.report.details, &evaluation)
      guard var intent = finishing.transaction.intent else { return }
      intent.id = id
      perform(finishing.outbox.operations, of: intent, in: store, at: now, into: &evaluation)
    case .success(.conflict):
      failOutbox(
        slot, "ctx.outbox: others have changed a value that this run was to update", finishing.report, &evaluation)
    case .failure(let error) where error.code == .quota:
      failOutbox(slot, "ctx.outbox: \(error.message)", finishing.report, &evaluation)
    case .failure:
      // As every outcome: it waits until the store can be written.
      runs.finishing[token]?.isUnderWay = false
      if isOver { return interrupt(slot, &evaluation) }
      let pause: Int64 = 1_000_000_000
      runs.slots[slot].resumesAt = now.monotonic.addingReportingOverflow(pause).partialValue
      runs.delayed.push(runs.slots[slot].resumesAt, slot: Int32(truncatingIfNeeded: slot), use: runs.slots[slot].use)
    }
  }

  /// A run whose outbox could not be written tries again.
  mutating func commitOutboxAgain(_ slot: Int, _ evaluation: inout Evaluation) { handOutbox(slot, &evaluation) }

  /// Whether the host may give the run up: nothing of it is with its store.
  func isOutboxUnderWay(_ slot: Int) -> Bool { runs.finishing[runs.token(slot)]?.isUnderWay ?? false }

  /// The attempt has failed after all.
  private mutating func failOutbox(
    _ slot: Int, _ message: String, _ report: RunReport, _ evaluation: inout Evaluation
  ) {
    runs.finishing[runs.token(slot)] = nil
    var failed = report
    failed.outcome = .failed
    failed.details = AttemptDetails(error: RunError(message: message))
    endAttempt(slot, failed, &evaluation)
  }
}

/// A transaction that a store is to commit for a run. Answered by `SchedulerCore.outboxCommitted`.
package struct RunCommit: Sendable {
  /// Index of the store.
  package var store: Int
  package var run: RunToken
  package var transaction: RunTransaction
}
