internal import Basics
internal import Chronology
internal import Hosting
internal import JobModel
internal import ScriptRuntime
internal import Synchronization

/// Runs jobs when they are due: Swift closures, and Lua scripts beside them.
///
///     let scheduler = Scheduler()
///     try scheduler.add("tick", .every(.seconds(3))) { run in print("tick", run.scheduledAt) }
///     try scheduler.start()                      // in the background; or `try scheduler.run()`, which blocks
///     …
///     scheduler.stop()
///
/// What it promises is what the `moondial` host promises: every due instant ends as one decision, the claim of a run is
/// in its store before it starts and its outcome after it ended, `start` takes up where the store stands.
///
/// Threading: every method from any thread. Those that wait for something exist twice: called with `await` they hold no
/// thread (never one of Swift's cooperative pool), otherwise they block the caller, for one tick of the scheduler where
/// nothing else is said. A scheduler is started once. It should be stopped: one that is released while it runs says so
/// in its log, and ends as `stop(grace: .zero)` does.
public final class Scheduler: Sendable {
  enum Phase: Sendable {
    case new, starting
    case running(SchedulerAssembly)
    case stopping(SchedulerAssembly)
    case stopped
  }

  struct State: Sendable {
    var phase = Phase.new
    var configuration: Configuration
    /// The program's jobs, by name.
    var jobs: [String: JobDeclaration] = [:]
    /// It was stopped before it was started.
    var isCalledOff = false
    /// Somebody stops it, or has.
    var isStopAsked = false
    /// What runs with it.
    var companions: [any SchedulerCompanion] = []
    /// Its jobs run, and its companions with it.
    var hasBegun = false
    /// Sequences of events do not end with the scheduler.
    var holdsEvents = false
    /// Tasks that wait for the end.
    var waiting: [CheckedContinuation<Void, Never>] = []
  }

  let state: Monitor<State>
  let bus = EventBus()
  /// Where the async forms of blocking calls wait.
  let blockingPool = BlockingPool(name: "moondial-call", threads: 8)
  let driver: SchedulerDriver
  /// Where the lines of running closures go; set by the start.
  let sink = Mutex<HostLogSink?>(nil)

  /// A scheduler that does nothing so far. Throws nothing: the configuration is checked by `start`, and by `add`.
  public convenience init(_ configuration: Configuration = Configuration()) {
    self.init(configuration, driver: SchedulerDriver())
  }

  /// For clocks moved by hand.
  package init(_ configuration: Configuration, driver: SchedulerDriver) {
    state = Monitor(State(configuration: configuration))
    self.driver = driver
  }

  deinit {
    // Who reads the events of a scheduler that is gone has read them all.
    let (phase, companions) = state.withLock { ($0.phase, $0.companions) }
    guard case .running(let assembly) = phase else { return bus.finish() }
    let end: @Sendable () -> Void = { [bus] in
      assembly.log.write(.warn, "the scheduler was released while it ran, and ends: keep it, and call stop()")
      assembly.stop(grace: 0) { for companion in companions { companion.end() } }
      bus.finish()
    }
    // Not here: the last reference may go on any thread, also on one that the end waits for.
    if let thread = try? NamedThread("moondial-stop", end) { thread.abandon() } else { end() }
  }

  /// Changes the configuration before the start; nothing is changed when `change` throws. After the start it throws.
  ///
  ///     try scheduler.configure { $0.executors["default"] = .threads(20) }
  public func configure(_ change: (inout Configuration) throws -> Void) throws {
    try state.withLock { state in
      guard case .new = state.phase else {
        throw SchedulerError(.state, "the scheduler has been started: configure it before")
      }
      var configuration = state.configuration
      try change(&configuration)
      state.configuration = configuration
    }
  }

  /// The assembly that runs. Throws when there is none.
  func assembly() throws(SchedulerError) -> SchedulerAssembly {
    switch state.withLock({ $0.phase }) {
    case .running(let assembly), .stopping(let assembly): return assembly
    case .new, .starting: throw SchedulerError(.state, "the scheduler is not running: call start() first")
    case .stopped: throw SchedulerError(.state, "the scheduler has stopped: make another one")
    }
  }

  /// Does something that blocks on a thread for that.
  func away<Result: Sendable, Failure: Error>(
    _ body: @escaping @Sendable () throws(Failure) -> Result
  ) async throws(Failure) -> Result {
    let result = await withCheckedContinuation { continuation in
      let work: @Sendable () -> Void = {
        continuation.resume(returning: Swift.Result { () throws(Failure) in try body() })
      }
      // Without a thread to be had there is only this one.
      if !blockingPool.run(work) { work() }
    }
    return try result.get()
  }
}
