internal import Basics
internal import Chronology
internal import Hosting
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptRuntime
internal import Synchronization

/// The program's jobs. Before the start they are collected; then each takes effect before the call returns.
extension Scheduler {
  /// Adds a job whose closure runs on a thread of its executor, and holds it until it returns.
  ///
  /// A closure that throws makes the run fail with the error's description; `CancellationError` ends it as cancelled
  /// (or timed out), `RetryLater` asks for another attempt.
  ///
  /// - Parameters:
  ///   - trigger: nil: it runs when asked, on events (`on`) or after others (`after`).
  ///   - replacing: whether a job of that name gets this definition; otherwise its name is taken.
  /// - Throws: all that is wrong with it, a line each.
  public func add(
    _ name: String, _ trigger: Trigger? = nil, _ options: JobOptions = JobOptions(), replacing: Bool = false,
    file: String = #fileID, line: Int = #line, run: @escaping @Sendable (RunContext) throws -> Void
  ) throws(SchedulerError) {
    try declare(declaration(name, trigger, options, file, line, .blocking(run)), replacing: replacing)
  }

  /// Adds a job whose closure runs as a task: while it waits it holds no thread at all. A cancel, and its timeout, end
  /// the run at once and cancel the task.
  public func add(
    _ name: String, _ trigger: Trigger? = nil, _ options: JobOptions = JobOptions(), replacing: Bool = false,
    file: String = #fileID, line: Int = #line, run: @escaping @Sendable (RunContext) async throws -> Void
  ) throws(SchedulerError) {
    try declare(declaration(name, trigger, options, file, line, .async(run)), replacing: replacing)
  }

  /// Adds a job whose closure runs on a thread of its executor, and holds it until it returns.
  public func add(
    _ name: String, _ trigger: Trigger? = nil, _ options: JobOptions = JobOptions(), replacing: Bool = false,
    file: String = #fileID, line: Int = #line, run: @escaping @Sendable (RunContext) throws -> Void
  ) async throws(SchedulerError) {
    let declaration = declaration(name, trigger, options, file, line, .blocking(run))
    try await away { () throws(SchedulerError) in try self.declare(declaration, replacing: replacing) }
  }

  /// Adds a job whose closure runs as a task.
  public func add(
    _ name: String, _ trigger: Trigger? = nil, _ options: JobOptions = JobOptions(), replacing: Bool = false,
    file: String = #fileID, line: Int = #line, run: @escaping @Sendable (RunContext) async throws -> Void
  ) async throws(SchedulerError) {
    let declaration = declaration(name, trigger, options, file, line, .async(run))
    try await away { () throws(SchedulerError) in try self.declare(declaration, replacing: replacing) }
  }

  /// Gives a job of the program another trigger: its next fire time is computed anew.
  public func reschedule(_ name: String, _ trigger: Trigger?) throws(SchedulerError) { try retime(name, trigger) }

  /// Gives a job of the program another trigger: its next fire time is computed anew.
  public func reschedule(_ name: String, _ trigger: Trigger?) async throws(SchedulerError) {
    try await away { () throws(SchedulerError) in try self.retime(name, trigger) }
  }

  /// Takes a job of the program away. What runs goes on; its history stays, and so does its place in the schedule:
  /// added again, it goes on where it stood.
  public func remove(_ name: String) throws(SchedulerError) { try withdraw(name) }

  /// Takes a job of the program away. What runs goes on; its history stays.
  public func remove(_ name: String) async throws(SchedulerError) {
    try await away { () throws(SchedulerError) in try self.withdraw(name) }
  }

  // MARK: Blocking

  private func declaration(
    _ name: String, _ trigger: Trigger?, _ options: JobOptions, _ file: String, _ line: Int, _ closure: JobClosure
  ) -> JobDeclaration {
    JobDeclaration(
      name: name, trigger: trigger, options: options,
      payload: closure.payload { [weak self] in self?.sink.withLock { $0 } },
      source: SourceLocation(file: file, line: line))
  }

  private func declare(_ job: JobDeclaration, replacing: Bool) throws(SchedulerError) {
    let checked = try CheckedConfiguration(state.withLock { $0.configuration })
    let definition = try job.definition(in: checked.environment(now: driver.wallClock.now))
    if definition.watch != nil, let refusal = driver.refusesFiles {
      throw SchedulerError(.invalid, "job \"\(job.name)\": \(refusal)")
    }
    // What is declared while the scheduler starts waits for that.
    let isKept = try state.wait { state -> Result<Bool, SchedulerError>? in
      switch state.phase {
      case .starting: return nil
      case .running, .stopping, .stopped: return .success(false)
      case .new: break
      }
      if let other = state.jobs[job.name], !replacing { return .failure(.taken(job.name, by: other.source)) }
      let circle = AfterCircle.find(through: job.name) { name in
        (name == job.name ? job : state.jobs[name])?.options.after?.names ?? []
      }
      if let circle { return .failure(.circle(circle, at: job.name)) }
      state.jobs[job.name] = job
      return .success(true)
    }?.get()
    if isKept == true { return }
    let assembly = try assembly()
    do { try assembly.declare(definition, replacing: replacing) } catch { throw SchedulerError(job.name, error) }
    state.withLock { $0.jobs[job.name] = job }
  }

  private func retime(_ name: String, _ trigger: Trigger?) throws(SchedulerError) {
    guard var job = state.withLock({ $0.jobs[name] }) else { throw unknown(name) }
    job.trigger = trigger
    try declare(job, replacing: true)
  }

  private func withdraw(_ name: String) throws(SchedulerError) {
    let isDone = try state.withLock { state throws(SchedulerError) -> Bool in
      guard state.jobs[name] != nil else { throw unknown(name) }
      guard case .new = state.phase else { return false }
      state.jobs[name] = nil
      return true
    }
    if isDone { return }
    let assembly = try assembly()
    do { try assembly.withdraw(name) } catch { throw SchedulerError(name, error) }
    state.withLock { $0.jobs[name] = nil }
  }

  private func unknown(_ name: String) -> SchedulerError {
    SchedulerError(.unknown, "the program has added no job named \"\(name)\"")
  }
}

extension SchedulerError {
  static func taken(_ name: String, by location: SourceLocation) -> SchedulerError {
    SchedulerError(
      .duplicate,
      "job \"\(name)\" is already declared at \(location): give it another name, or add it with replacing: true")
  }

  static func circle(_ circle: [String], at job: String) -> SchedulerError {
    SchedulerError(.invalid, AfterCircle.sentence(circle, at: job))
  }

  init(_ name: String, _ failure: SchedulerAssembly.DeclarationFailure) {
    switch failure {
    case .circle(let circle): self = .circle(circle, at: name)
    case .taken(let location): self = .taken(name, by: location)
    case .refused(let refusal): self.init(refusal)
    }
  }

  init(_ refusal: SchedulerCore.Refusal) {
    let code: Code =
      switch refusal {
      case .unknownJob, .unknownRun, .unknownSchedule, .orphaned: .unknown
      case .scheduleExists: .duplicate
      case .scheduleID, .neverFires, .tooManySchedules: .invalid
      case .overlap: .overlap
      case .draining: .state
      }
    self.init(code, refusal.message)
  }
}
