package import JobModel

/// Everything that an operator can ask or tell a running host, as typed values: the command line, the HTTP API and
/// the dashboard are three faces of it, and none of them knows the scheduler's inside.
///
///     let page = try await control.jobs(JobQuery(tag: "billing"))
///     try await control.pause(PauseRequest(jobs: ["invoice"], reason: "the ERP is down"), by: caller)
///
/// Answers come from the stores and from bounded questions to the scheduler's thread, a page at a time. Orders go
/// through the scheduler's inbox, and complete when they are as durable as the store of what they change makes them;
/// each that changes something is a line of the audit.
///
/// `SchedulerAssembly.control` is that of a host.
///
/// Threading: every method from any task; none holds a thread of Swift's cooperative pool while it waits.
package protocol HostControl: AnyObject, Sendable {
  /// Which host this is, for as long as it lives.
  var identity: HostIdentity { get }
  /// What happens, with positions.
  var events: EventJournal { get }
  /// The lines that runs write, with positions.
  var lines: LineJournal { get }

  // MARK: Answers

  func status() async throws(ControlError) -> HostStatus
  /// Whether the loop turns, the stores can be written and the scripts are loaded. Never waits for a store.
  func readiness() async -> Readiness
  func metrics() async throws(ControlError) -> HostMetrics
  /// By name.
  func jobs(_ query: JobQuery) async throws(ControlError) -> Page<JobAnswer>
  func job(_ name: String) async throws(ControlError) -> JobAnswer
  /// Newest first.
  func runs(_ query: RunsQuery) async throws(ControlError) -> Page<RunAnswer>
  func run(_ id: RunID) async throws(ControlError) -> RunAnswer
  /// Oldest first, the last ones that fit.
  func log(_ query: LogQuery) async throws(ControlError) -> LogAnswer
  /// Newest first.
  func decisions(_ query: DecisionsQuery) async throws(ControlError) -> Page<DecisionAnswer>
  /// What became of a job's fire times, and what its runs wait for.
  func explain(_ query: ExplainQuery) async throws(ControlError) -> ExplainAnswer
  /// The fires to come of all jobs, by time.
  func upcoming(_ query: UpcomingQuery) async throws(ControlError) -> UpcomingAnswer
  /// Dynamic schedules, by id.
  func schedules(_ query: SchedulesQuery) async throws(ControlError) -> Page<ScheduleAnswer>
  /// By path, with what is wrong with them.
  func scripts() async throws(ControlError) -> ScriptsAnswer
  /// The latest first.
  func generations() async throws(ControlError) -> [GenerationAnswer]
  /// Newest first.
  func audit(_ query: AuditQuery) async throws(ControlError) -> Page<AuditAnswer>
  /// The hosts that share this one's stores, and this one.
  func nodes() async throws(ControlError) -> NodesAnswer

  // MARK: Orders

  /// Runs a job now, whether it is paused or not; it follows the overlap policy.
  func runNow(_ request: RunRequest, by caller: Caller) async throws(ControlError) -> AcceptedRun
  /// Ends a run as cancelled; answers before a running one has ended.
  func cancel(_ run: RunID, by caller: Caller) async throws(ControlError) -> CancelAnswer
  /// A new run of the job, with the parameters and the event of the run that it retries.
  func retry(_ run: RunID, by caller: Caller) async throws(ControlError) -> AcceptedRun
  /// What falls due from now on is recorded as skipped (paused).
  func pause(_ request: PauseRequest, by caller: Caller) async throws(ControlError) -> PauseAnswer
  /// What fell due meanwhile stays skipped. `request.reason` goes to the audit.
  func resume(_ request: PauseRequest, by caller: Caller) async throws(ControlError) -> PauseAnswer
  /// Reads every script again, and answers when the new generation is in force, or is refused.
  func reload(by caller: Caller) async throws(ControlError) -> ReloadAnswer
  func schedule(_ request: ScheduleOrder, by caller: Caller) async throws(ControlError) -> ScheduleAnswer
  func unschedule(_ id: String, by caller: Caller) async throws(ControlError)
  /// Runs a job for the fire times of a range; with `dryRun` it only lists them.
  func backfill(_ request: BackfillRequest, by caller: Caller) async throws(ControlError) -> BackfillAnswer
  /// Has a host give up what it leads, and lead nothing until it is resumed or started again; answers when it is told.
  func drain(_ node: String, _ request: DrainRequest, by caller: Caller) async throws(ControlError) -> DrainAnswer
  /// Takes a `drain` back.
  func undrain(_ node: String, by caller: Caller) async throws(ControlError) -> DrainAnswer
}
