internal import Chronology
public import FoundationEssentials
internal import Hosting
internal import JobModel

/// What the operator of a host does, for programs: the same orders as the `moondial` commands and the HTTP API give,
/// with the same lines in the audit.
extension Scheduler {
  /// From now on what falls due is recorded as skipped, of every job, until it is resumed; also after a restart where
  /// the default store outlives the process. What runs goes on, and `runNow` runs. Returns when it is durable.
  ///
  /// - Parameters:
  ///   - reason: at most 1,024 bytes; shown as long as it lasts.
  ///   - caller: who is said to have done it.
  public func pauseEverything(reason: String? = nil, by caller: String = "program") throws(SchedulerError) {
    _ = try operate { control throws(ControlError) in
      try control.pause(PauseRequest(jobs: nil, reason: reason), by: Caller(caller, .program))
    }
  }

  /// From now on what falls due is recorded as skipped, of every job, until it is resumed.
  public func pauseEverything(reason: String? = nil, by caller: String = "program") async throws(SchedulerError) {
    _ = try await operateAway { control throws(ControlError) in
      try await control.pause(PauseRequest(jobs: nil, reason: reason), by: Caller(caller, .program))
    }
  }

  /// What fell due meanwhile stays skipped; a job that was paused by itself stays so.
  public func resumeEverything(by caller: String = "program") throws(SchedulerError) {
    _ = try operate { control throws(ControlError) in
      try control.resume(PauseRequest(jobs: nil), by: Caller(caller, .program))
    }
  }

  /// What fell due meanwhile stays skipped; a job that was paused by itself stays so.
  public func resumeEverything(by caller: String = "program") async throws(SchedulerError) {
    _ = try await operateAway { control throws(ControlError) in
      try await control.resume(PauseRequest(jobs: nil), by: Caller(caller, .program))
    }
  }

  /// Why everything is paused; nil: it is not.
  public func pauseOfEverything() throws(SchedulerError) -> Pause? {
    try operate { control throws(ControlError) in control.status() }.pause.map { Pause($0) }
  }

  /// Why everything is paused; nil: it is not.
  public func pauseOfEverything() async throws(SchedulerError) -> Pause? {
    try await operateAway { control throws(ControlError) in try await control.status() }.pause.map { Pause($0) }
  }

  /// A new run of the job of a run that has ended, with its parameters and for its fire time. It follows the overlap
  /// policy, and names the run that it retries.
  @discardableResult
  public func retry(_ run: RunID, by caller: String = "program") throws(SchedulerError) -> RunID {
    RunID(
      try operate { control throws(ControlError) in try control.retry(run.inner, by: Caller(caller, .program)) }.id)
  }

  /// A new run of the job of a run that has ended, with its parameters and for its fire time.
  @discardableResult
  public func retry(_ run: RunID, by caller: String = "program") async throws(SchedulerError) -> RunID {
    RunID(
      try await operateAway { control throws(ControlError) in
        try await control.retry(run.inner, by: Caller(caller, .program))
      }.id)
  }

  /// Runs a job for the fire times of a range that has passed: `start <= fire < end`, at most 1,000.
  ///
  /// - Parameters:
  ///   - coalesced: one run for the latest, instead of one for each.
  ///   - overlap: what becomes of a run while `maxInstances` are active.
  ///   - dryRun: nothing runs; only the fire times are told.
  public func backfill(
    _ job: String, from start: Date, to end: Date, coalesced: Bool = false, overlap: JobOptions.Overlap = .queue,
    params: JSON? = nil, dryRun: Bool = false, by caller: String = "program"
  ) throws(SchedulerError) -> Backfill {
    let request = try backfillRequest(job, start, end, coalesced, overlap, params, dryRun)
    return Backfill(
      try operate { control throws(ControlError) in try control.backfill(request, by: Caller(caller, .program)) })
  }

