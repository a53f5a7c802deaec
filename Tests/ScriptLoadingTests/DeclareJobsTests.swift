import Chronology
import JobModel
import Lua
import ScriptFixtures
import Testing
import Triggers

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("a job's table becomes its definition")
struct DeclareJobsTests {
  @Test("a job that says only what it does has the defaults of the contract")
  func defaults() throws {
    let job = try LoadFixture().job("job 'x' { run = function() end }")
    #expect(job.name == "x")
    #expect(job.source == SourceLocation(file: "a.lua", line: 1))
    #expect(job.trigger == nil)
    #expect(job.coalesce == .latest && job.misfireGraceTime == nil && job.catchUpMax == 1000)
    #expect(job.maxInstances == 1 && job.overlap == .skip && job.priority == 0)
    #expect(job.timeout == nil && job.memoryLimit == nil && job.retry == nil && !job.recover)
    #expect(job.state == .job && job.executor == "default" && job.store == "default" && job.enabled)
    #expect(job.timeZone == "UTC" && job.jitter == 0 && job.limit == nil && !job.runAtStart)
    #expect(job.params == nil && job.tags.isEmpty && job.description == nil)
    let payload = try #require(job.payload as? LuaJobPayload)
    #expect(payload.script == ScriptPath("a.lua") && !payload.hasOnError && !payload.hasOnSuccess)
  }

