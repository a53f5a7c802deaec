internal import Basics
internal import Chronology
internal import Executors
internal import Hosting
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// A test's function on its way: a run like a job's, in a Lua state of its own, on a thread of its own, under limits of
/// real time and memory. What it asks its host for, it waits for as a job waits for the world.
final class TestRun: RunReportSink {
  private let pool: StepPool
  private let luaHost: LuaHost
  private let ended = Monitor<RunReport?>(nil)

  init(_ host: TestHost) throws {
    let directory = host.setting.directory
    let setting = host.setting
    let missing = MissingServices()
    let services = HostServices(
      wall: host.clock, monotonic: SystemMonotonicClock(), zones: setting.zones, log: OwnLog(host.log),
      keyValues: { _ in nil }, runKeeper: { _ in nil }, jobs: missing, events: missing, metrics: MetricRegistry(),
      quotas: { setting.quotas },
      grants: { _ in
        var grants = Grants.none
        grants.files = .below([Grants.FileRoot(path: directory, isWritable: true)])
        return grants
      }, environment: { _ in nil }, notifyTargets: { [:] },
      secrets: Secrets(variables: { [:] }, baseDirectory: directory),
      baseDirectory: directory, blockingPool: BlockingPool())
    luaHost = try LuaHost(services: services) { TestModules.all($0, host: host) }
    let runner = LuaRunner(luaHost)
    var configuration = StepPool.Configuration()
    configuration.workers = 1
    configuration.name = "moondial-own"
    pool = StepPool(runner, configuration: configuration)
    runner.reportStuckRuns { [weak pool] index, token in _ = pool?.workerIsStuck(index, running: token) }
    pool.start(reportingTo: self)
  }

  /// Blocks until the test has ended.
  func execute(_ test: ScriptTest) -> RunReport {
    pool.submit([
      RunOrder(
        token: RunToken(slot: 0, use: 1), id: RunID(1), job: JobEntry(test.definition), attempt: 1,
        scheduledAt: test.begin)
    ])
    // It never returns without a report: there is no deadline.
    return ended.wait { $0 }!
  }

  func report(_ reports: [RunReport]) {
    for report in reports where report.kind == .ended || report.kind == .stuck {
      ended.withLock { if $0 == nil { $0 = report } }
      ended.broadcast()
    }
  }

  func stop() {
    pool.stop()
    luaHost.services.blockingPool.stop()
    luaHost.stop()
  }

  /// What the test itself writes belongs to no job.
  private final class OwnLog: RunOutput {
    private let log: TestLog
    init(_ log: TestLog) { self.log = log }

    func write(_ line: LogLine) {
      var line = line
      line.job = nil
      line.run = nil
      log.write(line)
    }
    func note(_ progress: ProgressNote) {}
    func runEnded(_ run: RunID, store: String) {}
  }
}
