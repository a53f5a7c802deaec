internal import Basics
internal import Chronology
internal import Hosting
internal import JobModel
internal import ScriptRuntime
internal import Synchronization

/// Start and end.
extension Scheduler {
  /// Opens the stores, loads the scripts, and begins to run jobs in the background.
  ///
  /// Blocks while files are read and scripts evaluated. Throws what is wrong with the configuration, the jobs or a
  /// store; then nothing runs, and this scheduler is of no more use.
  public func start() throws(SchedulerError) { try begin() }

  /// Opens the stores, loads the scripts, and begins to run jobs in the background.
  public func start() async throws(SchedulerError) { try await away { () throws(SchedulerError) in try self.begin() } }

  /// Starts, and blocks until the scheduler has been stopped: by another thread, by a job with `stop(waiting: false)`,
  /// or by one of `signals`. One that was stopped before returns at once.
  ///
  /// - Parameters:
  ///   - signals: such as `[SIGINT, SIGTERM]`. The first that comes drains, with `grace`; the second ends what runs at
  ///     once.
  ///   - grace: how long what runs may take to end after a signal.
  public func run(stoppingOn signals: [Int32] = [], grace: Duration = .seconds(30)) throws(SchedulerError) {
    if isCalledOff { return }
    let watch = StopSignals(signals) { [weak self] count in self?.stopLater(count == 1 ? grace : .zero) }
    defer { watch.end() }
    do throws(SchedulerError) { try begin() } catch {
      // Stopped while it started: it has run, for no time.
      if isStopAsked { return awaitEnd() }
      throw error
    }
    awaitEnd()
  }