  @Test("jobs that differ in the order and the choice of their fields do not take each other's")
  func fieldsInTurn() throws {
    let generation = try LoadFixture().load([
      "a.lua": """
      for i = 1, 6 do
        if i % 3 == 0 then job("j" .. i) { run = print, priority = i, cron = i .. " 3 * * *" }
        elseif i % 3 == 1 then job("j" .. i) { cron = i .. " 3 * * *", timezone = "Europe/Vienna", run = print }
        else job("j" .. i) { every = i .. "m", tags = "even", run = print, state = "run" } end
      end
      """
    ])
    #expect(generation.problems.isEmpty, "\(generation.problems)")
    let jobs = generation.jobs.map { "\($0.trigger?.text ?? "") \($0.timeZone) \($0.priority) \($0.tags) \($0.state)" }
    #expect(
      jobs == [
        "cron(\"1 3 * * *\", { timezone = \"Europe/Vienna\" }) Europe/Vienna 0 [] job",
        "every \"2m\" UTC 0 [\"even\"] run",
        "cron(\"3 3 * * *\", { timezone = \"UTC\" }) UTC 3 [] job",
        "cron(\"4 3 * * *\", { timezone = \"Europe/Vienna\" }) Europe/Vienna 0 [] job",
        "every \"5m\" UTC 0 [\"even\"] run",
        "cron(\"6 3 * * *\", { timezone = \"UTC\" }) UTC 6 [] job",
      ])
  }

  @Test("every field arrives")
  func everyField() throws {
    let job = try LoadFixture().job(
      """
      job "cleanup" {
        description = "removes what is old", tags = { "disk", "nightly" }, params = { days = 7, deep = { a = true } },
        cron = "15 3 * * *", on = { "disk.full", "asked" }, timezone = "Europe/Vienna",
        start_date = "2026-01-01", end_date = "2027-12-31", jitter = "30s", limit = 10, debounce = 1.5, run_at_start = true,
        coalesce = "earliest", catch_up_max = 5, misfire_grace_time = "10m", max_instances = 2, overlap = "queue_one",
        priority = -3, timeout = "5m", memory = "128MB",
        retry = { max = 3, backoff = "linear", base = "2s", cap = "1m", jitter = false },
        recover = true, state = "run", executor = "default", store = "default", enabled = false,
        run = function(ctx) end, on_error = function(ctx, err) end, on_success = function(ctx) end,
      }
      """)
    #expect(job.description == "removes what is old" && job.tags == ["disk", "nightly"])
    #expect(job.params == JSONText("{\"days\":7,\"deep\":{\"a\":true}}"))
    #expect(job.events == ["disk.full", "asked"] && job.timeZone == "Europe/Vienna")
    #expect(job.jitter == 30_000_000_000 && job.limit == 10 && job.debounce == 1_500_000_000 && job.runAtStart)
    #expect(job.coalesce == .earliest && job.catchUpMax == 5 && job.misfireGraceTime == 600_000_000_000)
    #expect(job.maxInstances == 2 && job.overlap == .queueOne && job.priority == -3)
    #expect(job.timeout == 300_000_000_000 && job.memoryLimit == 128 << 20)
    #expect(
      job.retry
        == RetryPolicy(max: 3, backoff: .linear, base: 2_000_000_000, cap: 60_000_000_000, jitter: false))
    #expect(job.recover && job.state == .run && !job.enabled)
    let trigger = try #require(job.trigger)
    #expect(try next(trigger, "2026-06-01T00:00:00Z", 1) == ["2026-06-01T01:15:00Z"])
    #expect(try next(trigger, "2025-06-01T00:00:00Z", 1) == ["2026-01-01T02:15:00Z"])
    #expect(try next(trigger, "2027-12-31T02:15:00Z", 1) == [])
    let payload = try #require(job.payload as? LuaJobPayload)
    #expect(payload.hasOnError && payload.hasOnSuccess && payload.memoryLimit == 128 << 20)
  }

  @Test(
    "a job is called in three ways",
    arguments: [
      "job 'x' { run = print }", "job { name = 'x', run = print }", "job('x', { run = print })",
      "local declare = job 'x'\ndeclare { run = print }", "job 'x' { name = 'x', run = print }",
    ])
  func calls(_ script: String) throws {
    #expect(try LoadFixture().job(script).name == "x")
  }

  @Test("a job's value is its name, for the after of others")
  func value() throws {
    let generation = try LoadFixture().load([
      "a.lua": "local first = job 'a' { run = print }\njob 'b' { after = first, run = print }"
    ])
    #expect(generation.job(named: "b")?.after == ["a"])
  }

  @Test(
    "coalesce has the words of the contract",
    arguments: [
      ("true", CoalescePolicy.latest), ("'latest'", .latest), ("'earliest'", .earliest), ("false", .all),
      ("'all'", .all),
    ])
  func coalesce(_ text: String, _ policy: CoalescePolicy) throws {
    #expect(try LoadFixture().job("job 'x' { coalesce = \(text), run = print }").coalesce == policy)
  }

  @Test(
    "retry may be a number, a table or false",
    arguments: [
      ("3", RetryPolicy(max: 3)), ("{ max = 2 }", RetryPolicy(max: 2)), ("{}", RetryPolicy(max: 3)), ("false", nil),
      ("{ base = '1h' }", RetryPolicy(max: 3, base: 3_600_000_000_000, cap: 3_600_000_000_000)),
    ])
  func retry(_ text: String, _ policy: RetryPolicy?) throws {
    #expect(try LoadFixture().job("job 'x' { retry = \(text), run = print }").retry == policy)
  }

  @Test(
    "triggers may be written in all their ways",
    arguments: [
      ("every = '1h', start_date = '2026-06-01T00:30:00Z'", ["2026-06-01T00:30:00Z", "2026-06-01T01:30:00Z"]),
      ("cron = { '0 3 * * *', '0 15 * * *' }", ["2026-06-01T03:00:00Z", "2026-06-01T15:00:00Z"]),
      ("cron = { hour = 4, minute = 30 }", ["2026-06-01T04:30:00Z", "2026-06-02T04:30:00Z"]),
      ("at = '2026-06-01 09:00', timezone = 'Europe/Berlin'", ["2026-06-01T07:00:00Z"]),
      ("at = { '2026-06-03', '2026-06-02' }", ["2026-06-02T00:00:00Z", "2026-06-03T00:00:00Z"]),
      ("cron = '0 12 * * *', at = '2026-06-01 09:00'", ["2026-06-01T09:00:00Z", "2026-06-01T12:00:00Z"]),
      ("trigger = cron '0 5 * * *'", ["2026-06-01T05:00:00Z", "2026-06-02T05:00:00Z"]),
      (
        "trigger = any_of { cron '0 5 * * *', at '2026-06-01 06:00' }",
        ["2026-06-01T05:00:00Z", "2026-06-01T06:00:00Z"]
      ),
      ("trigger = { cron '0 5 * * *', at '2026-06-01 06:00' }", ["2026-06-01T05:00:00Z", "2026-06-01T06:00:00Z"]),
      ("cron = cron('0 5 * * *', { timezone = 'Europe/Berlin' })", ["2026-06-01T03:00:00Z", "2026-06-02T03:00:00Z"]),
    ])
  func triggers(_ fields: String, _ fires: [String]) throws {
    let job = try LoadFixture().job("job 'x' { \(fields), run = print }")
    #expect(try next(#require(job.trigger), "2026-06-01T00:00:00Z", 2) == fires)
  }

  @Test("a trigger value follows the zone of each job that uses it, and jobs of one zone share it")
  func sharedTrigger() throws {
    let generation = try LoadFixture().load([
      "a.lua": """
      local nightly = cron "0 3 * * *"
      job "a" { trigger = nightly, timezone = "Europe/Berlin", run = print }
      job "b" { trigger = nightly, timezone = "America/New_York", run = print }
      job "c" { cron = "0 3 * * *", timezone = "Europe/Berlin", run = print }
      """
    ])
    #expect(generation.problems.isEmpty)
    let triggers = generation.jobs.compactMap(\.trigger)
    #expect(try next(triggers[0], "2026-06-01T00:00:00Z", 1) == ["2026-06-01T01:00:00Z"])
    #expect(try next(triggers[1], "2026-06-01T00:00:00Z", 1) == ["2026-06-01T07:00:00Z"])
    #expect(triggers[0] == triggers[2])
  }

  @Test("H spreads by the job's name")
  func hashed() throws {
    let generation = try LoadFixture().load([
      "a.lua": "for _, name in ipairs { 'a', 'b' } do job(name, { cron = 'H H * * *', run = print }) end"
    ])
    #expect(generation.problems.isEmpty)
    #expect(generation.jobs[0].trigger != generation.jobs[1].trigger)
  }

  @Test("@reboot has no fire time and is no mistake")
  func reboot() throws {
    let job = try LoadFixture().job("job 'x' { cron = '@reboot', run = print }")
    #expect(try #require(job.trigger).firesAtStart)
  }

  @Test("defaults go from the host over the script to the job")
  func layers() throws {
    var configuration = HostConfiguration()
    configuration.timeZone = "Europe/Berlin"
    configuration.jobDefaults = LuaTable(fields: [("max_instances", 3), ("priority", 1), ("timeout", "1m")])
    let generation = try LoadFixture().load(
      [
        "a.lua": """
        job_defaults { priority = 2, timezone = "America/New_York", on_error = function() end }
        job "x" { timeout = false, run = print }
        """,
        "b.lua": "job 'y' { run = print }",
      ], configuration: configuration)
    #expect(generation.problems.isEmpty)
    let jobs = generation.jobs
    #expect(jobs[0].maxInstances == 3 && jobs[0].priority == 2 && jobs[0].timeout == nil)
    #expect(jobs[0].timeZone == "America/New_York" && (jobs[0].payload as? LuaJobPayload)?.hasOnError == true)
    #expect(jobs[1].maxInstances == 3 && jobs[1].priority == 1 && jobs[1].timeout == 60_000_000_000)
    #expect(jobs[1].timeZone == "Europe/Berlin")
  }

  @Test("all mistakes of all jobs are told, and the script is not loaded")
  func everyMistake() throws {
    let generation = try LoadFixture().load([
      "a.lua": """
      job "good" { every = "1m", run = print }
      job "one" { every = "1 minute", run = print, priority = 1000 }
      job "two" { cron = "* * * *", run = print }
      """,
      "b.lua": "job 'other' { run = print }",
    ])
    #expect(generation.jobs.map(\.name) == ["other"])
    #expect(generation.errors.map(\.location.line) == [2, 2, 3])
  }

  @Test("a mistake in a loop of 10,000 jobs gives a page, not a book")
  func bounded() throws {
    let problems = try LoadFixture().problems("for i = 1, 10000 do job('j' .. i, { priority = 1000, run = print }) end")
    #expect(problems.count == 101)
    #expect(problems.last == "a.lua: 9900 further errors are not shown")
  }

  @Test("a job declared by a module is placed in the module")
  func inAModule() throws {
    let generation = try LoadFixture().load([
      "a.lua": "require('make')('x')",
      "lib/make.lua": "return function(name)\n  job(name, { run = print })\n  job(name, { run = print })\nend",
    ])
    #expect(
      generation.problems.map(\.description) == [
        "lib/make.lua:3: job \"x\" is declared twice, first at lib/make.lua:2; give one of them another name"
      ])
  }

  @Test("a script with a long path is placed by its whole path")
  func longPath() throws {
    let path = String(repeating: "directory/", count: 9) + "a.lua"
    let generation = try LoadFixture().loader.load(
      DirectorySnapshot([ScriptFile(ScriptPath(path), .script, .success(FileContent(Array("job 'x' {}".utf8))))]))
    #expect(generation.problems.map(\.location.file) == [path])
  }

  private func next(_ trigger: AnyTrigger, _ after: String, _ count: Int) throws -> [String] {
    var instant = try ISO8601.parse(after).instant(in: .utc)
    var fires: [String] = []
    while fires.count < count, let fire = trigger.next(after: instant) {
      fires.append("\(fire)")
      instant = fire
    }
    return fires
  }
}
