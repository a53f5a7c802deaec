internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptRuntime
internal import Triggers

/// What transactions had asked for when the last host ended: it is carried out when all jobs are declared.
struct PendingIntents: Sendable {
  let engine: any SchedulerEngine
  let stores: NamedStores
  let zones: TimeZoneDatabase
  let log: any HostLog

  /// Twice is fine. Not from the scheduler's own thread.
  func carryOut() {
    for (intent, store) in engine.ask({ core, _, _ in core.takeIntents() }) {
      let (operations, problems) = RunOperation.decoded(intent.operations, in: TriggerContext(zones: zones))
      for problem in problems { log.write(.error, job: intent.job, run: intent.run, problem) }
      let ended = ended(intent, in: store)
      engine.post(whenDurable: nil) { core, now, actions in
        core.perform(operations, of: intent, in: store, passingOn: ended, at: now, into: &actions)
      }
    }
  }

  /// The run whose success was committed with the intent: the jobs after it have not heard of it. nil: it is one of a
  /// transaction, whose run goes on.
  private func ended(_ intent: RunIntent, in store: String) -> RunRecord? {
    guard intent.position == 0 else { return nil }
    do throws(StoreError) {
      return try stores[store].runs(RunQuery(id: intent.run, limit: 1)).first { $0.outcome != nil }
    } catch {
      log.write(.error, job: intent.job, run: intent.run, "the jobs after it do not run: \(error.message)")
      return nil
    }
  }
}
