internal import Basics
internal import Chronology
internal import Hosting
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import Triggers

/// Schedules made while the scheduler runs: several for one job of the program or of a script, each with its own
/// parameters.
extension Scheduler {
  /// Makes a schedule for a declared job; returns its id when it is as durable as the job's store makes it.
  ///
  ///     try scheduler.schedule("send", .at("2027-01-31 09:00"), JobOptions(params: #"{"to": "ann"}"#))
  ///
  /// A date that is past is due at once. One that fires no more is gone after its last run.
  ///
  /// - Parameters:
  ///   - options: of `params`, `timezone`, `startDate`, `endDate`, `jitter`, `coalesce`, `misfireGraceTime`,
  ///     `maxInstances` and `priority` what is given; the rest is the job's. `maxInstances` counts the schedule's own
  ///     runs.
  ///   - id: nil: one is made, `JOB-NUMBER`.
  ///   - replacing: whether a schedule of that id gives way; otherwise it is `.duplicate`.
  @discardableResult
  public func schedule(
    _ job: String, _ trigger: Trigger, _ options: JobOptions = JobOptions(), id: String? = nil, replacing: Bool = false
  ) throws(SchedulerError) -> String { try make(job, trigger, options, id, replacing) }

  /// Makes a schedule for a declared job; returns its id when it is as durable as the job's store makes it.
  @discardableResult
  public func schedule(
    _ job: String, _ trigger: Trigger, _ options: JobOptions = JobOptions(), id: String? = nil, replacing: Bool = false
  ) async throws(SchedulerError) -> String {
    try await away { () throws(SchedulerError) in try self.make(job, trigger, options, id, replacing) }
  }

  /// Takes a dynamic schedule away; returns when that is durable. What was claimed goes on.
  public func unschedule(_ id: String) throws(SchedulerError) { try unmake(id) }

  /// Takes a dynamic schedule away; returns when that is durable. What was claimed goes on.
  public func unschedule(_ id: String) async throws(SchedulerError) {
    try await away { () throws(SchedulerError) in try self.unmake(id) }
  }

  /// Dynamic schedules, by id: those of one job, or all; none when the scheduler does not run. O(schedules).
  public func schedules(of job: String? = nil) -> [Schedule] { schedulesNow(job) }

  /// Dynamic schedules, by id: those of one job, or all; none when the scheduler does not run. O(schedules).
  public func schedules(of job: String? = nil) async -> [Schedule] { await away { self.schedulesNow(job) } }

  // MARK: Blocking

  private func make(
    _ job: String, _ trigger: Trigger, _ options: JobOptions, _ id: String?, _ replacing: Bool
  ) throws(SchedulerError) -> String {
    let engine = try assembly().engine
    try options.checkForSchedule()
    var options = options
    if options.timezone == nil {
      options.timezone = engine.ask { core, _, _ in
        core.index(of: job).map { core.jobs[$0.offset].entry.definition.timeZone }
      }
    }
    let checked = try CheckedConfiguration(state.withLock { $0.configuration })
    // The same fields as a job's, read by the same rules; only what is given becomes the schedule's own.
    let declaration = JobDeclaration(
      name: job, trigger: trigger, options: options, payload: NoCode(), source: SourceLocation(file: "", line: 0))
    let read = try declaration.definition(in: checked.environment(now: driver.wallClock.now))
    guard let found = read.trigger else { throw SchedulerError(.invalid, "\(trigger) never fires") }
    var request = ScheduleRequest(job: job, id: id, trigger: found)
    request.replaceExisting = replacing
    request.options.params = read.params
    request.options.jitter = options.jitter.map { _ in read.jitter }
    request.options.timeZone = read.timeZone
    request.options.misfireGraceTime = options.misfireGraceTime.flatMap { _ in read.misfireGraceTime }
    request.options.coalesce = options.coalesce.map { _ in read.coalesce }
    request.options.maxInstances = options.maxInstances.map { _ in read.maxInstances }
    request.options.priority = options.priority.map { _ in read.priority }
    do { return try engine.schedule(request) } catch { throw SchedulerError(error) }
  }

  private func unmake(_ id: String) throws(SchedulerError) {
    let engine = try assembly().engine
    do { try engine.unschedule(id) } catch { throw SchedulerError(error) }
  }

  private func schedulesNow(_ job: String?) -> [Schedule] {
    guard let assembly = try? assembly() else { return [] }
    return assembly.engine.schedules(of: job).map { Schedule($0) }
  }
}

extension JobOptions {
  /// Refuses what a schedule cannot say for itself.
  fileprivate func checkForSchedule() throws(SchedulerError) {
    var own = JobOptions()
    own.params = params
    own.timezone = timezone
    own.startDate = startDate
    own.endDate = endDate
    own.jitter = jitter
    own.coalesce = coalesce
    own.misfireGraceTime = misfireGraceTime
    own.maxInstances = maxInstances
    own.priority = priority
    guard self != own else { return }
    let known = Set(own.fields.map(\.key))
    let others = fields.map(\.key).filter { !known.contains($0) }
    throw SchedulerError(
      .invalid, "a dynamic schedule cannot say \(others.joined(separator: ", ")): that is for its job to say")
  }
}

extension SchedulerError {
  fileprivate init(_ failure: ScheduleFailure) {
    switch failure {
    case .refused(let refusal): self.init(refusal)
    case .notWritten(let error): self.init(.failed, error.message)
    }
  }
}
