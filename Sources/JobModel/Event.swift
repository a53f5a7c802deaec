package import Chronology

/// Everything observable that the scheduler does. One fact, one event, where it becomes true; log lines, metrics and
/// the event stream are renderings of it.
package enum Event: Sendable {
  case hostStarted(generation: Generation, jobs: Int)
  case jobAdded(String, nextFire: Instant?)
  case jobChanged(String, nextFire: Instant?)
  case jobOrphaned(String)
  case jobResumedFromOrphan(String, nextFire: Instant?)
  /// So many jobs that no script declares were told before, and are kept.
  case orphansKept(Int)
  case jobPaused(String, PauseNote?)
  case jobResumed(String, nextFire: Instant?)
  /// Nothing that falls due runs until `hostResumed`.
  case hostPaused(PauseNote)
  case hostResumed
  /// It has no further fire; said once, with the decision about its last one.
  case scheduleEnded(String)
  /// A dynamic schedule was made, or given a new form.
  case scheduleMade(String, job: String, nextFire: Instant?)
  /// A dynamic schedule is gone: it was unscheduled, or its last run has ended.
  case scheduleRemoved(String, job: String)
  case runClaimed(RunID, job: String, scheduledAt: Instant)
  case runStarted(RunID, job: String, attempt: Int)
  /// How far a run says it is: at most once a second, and at its end.
  case runProgress(ProgressNote)
  case runFinished(RunRecord)
  case runRetrying(RunID, job: String, attempt: Int, delay: Int64, outcome: Outcome, error: RunError?)
  /// It waits for long, without a thread; its steps are kept.
  case runParked(RunID, job: String, RunPark)
  /// A run has done a step.
  case runStepped(RunStep, job: String)
  /// What a committed transaction of a run has asked for was refused: it could not be done any more. In one sentence.
  case operationRefused(RunID, job: String, String)
  case runStuck(RunID, job: String)
  case decided(DecisionRange, maxInstances: Int)
  /// Claims of the job were not written: what was claimed stays due. One for each job of a batch.
  case claimFailed(job: String, error: String)
  /// A script, or the whole of the scripts because of it, has errors that it had not before; it keeps its last good
  /// version.
  case scriptFailed(String, problems: [String])
  /// A script that had errors is loaded as it is now.
  case scriptRepaired(String)
  /// A call of moondial.lua's `on_failure` is over.
  case failureHookEnded(UInt32, Outcome, RunError?)
  case storeFailed(String)
  /// It is another host's now, or its file is gone: trying again does not help.
  case storeLost(String)
  /// What a store had not been told when the host ended.
  case notWritten(String)
  case storeRecovered
  case clockChanged(by: Int64, epoch: ClockEpoch)
  case draining(running: Int)
  case stopped
}
