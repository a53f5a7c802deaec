internal import Basics
package import Chronology
package import JobModel

/// The scheduler's decisions: a pure state machine that takes what happened, at a moment, and says what to do.
///
/// It has no clock, no lock, no thread and no randomness: the same inputs give the same actions, which is what lets the
/// simulator and the service run the same code. Every due instant ends as exactly one decision: a run's row (even if
/// the run failed), or a place in a `DecisionRange`.
///
///     var core = SchedulerCore(configuration: .init(), stores: ["default"], executors: ["default"])
///     core.reconcile(definitions, at: moment, into: &actions)
///     core.start(at: moment, into: &actions)
///     core.advance(to: later, into: &actions)      // due instants become claims in actions.stores[0]
///     core.committed(tokens, at: later, into: &actions)   // …and, once on disk, orders for the executor
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
    /// Orphaned jobs that are remembered, at most; `.max`: all of them, and then nothing has to be recalled. Whoever
    /// sets it looks up in the stores what `forgotten(among:)` names, before `reconcile`.
    package var orphansMax = Int.max

    package init() {}
  }

  package var configuration: Configuration
  package let storeNames: [String]
  package let executorNames: [String]

  /// By `JobIndex`. A job that has gone stays, orphaned, until it is forgotten. Schedules made at run time stand among
  /// them. Places of what is forgotten or over are used again (`vacant`).
  package internal(set) var jobs: ContiguousArray<ScheduledJob> = []
  /// Of the jobs themselves, by name; see `index(of:)`.
  var names = NameIndex()
  /// Schedules made at run time, by id.
  var schedules: [String: JobIndex] = [:]
  /// How many of them each job has that has any.
  var scheduleCounts: [JobIndex: Int] = [:]
  /// Jobs that have gone and may be forgotten.
  var orphans = Orphans()
  /// By store: batches given to it, and of those the durable ones.
  var batchesTaken: [UInt64]
  var batchesDurable: [UInt64]
  /// How often a job was forgotten.
  var forgottenJobs = 0
  var vacant: [JobIndex] = []
  /// What falls due when: what is due stays in here until there is room in the window.
  var due = DueQueue()
  /// What the jobs in each of its lanes have in common.
  var lanes: [DueLane] = [DueLane(store: 0, rank: 0)]
  package internal(set) var runs = RunTable()
  /// Accepted runs whose turn it is, by store: what waits for a store that cannot be written is never in another's way.
  var ready: [KeyedHeap<ClaimOrder>]
  /// Runs in `retrying` and `debouncing`, by monotonic nanoseconds.
  var delayed = KeyedHeap<Int64>()
  /// Groups, rates, and who waits for them.
  var limits = LimitTable()
  /// Runs that wait for a limit and have a grace time, by the wall-clock nanoseconds at which it ends.
  var expiring = KeyedHeap<Int64>()
  var sequence: UInt64 = 0
  /// Claimed and not started.
  package internal(set) var inWindow = 0
  package internal(set) var clockEpoch = ClockEpoch(0)
  /// By store: whether its last write failed. Nothing is claimed there until it has recovered.
  package internal(set) var failedStores: [Bool]
  package internal(set) var isStarted = false
  package internal(set) var isDraining = false
  /// What runs is interrupted, and so is what is claimed from now on.
  var isOver = false
  var nextRun: Int64 = 1
  var nextDecision: Int64 = 1
  /// Who listens: event name → jobs, upstream job → jobs. Derived from the definitions.
  var listeners: [String: [JobIndex]] = [:]
  var downstream: [String: [Downstream]] = [:]
  /// What has succeeded of the jobs that joins wait for, since each join's last run, in the order of arrival.
  var joins: [JobIndex: [UpstreamArrival]] = [:]
  /// The files of jobs that watch for some, and the jobs of which some wait, in order of arrival.
  var backlogs: [JobIndex: FileBacklog] = [:]
  var waitingForFiles: [JobIndex] = []
  /// Records of schedules that the stores know and no script has declared so far, with their store.
  var restored = RestoredSchedules()
  /// Schedules made at run time that the stores know, by their job, while it is not declared; and the job of each, by
  /// id.
  var restoredMade: [String: [RestoredSchedule]] = [:]
  var restoredIDs: [String: String] = [:]
  /// Records of such schedules that another store keeps now.
  var leftBehind: [(id: String, store: Int)] = []
  /// What the stores hold without an outcome, until `start` decides about it.
  var unfinished: [(record: RunRecord, store: Int)] = []
  /// Whether some scripts were still loading at the start, so that jobs that the stores know may yet be declared.
  var isAwaitingScripts = false
  /// Starts before this life that rates may have to count, until `start`.
  var recorded: [RecordedStart] = []
  /// The latest wall clock reading of this epoch.
  var latestWall = Instant.distantPast
  /// Jobs whose schedule moved in this evaluation.
  var touched: [JobIndex] = []
  /// Runs accepted in this evaluation for another reason than their trigger: they get a row even when they must wait.
  var accepted: [RunToken] = []
  /// Of this evaluation.
  var texts = TriggerTexts()
  /// Searches for a next fire that went on in this turn.
  var searches = 0
  /// Wall minus monotonic clock when last seen.
  var clockOffset: Int64?

  package init(configuration: Configuration, stores: [String], executors: [String]) {
    precondition(!stores.isEmpty && !executors.isEmpty, "a scheduler needs a store and an executor")
    self.configuration = configuration
    storeNames = stores
    executorNames = executors
    batchesTaken = Array(repeating: 0, count: stores.count)
    batchesDurable = batchesTaken
    failedStores = Array(repeating: false, count: stores.count)
    ready = Array(repeating: KeyedHeap(), count: stores.count)
  }

  /// When `advance` must be called next, on either clock; nil: only an input can bring work.
  package struct Wake: Sendable, Equatable {
    package var wall: Instant?
    /// Nanoseconds of the monotonic clock.
    package var monotonic: Int64?
  }

  package var nextWake: Wake {
    guard isStarted, !isDraining else { return Wake(wall: nil, monotonic: isDraining ? nil : delayed.first?.key) }
    var wake = Wake(wall: nextDue, monotonic: delayed.first?.key)
    if let entry = expiring.first {
      // A grace time has passed one nanosecond after its end.
      let expiry = Instant(nanoseconds: entry.key + 1)
      wake.wall = min(wake.wall ?? expiry, expiry)
    }
    if let opens = limits.nextWake { wake.monotonic = min(wake.monotonic ?? opens, opens) }
    return wake
  }

  /// `nextWake` of a core that is a property of an object: asked in place. A getter there is given a copy of the whole
  /// core, which counts a reference for each of its tables, at every turn.
  package mutating func wakeInPlace() -> Wake { nextWake }

  /// When something falls due that could be claimed. While the window is full that is the next start of a run, which is
  /// reported.
  ///
  /// A plain loop: a closure over `self` here is a copy of the whole core, at every turn.
  private var nextDue: Instant? {
    guard inWindow < configuration.window else { return nil }
    var earliest: Int64?
    for lane in lanes.indices where !failedStores[Int(lanes[lane].store)] {
      guard let due = due.first(in: lane)?.due else { continue }
      earliest = min(earliest ?? due, due)
    }
    return earliest.map { Instant(nanoseconds: $0) }
  }

  /// Runs that are claimed and not over.
  package var claimedRuns: Int {
    runs.activeSlots.count { runs.slots[$0].isClaimed || runs.slots[$0].state == .claiming }
  }

  /// Makes everything that is due by now happen. Call it after every input and whenever `nextWake` has come.
  package mutating func advance(to now: Moment, into actions: inout SchedulerActions) {
    noticeClock(now, into: &actions)
    while !isDraining, let entry = delayed.first, entry.key <= now.monotonic {
      _ = delayed.popFirst()
      endDelay(of: entry.slot, use: entry.use, at: now, into: &actions)
    }
    searches = 0
    if isStarted, !isDraining, !waitingForFiles.isEmpty { startFileRuns(at: now, into: &actions) }
    if !isDraining {
      limits.open(at: now.monotonic)
      expire(at: now, into: &actions)
    }
    claim(at: now, into: &actions)
    if !isDraining { forgetPassedWaits(at: now) }
    settle(into: &actions)
  }

  /// The place of the job of that name.
  package func index(of name: String) -> JobIndex? {
    names.place(of: name) { jobs[$0].entry.definition.name == name }.map { JobIndex($0) }
  }

  mutating func makeRunID() -> RunID {
    if RunID(nextRun).isForVisitors { nextRun += 1 }
    defer { nextRun += 1 }
    return RunID(nextRun)
  }

  mutating func makeDecisionNumber() -> Int64 {
    defer { nextDecision += 1 }
    return nextDecision
  }

  mutating func touch(_ job: JobIndex) {
    guard !jobs[job.offset].isTouched else { return }
    jobs[job.offset].untold = .fires
    touched.append(job)
  }

  /// Has the store keep the whole record of a schedule, as it stands at the end of this evaluation.
  mutating func keep(_ job: JobIndex) {
    touch(job)
    jobs[job.offset].untold = .record
  }
}
