internal import Basics
import Chronology
package import JobModel
package import Scheduling
import Synchronization
import Triggers

/// The scheduler's inbox and one tick of its loop: take what came, decide, act. Nothing here sleeps or starts a thread,
/// so that the simulator drives the same code under a clock of its own.
///
/// Threading: `post`, `report` and store completions from any thread; `tick` on one thread at a time.
package final class ServiceTick: RunReportSink, SchedulerInbox, @unchecked Sendable {
  // `@unchecked`: `core`, `pipelines`, `actions` and `isOver` are touched by `tick` (and before the first tick) only,
  // which the owner calls on one thread at a time; everything that other threads touch is in `inbox`, behind its lock.
  package typealias Command = @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) -> Void

  private struct Inbox: Sendable {
    var reports: [RunReport] = []
    var commands: [(command: Command, whenDurable: (@Sendable (StoreError?) -> Void)?)] = []
    var stores: [(store: Int, error: StoreError?)] = []
    var outboxes: [(run: RunToken, result: Result<TransactionAnswer, StoreError>)] = []
    /// Whether `wake` was called since the last tick began.
    var isAwake = true
    var isEmpty: Bool { reports.isEmpty && commands.isEmpty && stores.isEmpty && outboxes.isEmpty }
  }

  #if MOONDIAL_SANITIZER
    // The thread sanitizer sees a pthread mutex. What a contended `Mutex` does lies in a library that it does not see,
    // so whatever is handed over here would look like a race.
    private let inbox = Monitor(Inbox())
  #else
    private let inbox = Mutex(Inbox())
  #endif
  private let configuration: ServiceConfiguration
  private let wake: @Sendable () -> Void
  private var taken = Inbox()
  private var core: SchedulerCore
  private var pipelines: [StorePipeline]
  private var actions: Evaluation

  /// - Parameter wake: ends the owner's sleep; called at most once between two ticks.
  package init(_ configuration: ServiceConfiguration, wake: @escaping @Sendable () -> Void) {
    self.configuration = configuration
    self.wake = wake
    var settings = SchedulerCore.Configuration()
    let workers = configuration.executors.reduce(0) { $0 + $1.executor.workers }
    settings.window =
      configuration.window ?? max(SchedulingLimits.windowMinimum, SchedulingLimits.windowPerWorker * workers)
    settings.catchUpStep = configuration.catchUpStep ?? settings.catchUpStep
    settings.publishesRuns = configuration.publishesRuns
    settings.orphansMax = configuration.orphansMax
    core = SchedulerCore(
      configuration: settings, stores: configuration.stores.map(\.name), executors: configuration.executors.map(\.name))
    pipelines = configuration.stores.map { StorePipeline($0.store) }
    actions = Evaluation(stores: configuration.stores.count, executors: configuration.executors.count)
  }

  /// Reads what the stores know, as far as these jobs under these groups need it. Once, before the first tick.
  package func restore(_ definitions: [JobDefinition], groups: [String: GroupLimit]) throws(StoreError) {
    let context = TriggerContext(zones: configuration.zones)
    for (index, pipeline) in pipelines.enumerated() {
      core.restore(try pipeline.store.load(), store: index) { text in
        // What cannot be read is kept by the core, and shown: a zone may be missing on this machine today.
        try? TriggerText.parse(text, context: context).trigger
      }
    }
    let wall = configuration.wallClock.now
    for job in definitions {
      let rates = [job.rate, job.group.flatMap { groups[$0]?.rate }]
      guard let window = rates.compactMap({ $0?.window }).max() else { continue }
      for pipeline in pipelines {
        core.restore(try pipeline.store.starts(of: job.name, since: wall.advanced(byNanoseconds: -window)))
      }
    }
  }

  // MARK: From any thread

  /// Hands in something to do on the scheduler's state at the next tick; `whenDurable` is called when what it decided
  /// is on disk.
  package func post(whenDurable: (@Sendable (StoreError?) -> Void)? = nil, _ command: @escaping Command) {
    enter { $0.commands.append((command, whenDurable)) }
  }

  package func report(_ reports: [RunReport]) { enter { $0.reports += reports } }

  private func completed(_ store: Int, _ error: StoreError?) { enter { $0.stores.append((store, error)) } }

  private func enter(_ change: (inout Inbox) -> Void) {
    let mustWake = inbox.withLock { inbox in
      change(&inbox)
      defer { inbox.isAwake = true }
      return !inbox.isAwake
    }
    if mustWake { wake() }
  }

  // MARK: The tick

  package var now: ClockReading {
    ClockReading(wall: configuration.wallClock.now, monotonic: configuration.monotonicClock.now.nanoseconds)
  }

  /// What the owner needs to know after a tick.
  package struct Rest: Sendable {
    /// When the next tick is due at the latest.
    package var wake: SchedulerCore.Wake
    /// Claimed runs that are not over; only counted while draining, nil otherwise.
    package var claimedRuns: Int?
    /// Whether the stores have everything that they will ever take.
    package var isWritten: Bool
    /// What they have not; only told while draining. Sentences.
    package var unwritten: [String] = []
  }

  /// Rounds of one tick at most: under a load that never lets the inbox empty, `now` would stand still and nothing more
  /// fall due.
  private static let roundsMax = 16

  /// Takes in what came, decides what is due at `now`, acts. Goes round until nothing more can be done at that moment,
  /// or until it is time for another moment: then the wake that it returns is at once.
  package func tick(at now: ClockReading) -> Rest {
    var rounds = 0
    var isAsleep = false
    var wake = SchedulerCore.Wake()
    repeat {
      rounds += 1
      takeInbox()
      if !taken.stores.isEmpty { finishBatches(at: now) }
      if !taken.outboxes.isEmpty { finishOutboxes(at: now) }
      core.report(taken.reports, at: now, into: &actions)
      taken.reports.removeAll(keepingCapacity: true)
      var callbacks: [@Sendable (StoreError?) -> Void] = []
      for (command, whenDurable) in taken.commands {
        command(&core, now, &actions)
        if let whenDurable { callbacks.append(whenDurable) }
      }
      taken.commands.removeAll(keepingCapacity: true)
      wake = core.advance(to: now, into: &actions)
      act(callbacks, at: now)
      isAsleep = goToSleep()
    } while !isAsleep && rounds < Self.roundsMax
    if !isAsleep { wake.monotonic = now.monotonic }
    var isWritten = isAsleep
    for pipeline in pipelines.indices {
      if let at = pipelines[pipeline].retryAt { wake.monotonic = min(wake.monotonic ?? at, at) }
      isWritten = isWritten && (pipelines[pipeline].isIdle || pipelines[pipeline].isLost)
    }
    let isDraining = Self.isDraining(&core)
    return Rest(
      wake: wake, claimedRuns: isDraining ? core.claimedRuns + configuration.alsoRunning() : nil,
      isWritten: isWritten,
      unwritten: isDraining ? pipelines.compactMap { $0.unwritten } : [])
  }

  /// `inout`, since asking the core in a property of a class copies the whole core: 2,700 instructions a tick.
  private static func isDraining(_ core: inout SchedulerCore) -> Bool { core.isDraining }

  private func takeInbox() {
    inbox.withLock { inbox in
      swap(&inbox.reports, &taken.reports)
      swap(&inbox.commands, &taken.commands)
      swap(&inbox.stores, &taken.stores)
      swap(&inbox.outboxes, &taken.outboxes)
      inbox.isAwake = true
    }
  }

  /// - Returns: false when something came in meanwhile.
  private func goToSleep() -> Bool {
    inbox.withLock { inbox in
      guard inbox.isEmpty else { return false }
      inbox.isAwake = false
      return true
    }
  }

  private func finishBatches(at now: ClockReading) {
    for (store, error) in taken.stores {
      switch pipelines[store].finish(error, at: now.monotonic) {
      case .durable(let claims, let waiting, let recovered):
        if recovered { core.storeRecovered(store, into: &actions) }
        core.batchIsDurable(in: store, at: now.monotonic, into: &actions)
        core.committed(claims, at: now, into: &actions)
        for completion in waiting { completion(nil) }
      case .failed(let claims, let waiting):
        core.claimsFailed(claims, store: store, error: error!, at: now, into: &actions)
        for completion in waiting { completion(error) }
      }
    }
    taken.stores.removeAll(keepingCapacity: true)
  }

  private func finishOutboxes(at now: ClockReading) {
    for (run, result) in taken.outboxes { core.outboxCommitted(run, result, at: now, into: &actions) }
    taken.outboxes.removeAll()
  }

  private func act(onOutbox outbox: [OutboxAction], at now: ClockReading) {
    for action in outbox {
      switch action {
      case .emitted(let name, let data): configuration.onEmitted(name, data)
      case .commit(let commit):
        pipelines[commit.store].store.commit(commit.transaction, at: now.wall) { [self] result in
          enter { $0.outboxes.append((commit.run, result)) }
        }
      }
    }
  }

  /// Store first, then the executors, then whoever listens.
  private func act(_ callbacks: [@Sendable (StoreError?) -> Void], at now: ClockReading) {
    for store in pipelines.indices { pipelines[store].collect(&actions.stores[store]) }
    if !callbacks.isEmpty { callWhenDurable(callbacks) }
    for store in pipelines.indices {
      guard let batch = pipelines[store].nextBatch(at: now.monotonic) else { continue }
      core.batchTaken(by: store, at: now.monotonic)
      pipelines[store].store.apply(batch) { [self] error in completed(store, error) }
    }
    for store in pipelines.indices { core.note(queued: pipelines[store].collecting.batch.changes, in: store) }
    for executor in actions.orders.indices where !actions.orders[executor].isEmpty {
      configuration.executors[executor].executor.submit(actions.orders[executor])
    }
    if !actions.outbox.isEmpty { act(onOutbox: actions.outbox, at: now) }
    if actions.windsDown { for executor in configuration.executors { executor.executor.windDown() } }
    for (executor, token) in actions.cancellations { configuration.executors[executor].executor.cancel(token) }
    if !actions.events.isEmpty { configuration.onEvents(actions.events) }
    actions.removeAll()
  }

  /// A command may have touched several stores: its caller hears of the last one, or of the first failure.
  private func callWhenDurable(_ callbacks: [@Sendable (StoreError?) -> Void]) {
    let countdown = DurableCountdown(pipelines.count) { error in for callback in callbacks { callback(error) } }
    for store in pipelines.indices { pipelines[store].whenDurable { countdown.finish($0) } }
  }
}

/// Calls once, when all of several batches are durable or have failed.
private final class DurableCountdown: Sendable {
  private let state: Mutex<(left: Int, error: StoreError?)>
  private let completion: @Sendable (StoreError?) -> Void

  init(_ count: Int, _ completion: @escaping @Sendable (StoreError?) -> Void) {
    state = Mutex((count, nil))
    self.completion = completion
  }

  func finish(_ error: StoreError?) {
    let (isLast, error) = state.withLock { state in
      state.left -= 1
      state.error = state.error ?? error
      return (state.left == 0, state.error)
    }
    if isLast { completion(error) }
  }
}
