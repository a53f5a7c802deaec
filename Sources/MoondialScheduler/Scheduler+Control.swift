internal import Chronology
public import FoundationEssentials
internal import Hosting
internal import JobModel
internal import SchedulerService
internal import Scheduling

/// What is asked of a running scheduler, about all jobs: the program's and those of scripts.
extension Scheduler {
  /// Runs a job now, whether it is paused or not; it follows the job's overlap policy.
  ///
  /// - Parameter params: an object; over the job's own.
  /// - Throws: `.unknown`, `.overlap`, `.state`.
  @discardableResult
  public func runNow(_ job: String, params: JSON? = nil) throws(SchedulerError) -> RunID { try ask(job, params) }

  /// Runs a job now, whether it is paused or not; it follows the job's overlap policy.
  @discardableResult
  public func runNow(_ job: String, params: JSON? = nil) async throws(SchedulerError) -> RunID {
    try await away { () throws(SchedulerError) in try self.ask(job, params) }
  }

  /// From now on what falls due is recorded as skipped, until it is resumed; also after a restart where its store
  /// outlives the process. Returns when it is durable.
  ///
  /// - Parameters:
  ///   - reason: at most 1,024 bytes; shown as long as it lasts.
  ///   - caller: who is said to have done it.
  public func pause(_ job: String, reason: String? = nil, by caller: String = "program") throws(SchedulerError) {
    _ = try operate { control throws(ControlError) in
      try control.pause(PauseRequest(jobs: [job], reason: reason), by: Caller(caller, .program))
    }
  }

  /// From now on what falls due is recorded as skipped, until it is resumed.
  public func pause(_ job: String, reason: String? = nil, by caller: String = "program") async throws(SchedulerError) {
    _ = try await operateAway { control throws(ControlError) in
      try await control.pause(PauseRequest(jobs: [job], reason: reason), by: Caller(caller, .program))
    }
  }

  /// What fell due meanwhile stays skipped. Returns when it is durable.
  public func resume(_ job: String, by caller: String = "program") throws(SchedulerError) {
    _ = try operate { control throws(ControlError) in
      try control.resume(PauseRequest(jobs: [job]), by: Caller(caller, .program))
    }
  }

  /// What fell due meanwhile stays skipped.
  public func resume(_ job: String, by caller: String = "program") async throws(SchedulerError) {
    _ = try await operateAway { control throws(ControlError) in
      try await control.resume(PauseRequest(jobs: [job]), by: Caller(caller, .program))
    }
  }

  /// Ends a run as cancelled; returns before it has ended.
  public func cancel(_ run: RunID) throws(SchedulerError) { try end(run) }

  /// Ends a run as cancelled; returns before it has ended.
  public func cancel(_ run: RunID) async throws(SchedulerError) {
    try await away { () throws(SchedulerError) in try self.end(run) }
  }

  /// Runs the jobs that listen to an event (`JobOptions.on`, and `on` in scripts), and resumes scripts that wait for
  /// it.
  public func emit(_ event: String, _ data: JSON? = nil) throws(SchedulerError) { try tell(event, data) }

  /// Runs the jobs that listen to an event, and resumes scripts that wait for it.
  public func emit(_ event: String, _ data: JSON? = nil) async throws(SchedulerError) {
    try await away { () throws(SchedulerError) in try self.tell(event, data) }
  }

  /// All jobs that are declared, in the order of their first registration; none when the scheduler does not run.
  /// O(jobs).
  public func jobs() -> [Job] { list() }

  /// All jobs that are declared, in the order of their first registration; none when the scheduler does not run.
  /// O(jobs).
  public func jobs() async -> [Job] { await away { self.list() } }

  /// The next fire times of a job, at most `count`; fewer when its schedule ends. O(count).
  public func nextFires(of job: String, count: Int = 1) throws(SchedulerError) -> [Date] { try fires(job, count) }

  /// The next fire times of a job, at most `count`; fewer when its schedule ends. O(count).
  public func nextFires(of job: String, count: Int = 1) async throws(SchedulerError) -> [Date] {
    try await away { () throws(SchedulerError) in try self.fires(job, count) }
  }

  /// Runs of a job, or of all, newest first. Reads the stores: blocks on the disk.
  public func history(of job: String? = nil, limit: Int = 100) throws(SchedulerError) -> [Run] { try read(job, limit) }

  /// Runs of a job, or of all, newest first.
  public func history(of job: String? = nil, limit: Int = 100) async throws(SchedulerError) -> [Run] {
    try await away { () throws(SchedulerError) in try self.read(job, limit) }
  }

  // MARK: Blocking

  private func ask(_ job: String, _ params: JSON?) throws(SchedulerError) -> RunID {
    let params = try params?.checked("params", isObject: true)
    return RunID(try request { engine throws(SchedulerCore.Refusal) in try engine.runNow(job, params: params) })
  }

  private func end(_ run: RunID) throws(SchedulerError) {
    try request { engine throws(SchedulerCore.Refusal) in try engine.cancel(run.inner) }
  }

  private func tell(_ event: String, _ data: JSON?) throws(SchedulerError) {
    let data = try data?.checked("the event's data")
    let assembly = try assembly()
    do { try assembly.emit(event, data: data) } catch { throw SchedulerError(.failed, error.message) }
  }

  private func list() -> [Job] {
    guard let assembly = try? assembly() else { return [] }
    return assembly.engine.jobs().filter { !$0.isOrphaned }.map { Job($0) }
  }

  private func fires(_ job: String, _ count: Int) throws(SchedulerError) -> [Date] {
    try request { engine throws(SchedulerCore.Refusal) in try engine.nextFires(of: job, count: count) }.map { Date($0) }
  }

  private func read(_ job: String?, _ limit: Int) throws(SchedulerError) -> [Run] {
    guard limit > 0 else { return [] }
    do {
      let records = try assembly().stores.flatMap { _, store in try store.runs(RunQuery(job: job, limit: limit)) }
      // Ids of one store rise; those of several do not compare.
      let sorted = records.sorted { ($0.scheduledAt, $0.id) > ($1.scheduledAt, $1.id) }
      return sorted.prefix(limit).map { Run($0) }
    } catch let error as SchedulerError { throw error } catch { throw SchedulerError(.failed, "\(error)") }
  }

  private func request<Answer>(
    _ body: (any SchedulerEngine) throws(SchedulerCore.Refusal) -> Answer
  ) throws(SchedulerError) -> Answer {
    let engine = try assembly().engine
    do { return try body(engine) } catch { throw SchedulerError(error) }
  }
}
