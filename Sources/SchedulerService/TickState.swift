import Chronology
import JobModel
import Scheduling
import Triggers

/// What the scheduler's loop owns, and one tick of it.
///
/// A value, so that a tick asks once for the right to change it: as properties of a class, its parts cost a check each
/// time that one is touched, and a part that is only read is copied.
///
/// Threading: one thread at a time.
struct TickState {
  private let configuration: ServiceConfiguration
  private let inbox: TickInbox
  private var taken = TickInbox.Contents()
  private var core: SchedulerCore
  private var pipelines: [StorePipeline]
  private var actions: Evaluation

  init(_ configuration: ServiceConfiguration, _ inbox: TickInbox) {
    self.configuration = configuration
    self.inbox = inbox
    var settings = SchedulerCore.Configuration()
    let workers = configuration.executors.reduce(0) { $0 + $1.executor.workers }
    settings.window =
      configuration.window ?? max(SchedulingLimits.windowMinimum, SchedulingLimits.windowPerWorker * workers)
    settings.catchUpStep = configuration.catchUpStep ?? settings.catchUpStep
    settings.publishesRuns = configuration.publishesRuns
    settings.orphansMax = configuration.orphansMax
    core = SchedulerCore(
      configuration: settings, stores: configuration.stores.map(\.name), executors: configuration.executors.map(\.name))
    pipelines = configuration.stores.enumerated().map { index, store in
      StorePipeline(store.store) { error in inbox.enter { $0.stores.append((index, error)) } }
    }
    actions = Evaluation(stores: configuration.stores.count, executors: configuration.executors.count)
  }

  /// Reads what the stores know, as far as these jobs under these groups need it. Once, before the first tick.
  mutating func restore(_ definitions: [JobDefinition], groups: [String: GroupLimit]) throws(StoreError) {
    let context = TriggerContext(zones: configuration.zones)
    for (index, pipeline) in pipelines.enumerated() {
      var snapshot = try pipeline.store.load()
      if configuration.continues { snapshot.isTakeover = true }
      core.restore(snapshot, store: index) { text in
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

  /// Rounds of one tick at most: under a load that never lets the inbox empty, `now` would stand still and nothing more
  /// fall due.
  private static let roundsMax = 16

  /// Takes in what came, decides what is due at `now`, acts. Goes round until nothing more can be done at that moment,
  /// or until it is time for another moment: then the wake that it returns is at once.
  mutating func tick(at now: ClockReading) -> ServiceTick.Rest {
    var rounds = 0
    var isAsleep = false
    var wake = SchedulerCore.Wake()
    repeat {
      rounds += 1
      inbox.take(into: &taken)
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
      isAsleep = inbox.goToSleep()
    } while !isAsleep && rounds < Self.roundsMax
    if !isAsleep { wake.monotonic = now.monotonic }
    var isWritten = isAsleep
    for pipeline in pipelines.indices {
      if let at = pipelines[pipeline].retryAt { wake.monotonic = min(wake.monotonic ?? at, at) }
      isWritten = isWritten && (pipelines[pipeline].isIdle || pipelines[pipeline].isLost)
    }
    let isDraining = core.isDraining
    return ServiceTick.Rest(
      wake: wake, claimedRuns: isDraining ? core.claimedRuns + configuration.alsoRunning() : nil,
      isWritten: isWritten,
      unwritten: isDraining ? pipelines.compactMap { $0.unwritten } : [])
  }

  private mutating func finishBatches(at now: ClockReading) {
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

  private mutating func finishOutboxes(at now: ClockReading) {
    for (run, result) in taken.outboxes { core.outboxCommitted(run, result, at: now, into: &actions) }
    taken.outboxes.removeAll()
  }

  private mutating func act(onOutbox outbox: [OutboxAction], at now: ClockReading) {
    for action in outbox {
      switch action {
      case .emitted(let name, let data): configuration.onEmitted(name, data)
      case .commit(let commit):
        pipelines[commit.store].store.commit(commit.transaction, at: now.wall) { [inbox] result in
          inbox.enter { $0.outboxes.append((commit.run, result)) }
        }
      }
    }
  }

  /// Store first, then the executors, then whoever listens.
  private mutating func act(_ callbacks: [@Sendable (StoreError?) -> Void], at now: ClockReading) {
    for store in pipelines.indices { pipelines[store].collect(&actions.stores[store]) }
    if !callbacks.isEmpty { callWhenDurable(callbacks) }
    for store in pipelines.indices {
      if pipelines[store].send(at: now.monotonic) { core.batchTaken(by: store, at: now.monotonic) }
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
  private mutating func callWhenDurable(_ callbacks: [@Sendable (StoreError?) -> Void]) {
    let countdown = DurableCountdown(pipelines.count) { error in for callback in callbacks { callback(error) } }
    for store in pipelines.indices { pipelines[store].whenDurable { countdown.finish($0) } }
  }
}
