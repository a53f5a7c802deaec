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
    var before = OperationEffects()
    for operation in operations {
      do throws(OperationRefusal) {
        try check(operation, in: own, at: now, &before)
      } catch { return error }
    }
    return nil
  }

  /// What the operations of a transaction have changed, for those after them.
  private struct OperationEffects {
    /// Schedules that are not there any more, and those that are there now, with their jobs.
    var removed: Set<String> = []
    var added: [String: JobIndex] = [:]
    /// Runs, and schedules more than there were, by job.
    var runs: [JobIndex: Int] = [:]
    var schedules: [JobIndex: Int] = [:]
  }

  /// - Parameter before: what the operations before it have changed; afterwards also what this one has.
  private func check(
    _ operation: RunOperation, in own: Int, at now: ClockReading, _ before: inout OperationEffects
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
      let active = Int(jobs[index.offset].active) + (before.runs[index] ?? 0)
      if definition.overlap == .skip, active >= definition.maxInstances {
        throw .refused(operation, .overlap(name, maxInstances: definition.maxInstances))
      }
      before.runs[index, default: 0] += 1
    case .schedule(let request):
      let index = try known(request.job)
      do throws(Refusal) { try check(request, of: index, at: now, &before) } catch { throw .refused(operation, error) }
    case .unschedule(let id):
      guard isThere(id, before) else { throw .refused(operation, .unknownSchedule(id)) }
      if let base = before.added.removeValue(forKey: id) ?? base(ofSchedule: id) {
        before.schedules[base, default: 0] -= 1
      }
      before.removed.insert(id)
    }
  }

  private func isThere(_ id: String, _ before: OperationEffects) -> Bool {
    before.added[id] != nil || hasSchedule(id) && !before.removed.contains(id)
  }

  /// The declared job of a dynamic schedule.
  private func base(ofSchedule id: String) -> JobIndex? { jobs.dynamic[id].flatMap { jobs[$0.offset].base } }

  private func check(
    _ request: ScheduleRequest, of base: JobIndex, at now: ClockReading, _ before: inout OperationEffects
  ) throws(Refusal) {
    // One that takes the place of another of the job is none more.
    var isMore = true
    if let id = request.id {
      guard !id.isEmpty, id.utf8.count <= DynamicSchedule.idLength else { throw .scheduleID(id) }
      if isThere(id, before) {
        guard request.replaceExisting else { throw .scheduleExists(id) }
        let former = before.added[id] ?? self.base(ofSchedule: id)
        isMore = former != base
        if isMore, let former { before.schedules[former, default: 0] -= 1 }
      }
    }
    let count = jobs.dynamicCount(of: base) + (before.schedules[base] ?? 0)
    if let quota = request.quota, isMore, count >= quota {
      throw .tooManySchedules(request.job, quota: quota)
    }
    let trigger = request.trigger.anchored(at: now.wall)
    if request.trigger.firstDate == nil, case .never = trigger.nextFire(after: now.wall) {
      throw .neverFires(request.trigger.lua)
    }
    if isMore { before.schedules[base, default: 0] += 1 }
    if let id = request.id {
      before.removed.remove(id)
      before.added[id] = base
    }
  }

  // MARK: After the commit

  /// Does what a committed transaction asks for, also while the host ends: it is accepted, and runs after the next
  /// start. What cannot be done any more is told.
  ///
  /// - Parameters:
  ///   - store: the name of the store that has the intent.
  ///   - ended: the run, when the last host had committed its success and nobody has passed it on to the jobs after it.
  package mutating func perform(
    _ operations: [RunOperation], of intent: RunIntent, in store: String, passingOn ended: RunRecord? = nil,
    at now: ClockReading, into evaluation: inout Evaluation
  ) {
    evaluation.now = now
    guard let own = stores.names.firstIndex(of: store) else { return }
    if let ended { passOn(ended, &evaluation) }
    for operation in operations {
      do throws(Refusal) {
        switch operation {
        case .emit(let name, let data):
          emit(name, data: data, at: now, into: &evaluation)
          evaluation.outbox.append(.emitted(name, data))
        case .run(let job, let params):
          _ = try runNow(job, params: params, isCommitted: true, at: now, into: &evaluation)
        case .schedule(let request): _ = try schedule(request, isCommitted: true, at: now, into: &evaluation)
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
    record.finishedAt = max(evaluation.now.wall, record.lastStartedAt ?? evaluation.now.wall)
    record.resumesAt = nil
    if let result = report.details?.result { record.result = result }
    var transaction = RunTransaction()
    transaction.keyValues = outbox.keyValues
    transaction.finished = record
    // The jobs after it are a part of its intent: they are accepted in another commit than its success.
    let isAwaited = listeners.downstream[record.job] != nil
    if let operations = outbox.encoded ?? (isAwaited ? JSONText("[]") : nil) {
      transaction.intent = RunIntent(run: record.id, job: record.job, at: evaluation.now.wall, operations: operations)
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
      end(slot, .succeeded, details: finishing.report.details, &evaluation)
      guard var intent = finishing.transaction.intent else { return }
      intent.id = id
      perform(finishing.outbox.operations, of: intent, in: store, at: now, into: &evaluation)
    case .success(.conflict):
      failOutbox(
        slot, "ctx.outbox: others have changed a value that this run was to update", finishing.report, &evaluation)
    case .failure(let error) where error.code == .quota || error.code == .unsupported:
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
    // It was counted when the attempt ended.
    failed.duration = 0
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
