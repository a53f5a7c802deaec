internal import Basics
package import Chronology
package import JobModel

/// The scheduler's decisions: a pure state machine that takes what happened, at a moment, and says what to do.
///
/// It has no clock, no lock, no thread and no randomness: the same inputs give the same actions, which is what lets the
/// simulator and the service run the same code. Every due instant ends as exactly one decision: a run's row (even if
/// the run failed), or a part of a `DecisionRange`.
///
///     var core = SchedulerCore(configuration: .init(), stores: ["default"], executors: ["default"])
///     core.reconcile(definitions, at: moment, into: &actions)
///     core.start(at: moment, into: &actions)
///     core.advance(to: later, into: &actions)      // due instants become claims in actions.stores[0]
///     core.committed(tokens, at: later, into: &actions)   // …and, once on disk, orders for the executor
///
/// The way of a run is one file, `SchedulerCore+RunWay`:
///
/// 1. **fire**: an instant of a schedule is due, and it is the schedule's turn;
/// 2. **decide**: late, coalesced, paused or over a limit, it becomes a range (`record`); otherwise
/// 3. **accept**: it becomes a run, at once or when the overlap policy lets it, and waits for its group and its rate,
///    if it has any. Events, other jobs' ends, files and people come in here as well (`+Control`, `+Upstreams`,
///    `+Files`);
/// 4. **claim**: by priority, as far as the window reaches; what moved is flushed with it (`+Flushing`);
/// 5. **dispatch**: the claim is on disk, and the executor gets an order;
/// 6. **finish**: the executor reports; the run is retried or ends, and what waited for that goes on.
///
/// What changes the jobs themselves is `+Reconciliation` and `+ReloadSteps`; the host's life is `+Restart`.
///
/// Each table below owns the invariants of what it holds; what concerns several of them is a step of that way.
///
/// Threading: owned by one thread at a time.
package struct SchedulerCore: Sendable {
  package struct Configuration: Sendable {
    /// Claimed runs that have not started, at most.
    package var window = SchedulingLimits.windowMinimum
    /// Nanoseconds between the first catch-up evaluations of overdue jobs after a start.
    package var catchUpStep = SchedulingLimits.catchUpSpread / Int64(SchedulingLimits.catchUpSpreadJobs)
    /// Whether `runClaimed`, `runStarted` and `runFinished` events are wanted; off, a run costs no event.
    package var publishesRuns = true
    /// The same, as long as somebody reads what happens.
    package var isWatched = false
    /// Whether runs are told of.
    package var tellsRuns: Bool { publishesRuns || isWatched }
    /// Orphaned jobs that are remembered, at most; `.max`: all of them, and then nothing has to be recalled. Whoever
    /// sets it looks up in the stores what `forgotten(among:)` names, before `reconcile`.
    package var orphansMax = Int.max
    /// Names of the executors, in their order.
    fileprivate(set) var executors: [String] = []

    package init() {}
  }

  package var configuration: Configuration
  var stores: StoreStates
  /// Dynamic schedules stand among the jobs.
  package internal(set) var jobs = JobTable()
  package internal(set) var runs: RunTable
  var due = DueTable()
  var limits = LimitTable()
  var listeners = Listeners()
  var watched = WatchedFiles()
  var restart = RestartTable()
  var host = HostState()
  /// What was counted since the start.
  package internal(set) var counters = RunCounters()

  package init(configuration: Configuration, stores: [String], executors: [String]) {
    precondition(!stores.isEmpty && !executors.isEmpty, "a scheduler needs a store and an executor")
    self.configuration = configuration
    self.configuration.executors = executors
    self.stores = StoreStates(stores)
    runs = RunTable(stores: stores.count)
  }

  // MARK: Where it stands

  package var isStarted: Bool { host.phase > .loading }
  package var isDraining: Bool { host.phase >= .draining }
  var isOver: Bool { host.phase == .over }
  package var clockEpoch: ClockEpoch { host.clockEpoch }
  /// Claimed and not started.
  package var inWindow: Int { runs.inWindow }
  /// By store: whether its last write failed. Nothing is claimed there until it has recovered.
  package var failedStores: [Bool] { stores.failed }

  /// The index of the job of that name.
  package func index(of name: String) -> JobIndex? { jobs.index(of: name) }

  /// Runs that are claimed and not over.
  package var claimedRuns: Int {
    runs.activeSlots.count { runs.slots[$0].row == .claim || runs.slots[$0].state == .claiming }
  }

  // MARK: When it wants to be asked

  /// When `advance` must be called next, on either clock; nil: only an input can bring work.
  package struct Wake: Sendable, Equatable {
    package var wall: Instant?
    /// Nanoseconds of the monotonic clock.
    package var monotonic: Int64?

    package init(wall: Instant? = nil, monotonic: Int64? = nil) {
      self.wall = wall
      self.monotonic = monotonic
    }
  }

  package var nextWake: Wake {
    guard isStarted, !isDraining else {
      // A success that is to be committed with its outbox is tried again to the end.
      let isWaiting = !isDraining || !runs.finishing.isEmpty
      return Wake(wall: nil, monotonic: isWaiting ? runs.delayed.first?.key : nil)
    }
    var wake = Wake(wall: nextDue, monotonic: runs.delayed.first?.key)
    if let entry = limits.expiring.first {
      // A grace time has passed one nanosecond after its end.
      let expiry = Instant(nanoseconds: entry.key + 1)
      wake.wall = min(wake.wall ?? expiry, expiry)
    }
    if let entry = runs.parked.times.first {
      let time = Instant(nanoseconds: entry.key)
      wake.wall = min(wake.wall ?? time, time)
    }
    if let opens = limits.nextWake { wake.monotonic = min(wake.monotonic ?? opens, opens) }
    return wake
  }

  /// When something falls due that could be claimed. While the window is full that is the next start of a run, which is
  /// reported.
  private var nextDue: Instant? {
    guard runs.inWindow < configuration.window else { return nil }
    var earliest: Int64?
    for queue in due.indices where !stores.failed[Int(due.keys[queue].store)] {
      guard let due = due.first(in: queue)?.due else { continue }
      earliest = min(earliest ?? due, due)
    }
    return earliest.map { Instant(nanoseconds: $0) }
  }

  // MARK: One evaluation

  /// Makes everything that is due by now happen. Call it after every input and whenever `nextWake` has come.
  ///
  /// - Returns: `nextWake` from now on.
  @discardableResult
  package mutating func advance(to now: ClockReading, into evaluation: inout Evaluation) -> Wake {
    evaluation.now = now
    noticeClock(&evaluation)
    runs.parked.begin(at: now)
    while !isDraining || !runs.finishing.isEmpty, let entry = runs.delayed.first, entry.key <= now.monotonic {
      _ = runs.delayed.popFirst()
      endDelay(of: entry.slot, use: entry.use, &evaluation)
    }
    if isStarted, !isDraining, !runs.parked.times.isEmpty { wakeParked(&evaluation) }
    due.searches = 0
    if isStarted, !isDraining, !watched.waiting.isEmpty { startFileRuns(&evaluation) }
    if !isDraining {
      limits.open(at: now.monotonic)
      expire(&evaluation)
    }
    claim(&evaluation)
    if !isDraining { forgetPassedWaits(at: now) }
    flush(&evaluation)
    return nextWake
  }
}
