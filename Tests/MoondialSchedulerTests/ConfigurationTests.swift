import Foundation
import MoondialScheduler
import MoondialTesting
import Testing

@Suite("Configuration: a value, flat settings, late changes")
struct ConfigurationTests {
  @Test("settings change the typed parts that they name, and nothing else")
  func settings() throws {
    let configuration = try Configuration(settings: [
      "executors.default.workers": "20", "executors.slow.workers": "2", "job_defaults.coalesce": "false",
      "job_defaults.max_instances": "3", "job_defaults.misfire_grace_time": "90s", "timezone": "Europe/Vienna",
      "stores.default": "sqlite:jobs.db",
    ])
    #expect(configuration.executors == ["default": .threads(20), "slow": .threads(2)])
    #expect(configuration.stores == ["default": .sqlite("jobs.db")])
    #expect(configuration.timezone == "Europe/Vienna")
    #expect(configuration.jobDefaults == JobOptions(coalesce: .all, misfireGraceTime: .seconds(90), maxInstances: 3))
  }

  @Test("groups are typed too, and a job names one")
  func groups() async throws {
    var configuration = try Configuration(settings: ["groups.db.max": "2", "groups.api.rate": "100/1m"])
    #expect(configuration.groups == ["db": .init(max: 2), "api": .init(rate: "100/1m")])
    configuration.groups["db"]?.rate = "1/1s"
    configuration.log = .none
    let clock = ManualClock()
    let scheduler = Scheduler(configuration, clock: clock)
    let runs = Notes()
    for name in ["a", "b", "c"] {
      try await scheduler.add(name, .every(.seconds(10)), JobOptions(group: "db")) { _ in
        runs.add("\(clock.date.timeIntervalSince1970)")
      }
    }
    let unknown = await #expect(throws: SchedulerError.self) {
      try await scheduler.add("d", nil, JobOptions(group: "bd")) { _ in }
    }
    #expect(unknown?.message == #"job "d": there is no group "bd"; did you mean "db"?"#)
    try await scheduler.start()
    await clock.advance(by: .seconds(12))
    #expect(runs.all == ["1767225610.0", "1767225611.0", "1767225612.0"])
    await scheduler.stop()
  }

  @Test("without settings it is the default: memory, and a pool")
  func standard() throws {
    let configuration = try Configuration(settings: [:])
    #expect(configuration.stores == ["default": .memory])
    #expect(configuration.executors == ["default": .threads()])
    #expect(configuration.jobDefaults == JobOptions())
  }

  @Test("the environment's settings are the same ones")
  func environment() throws {
    var configuration = Configuration()
    try configuration.apply(environment: [
      "MOONDIAL_EXECUTORS__DEFAULT__WORKERS": "20", "MOONDIAL_JOB_DEFAULTS__COALESCE": "false", "PATH": "/bin",
    ])
    #expect(configuration.executors["default"] == .threads(20))
    #expect(configuration.jobDefaults.coalesce == .all)
  }

  @Test("a typed change after the settings wins")
  func laterWins() throws {
    var configuration = try Configuration(settings: ["executors.default.workers": "20"])
    configuration.executors["default"] = .threads(5)
    try configuration.apply(["timezone": "UTC"])
    #expect(configuration.executors["default"] == .threads(5))
  }

  @Test(
    "a wrong setting is named, with what to write",
    arguments: [
      (
        ["executors.default.workers": "many"],
        #"setting executors.default.workers: executors.default.workers must be a whole number, not "many""#
      ),
      (
        ["executers.default.workers": "2"],
        #"setting executers.default.workers: unknown setting "executers"; did you mean "executors"?"#
      ),
      (
        ["timezone": "Europe/Berln"],
        #"setting timezone: timezone: no time zone "Europe/Berln"; did you mean Europe/Berlin?"#
      ),
      (
        ["job_defaults.max_instances": "0"],
        #"setting job_defaults.max_instances: job_defaults: max_instances must be 1 to 100000, not 0"#
      ),
      (["a..b": "1"], #"setting "a..b": a part of the key is empty; write executors.default.workers"#),
    ])
  func mistakes(_ settings: [String: String], _ message: String) {
    let error = #expect(throws: SchedulerError.self) { try Configuration(settings: settings) }
    #expect(error?.message == message)
    #expect(error?.code == .invalid)
  }

  @Test("it can be changed late, before the start and not after")
  func late() async throws {
    let scheduler = Scheduler(clock: ManualClock())
    try scheduler.configure { $0.executors["slow"] = .threads(2) }
    try await scheduler.add("job", nil, JobOptions(executor: "slow")) { _ in }
    try await scheduler.start()
    let error = #expect(throws: SchedulerError.self) { try scheduler.configure { $0.timezone = "UTC" } }
    #expect(error?.message == "the scheduler has been started: configure it before")
    #expect(error?.code == .state)
    await scheduler.stop()
  }

  @Test("everything that is wrong with the configuration is said at once, by the start")
  func checkedAtStart() async throws {
    var configuration = Configuration()
    configuration.timezone = "Mars/Olympus"
    configuration.jobDefaults.priority = 1_000
    let scheduler = Scheduler(configuration, clock: ManualClock())
    let error = await #expect(throws: SchedulerError.self) { try await scheduler.start() }
    #expect(error?.message.split(separator: "\n").count == 2, "\(error?.message ?? "")")
  }
}
