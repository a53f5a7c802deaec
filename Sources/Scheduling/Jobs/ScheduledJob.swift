package import Chronology
package import JobModel
package import Triggers

/// One schedule in the scheduler's table, a job's own or a dynamic one: its definition, and where it
/// stands.
package struct ScheduledJob: Sendable {
  package var entry: JobEntry
  /// The definition's trigger with the schedule's anchor; nil when it runs only on events or when asked.
  package var trigger: AnyTrigger?
  /// The first instant without a decision, a waiting row or an active run. nil: never again, or none was found up to
  /// `searchedTo`.
  @Packed package var nextFire: Instant?
  /// While `nextFire` is nil: the trigger has no fire up to here, and was not searched beyond. nil: the search is over.
  @Packed package var searchedTo: Instant?
  @Packed package var lastFire: Instant?
  @Packed package var anchor: Instant?
  package var fireCount: Int
  package var registeredAt: Instant
  package var isPaused: Bool
  /// Why, of a job that is paused by itself.
  package internal(set) var pause: PauseNote?
  @Packed package var orphanedAt: Instant?
  /// Runs that count against `max_instances`: all active ones but those in `queue` and `debouncing`.
  package var active: Int32 = 0
  /// Instants that are due have had their turn and wait for an instance to end (`SchedulerCore+Backlog`).
  var isBacklogged = false
  /// How its latest run ended, in this life of the host.
  package internal(set) var lastOutcome: Outcome?
  /// How many of its runs have ended, by outcome; empty before the first.
  package internal(set) var ended: ContiguousArray<UInt32> = []
  /// Starts before instants that wait are counted again.
  var uncounted: UInt8 = 0
  static let startsPerCount: UInt8 = 125
  /// Slots of accepted fires that wait for an instance to end, in fire-time order.
  var queue: [Int32] = []
  /// Accepted runs that are neither claimed nor have a waiting row.
  var unstored: Int32 = 0
  /// Slot of the run that collects events.
  @OptionalIndex var debouncing: Int32? = nil
  /// The decision that was recorded last, nil when what is recorded next cannot continue it.
  var latestRange: LatestRange?
  /// What makes it a dynamic schedule; nil: the job's own.
  package internal(set) var dynamic: DynamicSchedule?
  /// The trigger of a dynamic schedule, as it was given.
  var dynamicTrigger: AnyTrigger?
  /// Index of the job that it was made for; nil for a job itself.
  @OptionalIndex var base: JobIndex? = nil
  /// It was unscheduled, or is over, and waits for its last run.
  var isGone = false
  /// The store was told that it is gone.
  var isErased = false
  /// The limiter queue in which its ready runs wait for its group and rate; nil while it has neither. A dynamic
  /// schedule uses its job's.
  @OptionalIndex var limiterQueue: LimiterQueueIndex? = nil
  /// Of a job: the definition that its schedules share as long as they have no options of their own. Made when one is
  /// needed.
  var sharedEntry: JobEntry?
  /// Its queue in the due queue when it was armed last; see `SchedulerCore.dueQueue(of:)`.
  var dueQueue: Int16 = 0
  /// Index into the scheduler's stores and executors.
  var store: Int16
  var executor: Int16
  /// Jitter's and `H`'s seed.
  let hash: UInt64
  /// What the end of this evaluation must tell the store about where the schedule stands.
  var dirt = Dirt.none

  enum Dirt: Sendable {
    case none
    /// It fired: the small, frequent change.
    case fires
    /// The whole record.
    case record
  }

  var isDirty: Bool { @inline(__always) get { dirt != .none } }

  /// What must be known of a decision to tell whether the next one continues it.
  struct LatestRange: Sendable {
    var kind: DecisionKind
    var reason: SkipReason?
    var clockEpoch: ClockEpoch
    var last: Instant
    /// Whether it is about the trigger's own instants rather than those of events and requests.
    var isAboutFireTimes: Bool
  }

  // Inlined always: asking a job in its table for a property that is called copies the whole job, 100 instructions.
  var definition: JobDefinition { @inline(__always) get { entry.definition } }
  package var isOrphaned: Bool { @inline(__always) get { orphanedAt != nil } }
  /// The trigger without the schedule's anchor.
  package var plainTrigger: AnyTrigger? { dynamic == nil ? entry.definition.trigger : dynamicTrigger }
  /// Whether it is a dynamic schedule that has nothing left to do.
  var isOver: Bool { dynamic != nil && nextFire == nil && searchedTo == nil && active == 0 && queue.isEmpty }

  /// Looks for the first fire after `instant`, with the bounded work of one question.
  mutating func seek(after instant: Instant) {
    searchedTo = nil
    nextFire = nil
    switch trigger?.nextFire(after: instant) {
    case .at(let next): nextFire = next
    case .unknown(let searched): searchedTo = max(searched, instant)
    case .never, nil: break
    }
  }

  /// The schedule has no further fire, whatever its trigger says.
  mutating func end() {
    nextFire = nil
    searchedTo = nil
  }

  /// Whether the schedule has fired as often as its `limit` lets it.
  var hasReachedLimit: Bool {
    guard let limit = entry.definition.limit else { return false }
    return fireCount >= limit
  }

  /// Counts a fire. The last one that `limit` allows ends the schedule.
  mutating func countFire() {
    fireCount += 1
    if hasReachedLimit { end() }
  }

  /// When an instant is due: its fire time and its share of the job's jitter. Never reaches the next fire time.
  ///
  /// Nor is an instant due before the schedule was made: a past date that was given at run time is not late yet.
  func due(_ fireTime: Instant) -> Int64 {
    let jitter = entry.definition.jitter
    var due = fireTime.nanoseconds
    if jitter > 0 {
      let offset = Jitter.offsetNanoseconds(
        schedule: hash, fireTime: fireTime, jitter: jitter, nextFireTime: trigger?.next(after: fireTime))
      due = fireTime.advanced(byNanoseconds: offset).nanoseconds
    }
    return dynamic == nil ? due : max(due, registeredAt.nanoseconds)
  }

  /// The last instant of the latest range if nothing of another kind was decided between it and `range`; nil otherwise.
  ///
  /// Fire times continue each other when they are neighbours. For other instants there is no "next" to ask for, and
  /// whatever is accepted between two of them clears `latestRange`.
  func latestRange(continuedBy range: DecisionRange, isAboutFireTimes: Bool) -> Instant? {
    guard let latest = latestRange, range.run == nil, latest.kind == range.kind, latest.reason == range.reason,
      latest.clockEpoch == range.clockEpoch, latest.isAboutFireTimes == isAboutFireTimes, latest.last < range.first
    else { return nil }
    return !isAboutFireTimes || trigger?.next(after: latest.last) == range.first ? latest.last : nil
  }

  /// What is accepted between two decisions about other instants than the trigger's parts them. In place: nothing is
  /// copied.
  mutating func endRangeOfOtherInstants() {
    if let latestRange, !latestRange.isAboutFireTimes { self.latestRange = nil }
  }

  /// The row that survives a restart.
  ///
  /// Never inlined, and the job `inout` though it is only read: else the compiler copies the job and the record, 250
  /// instructions each.
  @inline(never)
  static func record(
    of job: inout ScheduledJob, clockEpoch: ClockEpoch, _ texts: inout TriggerTexts, arrivals: [UpstreamArrival] = [],
    index: JobHint = JobHint()
  ) -> ScheduleRecord {
    let trigger = job.dynamic == nil ? job.entry.definition.trigger : job.dynamicTrigger
    var record = ScheduleRecord(
      job: job.entry.definition.name, dynamic: job.dynamic, trigger: texts.text(of: trigger),
      registeredAt: job.registeredAt)
    record.nextFire = job.nextFire
    record.anchor = job.anchor
    record.lastFire = job.lastFire
    record.fireCount = job.fireCount
    record.clockEpoch = clockEpoch
    record.isPaused = job.isPaused
    record.pause = job.pause
    record.orphanedAt = job.orphanedAt
    record.arrivals = arrivals
    record.index = index
    return record
  }
}