  /// Starts, and returns when the scheduler has been stopped. When the task is cancelled, it stops with `grace`.
  public func run(grace: Duration = .zero) async throws(SchedulerError) {
    if isCalledOff { return }
    do throws(SchedulerError) { try await away { () throws(SchedulerError) in try self.begin() } } catch {
      guard isStopAsked else { throw error }
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let isOver = state.withLock { state in
          if case .stopped = state.phase { return true }
          state.waiting.append(continuation)
          return false
        }
        if isOver { continuation.resume() }
      }
    } onCancel: {
      stopLater(grace)
    }
  }

  /// Claims nothing more, waits up to `grace` for what runs, cancels what is left (async closures, and blocking ones
  /// that look at `isCancelled`), writes everything and closes the stores. From then on it is of no more use.
  ///
  /// Blocks until then. A second call waits for the first; with a grace of zero it ends its waiting, and what still
  /// runs is interrupted. Before the start, or again, is fine.
  ///
  /// Not in async code, where it would hold one of the few threads that tasks share: there it is `await
  /// scheduler.stop()`, and in a `defer`, which cannot wait, `scheduler.stop(waiting: false)`.
  @available(*, noasync, message: "write `await scheduler.stop()`, or in a `defer` `scheduler.stop(waiting: false)`")
  public func stop(grace: Duration = .seconds(30)) { end(grace) }

  /// Begins to stop; with `waiting`, blocks until the end.
  ///
  /// - Parameter waiting: false returns at once, which is how a job stops the scheduler that runs it.
  public func stop(grace: Duration = .seconds(30), waiting: Bool) {
    if waiting { end(grace) } else { stopLater(grace) }
  }

  /// Claims nothing more, waits up to `grace` for what runs, cancels what is left, writes everything and closes the
  /// stores. When the task is cancelled meanwhile, what still runs is interrupted.
  public func stop(grace: Duration = .seconds(30)) async {
    await withTaskCancellationHandler {
      await away { self.end(grace) }
    } onCancel: {
      stopLater(.zero)
    }
  }

  /// Begins to stop, and returns at once.
  private func stopLater(_ grace: Duration) {
    // A thread of its own: all those of the pool may be waiting for what this ends.
    let thread = try? NamedThread("moondial-stop") { [self] in end(grace) }
    if let thread { return thread.abandon() }
    // Without a thread to be had there is only this one.
    end(grace)
  }

  private var isStopAsked: Bool { state.withLock { $0.isStopAsked } }

  private var isCalledOff: Bool { state.withLock { $0.isCalledOff } }

  /// For a service among others: sequences of events go on beyond the end of `run`, until `endEvents`.
  package func holdEvents() { state.withLock { $0.holdsEvents = true } }

  /// The last event has been told.
  package func endEvents() { bus.finish() }

  // MARK: Blocking

  private func begin() throws(SchedulerError) {
    let (configuration, jobs) = try state.withLock { state throws(SchedulerError) in
      guard case .new = state.phase else {
        throw SchedulerError(.state, "a scheduler is started once: make another one")
      }
      state.phase = .starting
      return (state.configuration, state.jobs)
    }
    do throws(SchedulerError) {
      let checked = try CheckedConfiguration(configuration)
      let environment = checked.environment(now: driver.wallClock.now)
      var definitions: [JobDefinition] = []
      var complaints: [String] = []
      for job in jobs.values.sorted(by: { $0.name < $1.name }) {
        do throws(SchedulerError) { definitions.append(try job.definition(in: environment)) } catch {
          complaints.append(error.message)
        }
      }
      guard complaints.isEmpty else { throw SchedulerError(.invalid, complaints.joined(separator: "\n")) }
      let assembly = try assemble(configuration, checked)
      sink.withLock { $0 = assembly.sink }
      // Before the first job can run, since it may ask for something.
      state.withLock { $0.phase = .running(assembly) }
      do { _ = try assembly.start(definitions) } catch {
        throw isStopAsked
          ? SchedulerError(.state, "the scheduler was stopped while it was starting")
          : SchedulerError(.failed, error.message)
      }
      beginCompanions(assembly)
    } catch {
      finish()
      throw error
    }
    state.broadcast()
  }

  private func assemble(
    _ configuration: Configuration, _ checked: CheckedConfiguration
  ) throws(SchedulerError) -> SchedulerAssembly {
    let log = configuration.log.make(driver.wallClock)
    log.use(checked.zone)
    var blueprint = SchedulerAssembly.Blueprint(log: log)
    blueprint.configuration = checked.host
    if let scripts = configuration.scripts {
      if let refusal = driver.refusesScripts { throw SchedulerError(.invalid, refusal) }
      var location = ScriptLocation(
        scripts.directory, source: .value(checked.host), systemZone: checked.systemZone,
        environment: { scripts.environment[$0] }, variables: { scripts.environment })
      location.zones = .shared
      blueprint.scripts = location
      blueprint.isEmbedded = true
    }
    let renderer = EventRenderer(log, clock: driver.wallClock)
    blueprint.onEvents = { [bus] events in
      for event in events { renderer.render(event) }
      bus.publish(events)
    }
    blueprint.publishesRuns = bus.hasListeners || log.shows(.debug)
    blueprint.wallClock = driver.wallClock
    blueprint.monotonicClock = driver.monotonicClock
    blueprint.executor = driver.executor
    blueprint.engine = driver.engine
    do { return try SchedulerAssembly(blueprint) } catch {
      throw SchedulerError(error.kind == .usage ? .invalid : .failed, error.message)
    }
  }

  private func awaitEnd() { _ = state.wait { state in if case .stopped = state.phase { true } else { nil } } }

  private func end(_ grace: Duration) {
    enum Part { case nothing, all(SchedulerAssembly), wait(SchedulerAssembly) }
    let part = state.wait { state -> Part? in
      state.isStopAsked = true
      switch state.phase {
      case .new:
        state.phase = .stopped
        state.isCalledOff = true
        return .nothing
      case .starting: return nil
      case .running(let assembly):
        state.phase = .stopping(assembly)
        return .all(assembly)
      case .stopping(let assembly): return .wait(assembly)
      case .stopped: return .nothing
      }
    }
    switch part {
    case nil, .nothing?: finish()
    case .wait(let assembly)?:
      if grace <= .zero { assembly.endNow() }
      awaitEnd()
    case .all(let assembly)?:
      assembly.stop(grace: max(0, grace.wholeNanoseconds)) { endCompanions() }
      // A listener that never returns must not hold the end up.
      bus.awaitDelivery(until: monotonicNow() + 1_000_000_000)
      finish()
    }
  }

  /// Nothing runs any more: whoever waits for that goes on.
  private func finish() {
    if !state.withLock({ $0.holdsEvents }) { bus.finish() }
    let waiting = state.withLock { state in
      state.phase = .stopped
      // Closures may hold the scheduler that they belong to.
      state.jobs = [:]
      defer { state.waiting = [] }
      return state.waiting
    }
    state.broadcast()
    for continuation in waiting { continuation.resume() }
  }
}
