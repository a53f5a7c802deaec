public import FoundationEssentials

/// What a job may say beside when it runs and what it does. Whatever is nil follows `Configuration.jobDefaults`, and
/// then the default that is written here: the names, defaults and checks are those of the fields of a Lua job.
///
///     JobOptions(coalesce: .all, maxInstances: 3, overlap: .queue)
public struct JobOptions: Sendable, Hashable {
  /// What becomes of fire times that are found due together, after downtime or a stall.
  public enum Coalesce: String, Sendable, Hashable, CaseIterable {
    /// One run, for the latest.
    case latest
    /// One run, for the earliest.
    case earliest
    /// A run for each, at most the latest `catchUpMax`.
    case all
  }

  /// What becomes of a fire time while `maxInstances` runs are active.
  public enum Overlap: String, Sendable, Hashable, CaseIterable {
    /// It is skipped, logged and recorded.
    case skip
    /// It waits, with up to 999 others.
    case queue
    /// It waits; a later one takes its place.
    case queueOne = "queue_one"
    /// The running one is cancelled; this one starts when that has ended.
    case replace
  }

  /// When an unsuccessful attempt is made again.
  public struct Retry: Sendable, Hashable {
    /// How delays grow.
    public enum Backoff: String, Sendable, Hashable, CaseIterable { case fixed, linear, exponential }
    /// Attempts after the first.
    public var max: Int
    /// How delays grow from `base` to `cap`.
    public var backoff: Backoff
    /// The first delay.
    public var base: Duration
    /// The longest delay.
    public var cap: Duration
    /// Whether each delay is drawn from the upper half of what it would be.
    public var jitter: Bool

    /// Exponential from one second to five minutes, where nothing else is said.
    public init(
      max: Int, backoff: Backoff = .exponential, base: Duration = .seconds(1), cap: Duration = .seconds(300),
      jitter: Bool = true
    ) {
      self.max = max
      self.backoff = backoff
      self.base = base
      self.cap = cap
      self.jitter = jitter
    }
  }

  /// A sentence for people.
  public var description: String?
  /// Words to find it by.
  public var tags: [String]?
  /// What `RunContext.params` holds unless a run is given other values: an object. Not a default for many jobs.
  public var params: JSON?

  /// IANA name of the zone whose clocks the trigger reads. Default: the scheduler's.
  public var timezone: String?
  /// The first instant at which the trigger may fire, inclusive.
  public var startDate: Date?
  /// The last instant at which the trigger may fire, inclusive.
  public var endDate: Date?
  /// Each start is delayed by up to this much, always by the same amount for the same fire time. Default: zero.
  public var jitter: Duration?
  /// Fires after which the schedule ends. Default: none.
  public var limit: Int?
  /// Also runs once when the scheduler starts. Default: false.
  public var runAtStart: Bool?
  /// Runs when one of these events is emitted.
  public var on: [String]?
  /// Runs after other jobs' runs.
  public var after: After?
  /// Events within this span of the last one become one run.
  public var debounce: Duration?
  /// Runs with files, once they are complete.
  public var watch: Watch?

  /// Default: `.latest`.
  public var coalesce: Coalesce?
  /// Default: 1,000.
  public var catchUpMax: Int?
  /// A run that is later than this is not started. Default: none, a late run still runs.
  public var misfireGraceTime: Duration?
  /// Runs of this job at a time. Default: 1.
  public var maxInstances: Int?
  /// Default: `.skip`.
  public var overlap: Overlap?
  /// −100 to 100; of the runs that wait for a thread, higher ones start first. Default: 0.
  public var priority: Int?

  /// Per attempt, from its start. Default: none.
  public var timeout: Duration?
  /// Default: none.
  public var retry: Retry?
  /// Runs again what a crash of the process interrupted. Default: false.
  public var recover: Bool?

  /// Which of the configuration's executors runs it. Default: `default`.
  public var executor: String?
  /// Which of the configuration's stores keeps it. Default: `default`.
  public var store: String?
  /// The group whose limits it shares. Default: none.
  public var group: String?
  /// A limit of its own: `10/1m` is at most ten starts in any minute. Default: none.
  public var rate: String?
  /// Whether its schedule runs. Default: true.
  public var enabled: Bool?

  /// Options; what is left out is not said.
  public init(
    description: String? = nil, tags: [String]? = nil, params: JSON? = nil, timezone: String? = nil,
    startDate: Date? = nil, endDate: Date? = nil, jitter: Duration? = nil, limit: Int? = nil, runAtStart: Bool? = nil,
    on: [String]? = nil, after: After? = nil, debounce: Duration? = nil, watch: Watch? = nil,
    coalesce: Coalesce? = nil, catchUpMax: Int? = nil, misfireGraceTime: Duration? = nil, maxInstances: Int? = nil,
    overlap: Overlap? = nil, priority: Int? = nil, timeout: Duration? = nil, retry: Retry? = nil, recover: Bool? = nil,
    executor: String? = nil, store: String? = nil, group: String? = nil, rate: String? = nil, enabled: Bool? = nil
  ) {
    self.description = description
    self.tags = tags
    self.params = params
    self.timezone = timezone
    self.startDate = startDate
    self.endDate = endDate
    self.jitter = jitter
    self.limit = limit
    self.runAtStart = runAtStart
    self.on = on
    self.after = after
    self.debounce = debounce
    self.watch = watch
    self.coalesce = coalesce
    self.catchUpMax = catchUpMax
    self.misfireGraceTime = misfireGraceTime
    self.maxInstances = maxInstances
    self.overlap = overlap
    self.priority = priority
    self.timeout = timeout
    self.retry = retry
    self.recover = recover
    self.executor = executor
    self.store = store
    self.group = group
    self.rate = rate
    self.enabled = enabled
  }
}
