package import Basics
package import Chronology
package import FileWatching
package import JobModel

/// Everything outside Lua that scripts can reach, as the service layer or an embedder provides it.
///
/// Each field has a default that does nothing or refuses, so a test or a small embedder sets only what it means.
package struct HostServices: Sendable {
  package init() {}

  // MARK: Time

  /// `time.now()`, and the time of log lines.
  package var wall: any WallClock = SystemWallClock()
  /// Must be the pool's own clock: `sleep` computes with it what the pool waits for.
  package var monotonic: any MonotonicClock = SystemMonotonicClock()
  package var zones = TimeZoneDatabase()

  // MARK: The host

  package var log: any LogSink = SilentLog()
  /// The key-value store of a job; a script's space in it is named by the script's path.
  package var keyValues: @Sendable (JobDefinition) -> (any KeyValueStore)? = { _ in nil }
  package var jobs: any JobControl = MissingServices()
  package var events: any EventHub = MissingServices()
  package var metrics = MetricRegistry()
  /// How much scripts may take. Asked at each use, so that a reload takes effect at once.
  package var quotas: @Sendable () -> Quotas = { Quotas() }
  /// `ctx:progress`. On a worker; must be quick.
  package var progress: @Sendable (RunID, _ job: String, RunProgress) -> Void = { _, _, _ in }

  // MARK: The machine

  /// What a script may do to the machine. Asked at each use, so that a reload takes effect at once.
  package var grants: @Sendable (ScriptPath) -> Grants = { _ in .none }
  /// `env.get`. The library reads no environment of its own.
  package var environment: @Sendable (String) -> String? = { _ in nil }
  /// `secret`. May block on a file: it is asked on the blocking lane.
  package var secrets: @Sendable (String) -> Result<String?, HostRefusal> = { _ in .success(nil) }
  /// Relative paths of `fs` and the working directory of `exec` start here: the directory of `moondial.lua`.
  package var baseDirectory = "/"
  /// Where file and store work is done that may block.
  package var lane = BlockingLane()
}
