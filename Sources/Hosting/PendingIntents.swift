internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptRuntime
internal import Triggers

/// What transactions had asked for when the last host ended: it is carried out when all jobs are declared.
struct PendingIntents: Sendable {
  let engine: any SchedulerEngine
  let zones: TimeZoneDatabase
  let log: any HostLog

  /// Twice is fine. Not from the scheduler's own thread.
  func carryOut() {
    for (intent, store) in engine.ask({ core, _, _ in core.takeIntents() }) {
      let (operations, problems) = RunOperation.decoded(intent.operations, in: TriggerContext(zones: zones))
      for problem in problems { log.write(.error, job: intent.job, run: intent.run, problem) }
      engine.post(whenDurable: nil) { core, now, actions in
        core.perform(operations, of: intent, in: store, at: now, into: &actions)
      }
    }
  }
}