  /// Runs a job for the fire times of a range that has passed: `start <= fire < end`, at most 1,000.
  public func backfill(
    _ job: String, from start: Date, to end: Date, coalesced: Bool = false, overlap: JobOptions.Overlap = .queue,
    params: JSON? = nil, dryRun: Bool = false, by caller: String = "program"
  ) async throws(SchedulerError) -> Backfill {
    let request = try backfillRequest(job, start, end, coalesced, overlap, params, dryRun)
    return Backfill(
      try await operateAway { control throws(ControlError) in
        try await control.backfill(request, by: Caller(caller, .program))
      })
  }

  /// Reads every script again; returns when that is in force, with what is wrong with scripts, a sentence each.
  @discardableResult
  public func reload(by caller: String = "program") throws(SchedulerError) -> [String] {
    try operate { control throws(ControlError) in try control.reload(by: Caller(caller, .program)) }.sentences
  }

  /// Reads every script again; returns when that is in force, with what is wrong with scripts, a sentence each.
  @discardableResult
  public func reload(by caller: String = "program") async throws(SchedulerError) -> [String] {
    try await operateAway { control throws(ControlError) in try await control.reload(by: Caller(caller, .program)) }
      .sentences
  }

  /// The fires to come of all jobs within a span of at most 32 days, by time; of a schedule with more than twelve only
  /// the first.
  public func upcoming(within span: Duration = .seconds(86_400)) throws(SchedulerError) -> [Upcoming] {
    let query = UpcomingQuery(span: span.wholeNanoseconds)
    return Upcoming.list(try operate { control throws(ControlError) in try control.upcoming(query) })
  }

  /// The fires to come of all jobs within a span of at most 32 days, by time.
  public func upcoming(within span: Duration = .seconds(86_400)) async throws(SchedulerError) -> [Upcoming] {
    let query = UpcomingQuery(span: span.wholeNanoseconds)
    return Upcoming.list(try await operateAway { control throws(ControlError) in try await control.upcoming(query) })
  }

  /// Who changed what, newest first. Reads the stores.
  public func audit(limit: Int = 100) throws(SchedulerError) -> [AuditEntry] {
    let query = AuditQuery(limit: limit)
    return try operate { control throws(ControlError) in try control.audit(query) }.items.map { AuditEntry($0) }
  }

  /// Who changed what, newest first.
  public func audit(limit: Int = 100) async throws(SchedulerError) -> [AuditEntry] {
    let query = AuditQuery(limit: limit)
    return try await operateAway { control throws(ControlError) in try await control.audit(query) }.items
      .map { AuditEntry($0) }
  }

  // MARK: Doing it

  func operate<Answer>(
    _ body: (BlockingControl) throws(ControlError) -> Answer
  ) throws(SchedulerError) -> Answer {
    let control = try assembly().blockingControl
    do throws(ControlError) { return try body(control) } catch { throw SchedulerError(error) }
  }

  func operateAway<Answer>(
    _ body: (any HostControl) async throws(ControlError) -> Answer
  ) async throws(SchedulerError) -> Answer {
    let control = try assembly().control
    do throws(ControlError) { return try await body(control) } catch { throw SchedulerError(error) }
  }

  private func backfillRequest(
    _ job: String, _ start: Date, _ end: Date, _ coalesced: Bool, _ overlap: JobOptions.Overlap, _ params: JSON?,
    _ dryRun: Bool
  ) throws(SchedulerError) -> BackfillRequest {
    var request = BackfillRequest(
      job: job, from: HostTime(Instant(start), in: .utc), to: HostTime(Instant(end), in: .utc))
    request.coalesce = coalesced
    request.overlap = OverlapPolicy(rawValue: overlap.rawValue)
    request.params = try params?.checked("params", isObject: true).document
    request.dryRun = dryRun
    return request
  }
}

extension JSONText {
  fileprivate var document: JSONDocument { JSONDocument(self) }
}

extension ReloadAnswer {
  fileprivate var sentences: [String] {
    errors.map { "\($0.file)\($0.line > 0 ? ":\($0.line)" : ""): \($0.message)" }
  }
}

extension SchedulerError {
  init(_ error: ControlError) {
    let code: Code =
      switch error.code {
      case .notFound: .unknown
      case .conflict: .state
      case .invalid: .invalid
      case .unavailable: .failed
      }
    self.init(code, error.message)
  }
}
