internal import Basics
internal import CLinux
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// What a host is asked and told, done: the one implementation of ``HostControl``.
///
/// Questions that read stores, or that wait for the scheduler's thread, run on a few threads of their own; orders need
/// none: they are posted, and answered by the store's completion.
///
/// Threading: any thread.
package final class SchedulerControl: HostControl {
  /// What it stands on.
  struct Parts: Sendable {
    var engine: any SchedulerEngine
    var stores: [(name: String, store: any JobStore)]
    var executors: [(name: String, executor: any JobExecutor)]
    var zones: TimeZoneDatabase
    /// In which times are shown.
    var zone: TimeZoneRules
    var zoneName: String
    var wallClock: any WallClock
    var monotonicClock: any MonotonicClock
    var health: HostHealth
    var scripts: ScriptLedger
    /// As the host was started with.
    var configuration: HostConfiguration
    var scriptsDirectory: String?
    var stateDirectory: String?
    /// Bytes of kept Lua states; nil without scripts.
    var luaStates: @Sendable () -> Int?
    /// What scripts count and measure.
    var series: @Sendable () -> [MetricSeries]
    var quotas: @Sendable () -> Quotas
    /// What this host is among others.
    var memberships: HostMemberships
    /// Where a claimed run is, or why it is nowhere. nil: on this host.
    var whereabouts: @Sendable (RunID) -> StorePlacerState.Whereabouts?
  }

  /// Scripts that are followed.
  struct Followed: Sendable {
    /// Begins to read all of them again.
    var rescan: @Sendable () -> Void
    /// Why a job is kept and does not run.
    var reasonOfOrphan: @Sendable (String) -> String
  }

  package let identity: HostIdentity
  package let events: EventJournal
  package let lines: LineJournal
  let parts: Parts
  let startedAt: Instant
  let startedAtMonotonic: Int64
  let progress = ProgressLedger()
  let directory: JobDirectory
  let declared = DeclaredAnswers()
  let observed = Mutex(Observed())
  /// How many jobs were what when so much had changed.
  let totals = Mutex<(changes: Int, totals: JobTotals)?>(nil)
  private let followed = Mutex<Followed?>(nil)
  /// What is asked of the host comes after its fires: beside 2,000 requests a second starts were late by 1.4 and 1.8 ms
  /// at p99 with threads of the usual priority, and by 1.0 and 1.2 ms with these (alone by 0.8 to 1.3 ms).
  private let pool = BlockingPool(name: "moondial-control", threads: 4) {
    (name, stackSize, signals, body) throws(ThreadError) in
    try NamedThread(name, stackSize: stackSize, signals: signals) {
      linux_run_later()
      body()
    }
  }
  let pending = PendingOrders()
  /// Reloads that somebody waits for.
  let reloads = PendingOrders()

  /// What events have told.
  struct Observed: Sendable {
    var isStopping = false
    /// Why stores could not be written when they failed last, by their names.
    var storeFailures: [String: String] = [:]
    var clockSteps = 0
    /// How jobs' latest runs ended before this start, as far as somebody asked.
    var formerOutcomes: [String: Outcome?] = [:]
  }

  init(_ identity: HostIdentity, _ parts: Parts, events: EventJournal, lines: LineJournal) {
    self.identity = identity
    self.parts = parts
    self.events = events
    self.lines = lines
    directory = JobDirectory(parts.engine)
    startedAt = parts.wallClock.now
    startedAtMonotonic = parts.monotonicClock.now.nanoseconds
  }

  /// The host begins to stop: scripts are not read any more, and who waits for that is told.
  func stopReloads() { reloads.end() }

  /// Nothing is asked or told any more: what waits is answered that the host stops. After the scheduler has; twice is
  /// fine.
  func stop() {
    observed.withLock { $0.isStopping = true }
    reloads.end()
    pending.end()
    pool.stop()
    events.stop()
    lines.stop()
  }

  /// From now on there are scripts.
  func follow(_ follower: ScriptFollower, _ files: FileFollower) {
    let scripts = Followed(
      rescan: {
        follower.rescanNow()
        files.rescanNow()
      }, reasonOfOrphan: { follower.homes.reason(for: $0) })
    followed.withLock { $0 = scripts }
  }

  var scripts: Followed? { followed.withLock { $0 } }
  var engine: any SchedulerEngine { parts.engine }
  var now: Instant { parts.wallClock.now }

  func time(_ instant: Instant) -> HostTime { HostTime(instant, in: parts.zone) }

  // MARK: Questions

  /// Does something that blocks on a thread for that. When the task is cancelled before a thread has come to it, it is
  /// not done: a client that has gone costs nothing more.
  func away<Answer: Sendable>(
    _ body: @escaping @Sendable () throws(ControlError) -> Answer
  ) async throws(ControlError) -> Answer {
    let flag = Cancellation()
    let result = await withTaskCancellationHandler {
      await withCheckedContinuation { (continuation: CheckedContinuation<Result<Answer, ControlError>, Never>) in
        let work: @Sendable () -> Void = {
          guard !flag.isSet else { return continuation.resume(returning: .failure(Self.unwanted)) }
          continuation.resume(returning: Result { () throws(ControlError) in try body() })
        }
        if !pool.run(work) { continuation.resume(returning: .failure(Self.noThread(pool.refusal))) }
      }
    } onCancel: {
      flag.set()
    }
    return try result.get()
  }

  private static let unwanted = ControlError(.unavailable, "nobody waits for the answer any more")

  private static func noThread(_ why: String) -> ControlError { ControlError(.unavailable, why) }

  /// Asks a store, with its failure as a sentence.
  func reading<Answer>(_ body: () throws(StoreError) -> Answer) throws(ControlError) -> Answer {
    do throws(StoreError) { return try body() } catch {
      throw ControlError(.unavailable, "the store cannot be read: \(error.message)")
    }
  }

  /// Asks about all slots of the scheduler's table, some at a time, so that what falls due waits for one part at most.
  func everySlot<Answer: Sendable>(
    _ body: @escaping @Sendable (inout SchedulerCore, Range<Int>) -> Answer, _ take: (Answer) -> Void
  ) {
    var from = 0
    while true {
      let range = from..<from + Self.jobsPerTick
      let (answer, count) = engine.ask { core, _, _ in (body(&core, range), core.slotCount) }
      take(answer)
      from += Self.jobsPerTick
      if from >= count { return }
    }
  }

  /// Jobs and schedules that one tick looks at for a question, so that a long answer does not hold up what is due.
  static let jobsPerTick = 1_000

  // MARK: Orders

  /// What is done with the scheduler's state at its next tick. Throws when it changed nothing.
  typealias Order<Answer> =
    @Sendable (inout SchedulerCore, ClockReading, inout Evaluation) throws(ControlError) -> Answer

  /// Gives an order; `completion` is called once, when what it decided is durable, or with why it is not done.
  func give<Answer: Sendable>(
    _ order: @escaping Order<Answer>, completion: @escaping @Sendable (Result<Answer, ControlError>) -> Void
  ) {
    let box = OrderBox<Answer>()
    let number = pending.add { completion(.failure($0)) }
    guard let number else { return completion(.failure(PendingOrders.stopping)) }
    engine.post(whenDurable: { [pending] error in
      guard pending.take(number) else { return }
      guard let result = box.value.withLock({ $0 }) else {
        preconditionFailure("an order is done before it is durable")
      }
      guard case .success = result, let error else { return completion(result) }
      completion(
        .failure(
          ControlError(
            .unavailable,
            "it is done and not written yet, which is tried again every second: \(error.message)")))
    }) { core, now, evaluation in
      let result = Result { () throws(ControlError) in try order(&core, now, &evaluation) }
      box.value.withLock { $0 = result }
    }
  }

  /// Gives an order, and waits without a thread.
  func perform<Answer: Sendable>(_ order: @escaping Order<Answer>) async throws(ControlError) -> Answer {
    try await withCheckedContinuation { (continuation: CheckedContinuation<Result<Answer, ControlError>, Never>) in
      give(order) { continuation.resume(returning: $0) }
    }.get()
  }

  /// Gives an order, and blocks until it is done. Not on the scheduler's own thread.
  func performBlocking<Answer: Sendable>(_ order: @escaping Order<Answer>) throws(ControlError) -> Answer {
    let answer = Monitor<Result<Answer, ControlError>?>(nil)
    give(order) { result in
      answer.withLock { $0 = result }
      answer.broadcast()
    }
    return try answer.wait { $0 }!.get()
  }
}

/// Whether nobody waits any more.
private final class Cancellation: Sendable {
  private let value = Atomic(false)
  var isSet: Bool { value.load(ordering: .relaxed) }
  func set() { value.store(true, ordering: .relaxed) }
}

/// What an order leaves for its completion.
private final class OrderBox<Answer: Sendable>: Sendable {
  let value = Mutex<Result<Answer, ControlError>?>(nil)
}
