package import Basics
package import Chronology
package import FileWatching
package import JobModel

/// Everything outside Lua that scripts can reach, as the service layer or an embedder provides it.
///
/// No field has a default: whoever makes one says what each of them is, so that what is not wired does not compile.
/// ``unwired`` is for those that evaluate scripts and run none of their jobs.
package struct HostServices: Sendable {
  // MARK: Time

  /// `time.now()`, and the time of log lines.
  package var wall: any WallClock
  /// Must be the pool's own clock: `sleep` computes with it what the pool waits for.
  package var monotonic: any MonotonicClock
  package var zones: TimeZoneDatabase

  // MARK: The host

  /// Where log lines and progress go.
  package var log: any RunOutput
  /// The key-value store of a job; a script's space in it is named by the script's path. nil: `kv` says that there is
  /// none.
  package var keyValues: @Sendable (JobDefinition) -> (any KeyValueStore)?
  /// What has a run's steps, by the name of the store that has the run. nil: `ctx:step` says that there is none.
  package var runKeeper: @Sendable (String) -> (any RunKeeper)?
  package var jobs: any JobControl
  package var events: any EventHub
  package var metrics: MetricRegistry
  /// How much scripts may take. Asked at each use, so that a reload takes effect at once.
  package var quotas: @Sendable () -> Quotas

  // MARK: The machine

  /// What a script may do to the machine. Asked at each use, so that a reload takes effect at once.
  package var grants: @Sendable (ScriptPath) -> Grants
  /// `env.get`. The library reads no environment of its own.
  package var environment: @Sendable (String) -> String?
  /// Where `notify` sends to, by name; nil: not from here. Asked at each use, so that a reload takes effect at once.
  package var notifyTargets: @Sendable () -> [String: NotifyTarget]?
  /// `secret`, and what hides its values from everything that leaves a run.
  package var secrets: Secrets
  /// Relative paths of `fs` and the working directory of `exec` start here: the directory of `moondial.lua`.
  package var baseDirectory: String
  /// Where file and store work is done that may block.
  package var blockingPool: BlockingPool

  package init(
    wall: any WallClock, monotonic: any MonotonicClock, zones: TimeZoneDatabase, log: any RunOutput,
    keyValues: @escaping @Sendable (JobDefinition) -> (any KeyValueStore)?,
    runKeeper: @escaping @Sendable (String) -> (any RunKeeper)?, jobs: any JobControl,
    events: any EventHub, metrics: MetricRegistry, quotas: @escaping @Sendable () -> Quotas,
    grants: @escaping @Sendable (ScriptPath) -> Grants, environment: @escaping @Sendable (String) -> String?,
    notifyTargets: @escaping @Sendable () -> [String: NotifyTarget]?, secrets: Secrets, baseDirectory: String,
    blockingPool: BlockingPool
  ) {
    self.notifyTargets = notifyTargets
    self.wall = wall
    self.monotonic = monotonic
    self.zones = zones
    self.log = log
    self.keyValues = keyValues
    self.runKeeper = runKeeper
    self.jobs = jobs
    self.events = events
    self.metrics = metrics
    self.quotas = quotas
    self.grants = grants
    self.environment = environment
    self.secrets = secrets
    self.baseDirectory = baseDirectory
    self.blockingPool = blockingPool
  }

  /// Services that refuse: every request says that there is no host here. For whoever evaluates scripts and runs none
  /// of their jobs (`next`, `check`, the measures), and for tests, which set the fields that they mean.
  package static var unwired: HostServices {
    let missing = MissingServices()
    return HostServices(
      wall: SystemWallClock(), monotonic: SystemMonotonicClock(), zones: TimeZoneDatabase(), log: SilentLog(),
      keyValues: { _ in nil }, runKeeper: { _ in nil }, jobs: missing, events: missing,
      metrics: MetricRegistry(), quotas: { Quotas() },
      grants: { _ in .none }, environment: { _ in nil }, notifyTargets: { [:] },
      secrets: Secrets(variables: { [:] }, baseDirectory: "/"), baseDirectory: "/", blockingPool: BlockingPool())
  }
}
