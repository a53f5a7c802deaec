internal import Chronology
package import JobModel

/// A host's control for callers that wait with their thread: programs without `async`. The same orders and answers as
/// ``HostControl`` gives.
///
/// Threading: any thread but those of the scheduler and its executors' bookkeeping; every call blocks.
package struct BlockingControl: Sendable {
  private let control: SchedulerControl

  init(_ control: SchedulerControl) { self.control = control }

  package func pause(_ request: PauseRequest, by caller: Caller) throws(ControlError) -> PauseAnswer {
    try control.performBlocking(try control.pauseOrder(request, caller))
  }

  package func resume(_ request: PauseRequest, by caller: Caller) throws(ControlError) -> PauseAnswer {
    try control.performBlocking(try control.resumeOrder(request, caller))
  }

  package func retry(_ run: RunID, by caller: Caller) throws(ControlError) -> AcceptedRun {
    try control.performBlocking(try control.retryOrder(try control.record(of: run).record, caller))
  }

  package func backfill(_ request: BackfillRequest, by caller: Caller) throws(ControlError) -> BackfillAnswer {
    let fires = try control.fires(request)
    let plan = control.plan(request, fires)
    if plan.isDryRun || fires.isEmpty { return plan }
    return try control.performBlocking(try control.backfillOrder(request, fires, plan, caller))
  }

  package func reload(by caller: Caller) throws(ControlError) -> ReloadAnswer { try control.reloadBlocking(by: caller) }
  package func status() -> HostStatus { control.statusNow() }
  package func upcoming(_ query: UpcomingQuery) throws(ControlError) -> UpcomingAnswer {
    try control.upcomingNow(query)
  }
  package func log(_ query: LogQuery) throws(ControlError) -> LogAnswer { try control.logNow(query) }
  package func audit(_ query: AuditQuery) throws(ControlError) -> Page<AuditAnswer> { try control.auditNow(query) }
}
