import CLinux
import Chronology
import Executors
import Glibc
import JobModel
import ProcessExecutor
import ProcessFrames
import ScriptFixtures
import ScriptRuntime
import TestSupport
import Testing

/// What a run may do is done over the socket, with the rights of its script.
@Suite("Runs in worker processes", .serialized, .timeLimit(.minutes(3)))
struct ProcessRunTests {
  private func fixture(_ edit: (inout ProcessConfiguration) -> Void = { _ in }) throws -> PoolFixture {
    var configuration = ProcessConfiguration()
    configuration.workers = 2
    edit(&configuration)
    return try PoolFixture(processes: configuration)
  }

  @Test("have kv, events, other jobs, log lines, progress and metrics of their host")
  func services() throws {
    let fixture = try fixture()
    let report = fixture.run(
      try fixture.job(
        """
        kv.set("n", { 1, 2 })
        assert(kv.get("n")[2] == 2 and kv.get("m") == nil and kv.keys()[1] == "n")
        assert(kv.update("n", function(old) return #old end) == 2)
        assert(emit("e", { 1 }))
        assert(jobs.run("other", { a = 1 }) == 77)
        assert(jobs.list()[1].name == "a" and jobs.list()[1].schedules[1].params.to == "ann")
        assert(jobs.schedule("other", { every = "1m" }) == "a-8")
        assert(jobs.pause("other") and jobs.resume("other") and jobs.unschedule("a-8"))
        assert(metric.counter("c", 2, { host = "x" }))
        log.warn("said", { a = 1 })
        ctx:progress(0.25)
        return { process = ctx.process, params = ctx.params, id = ctx.id, attempt = ctx.attempt }
        """, fields: "params = { p = 'q' },"))
    #expect(report.outcome == .succeeded, "\(String(describing: report.error))")
    #expect(report.result?.contains("\"p\":\"q\"") == true)
    #expect(report.result?.contains("\(getpid())") == false, "in a process of its own")
    #expect(fixture.values.raw["test.lua/n"]?.value.text == "2")
    #expect(fixture.scheduler.asked.contains("emit e [1]") && fixture.scheduler.asked.contains("run other {\"a\":1}"))
    #expect(fixture.host.services.metrics.value(of: "c", labels: [("host", "x")], in: "test.lua") == 2)
    let line = fixture.log.wait(for: "said")
    #expect(line.level == .warn && line.fields?.text == "{\"a\":1}" && line.job == "test")
    #expect(fixture.log.progress.last?.progress == .fraction(0.25))
  }

  @Test("wait for events, and for what comes first")
  func events() throws {
    let fixture = try fixture()
    let token = fixture.submit(try fixture.job("return wait('go', '30s').data"))
    fixture.scheduler.waitForSubscriptions(1)
    fixture.scheduler.emit("go", data: EventData(JSONText("{\"x\":1}"))) { _ in }
    #expect(fixture.reports.ending(of: token).result == "{\"x\":1}")
    fixture.scheduler.waitForSubscriptions(0)
  }

  @Test("keep their state from run to run, require modules first inside a run, and have their hooks")
  func code() throws {
    let fixture = try fixture()
    let jobs = try fixture.load(
      """
      local n = 0
      job "counts" { run = function() n = n + 1 return n end }
      job "requires" { run = function() return require("later").x end }
      job "fails" {
        run = function() error("no", 0) end,
        on_error = function(ctx, e) log.info("error: " .. e.message) end,
        on_failure = function(ctx, e) log.info("failure: " .. e.message) end,
      }
      job "again" { retry = { max = 2 }, run = function(ctx) ctx:retry("later", "3s") end }
      """, modules: ["later": "return { x = 5 }"])
    #expect(fixture.run(jobs[0]).result == "1")
    #expect(fixture.run(jobs[0]).result == "2")
    #expect(fixture.run(jobs[1]).result == "5")
    #expect(fixture.run(jobs[2]).error?.message == "no")
    fixture.log.wait(for: "error: no")
    fixture.log.wait(for: "failure: no")
    let again = fixture.run(jobs[3])
    #expect(again.outcome == .failed && again.details?.retry?.delay == 3_000_000_000)
  }

  /// The ways in which code ends its process without a module in C; the others are tried through the binary.
  private static let endings: [(String, Outcome, String)] = [
    ("os.exit(7)", .crashed, "ended by itself, with code 7"),
    ("os.execute('kill -SEGV ' .. ctx.process)", .crashed, "SIGSEGV"),
    ("os.execute('kill -ABRT ' .. ctx.process)", .crashed, "SIGABRT"),
    ("io.stderr:write('the last words\\n') os.exit(1)", .crashed, "it last wrote: the last words"),
    ("os.execute('kill -STOP ' .. ctx.process) while true do end", .crashed, "was stopped"),
  ]

  @Test(
    "that crash are one failed run each, and the next one is as if nothing had been", .disabled(if: isUnderSanitizer),
    arguments: endings)
  func crashes(_ body: String, _ outcome: Outcome, _ words: String) throws {
    let fixture = try fixture { $0.libraries = .all }
    let report = try fixture.run(body)
    #expect(report.outcome == outcome, "\(String(describing: report.error))")
    #expect(report.error?.message.contains(words) == true, "\(String(describing: report.error))")
    #expect(try fixture.run("return 7").result == "7")
    let executor = try #require(fixture.executor as? ProcessExecutor)
    #expect(executor.processes <= 2)
  }

  @Test("that are stuck in C are killed at their deadline with their programs, and when they are cancelled")
  func stuck() throws {
    let fixture = try fixture { $0.libraries = .all }
    let body = "log.info('in') os.execute('sleep 600')"
    let report = fixture.run(try fixture.job(body, fields: "timeout = '300ms',"))
    #expect(report.outcome == .timedOut, "\(String(describing: report.error))")
    let token = fixture.submit(try fixture.job(body))
    fixture.log.wait { $0.message == "in" && $0.run == RunID(2) }
    fixture.executor.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
  }

  @Test("of a script that always has some keep no other script waiting, and do not lose their process for each of its")
  func fairness() throws {
    let fixture = try fixture { $0.workers = 1 }
    let busy = try fixture.load("job 'busy' { max_instances = 1000, run = function() end }", path: "busy.lua")[0]
    let other = try fixture.load("job 'other' { run = function(ctx) return ctx.process end }", path: "other.lua")[0]
    var tokens = [fixture.submit(busy), fixture.submit(busy), fixture.submit(other)]
    tokens += (0..<60).map { _ in fixture.submit(busy) }
    for token in tokens { #expect(fixture.reports.ending(of: token).outcome == .succeeded) }
    let ended = fixture.reports.all.filter { $0.kind == .ended }.map(\.token)
    let place = try #require(ended.firstIndex(of: tokens[2]))
    #expect(place <= 2 + 9, "\(place) of \(tokens.count)")
  }

  @Test("that died with their process have their hooks in another one")
  func hooks() throws {
    let fixture = try fixture { $0.libraries = .all }
    let job = try fixture.load(
      """
      job "dies" {
        run = function() os.exit(1) end,
        on_error = function(ctx, e) log.info("error: " .. e.outcome .. " " .. ctx.job) end,
        on_failure = function(ctx, e) log.info("failure: " .. tostring(e.final)) end,
      }
      """)[0]
    #expect(fixture.run(job).outcome == .crashed)
    #expect(fixture.log.messages.contains("error: crashed dies"))
    #expect(fixture.log.messages.contains("failure: true"))
  }

  @Test("have the rights of their script: files by its grants, whatever code opens them")
  func landlock() throws {
    let place = try TemporaryDirectory()
    try place.write("in/a.txt", "inside")
    try place.write("out.txt", "outside")
    var grants = Grants.none
    grants.files = .below([Grants.FileRoot(path: place.path + "/in", isWritable: true)])
    var configuration = ProcessConfiguration()
    configuration.libraries = .all
    let fixture = try PoolFixture(grants: grants, base: place.path, processes: configuration)
    let report = try fixture.run(
      """
      local inside = assert(io.open("\(place.path)/in/a.txt")):read("a")
      local out, why = io.open("\(place.path)/out.txt")
      assert(io.open("\(place.path)/in/new.txt", "w")):close()
      assert(fs.list("in")[1].name == "a.txt" or fs.list("in")[1] == "a.txt")
      return { inside, tostring(out), why }
      """)
    #expect(report.outcome == .succeeded, "\(String(describing: report.error))")
    guard linux_landlock_version() > 0 else { return }
    #expect(report.result?.hasPrefix("[\"inside\",\"nil\"") == true, "\(report.result ?? "")")
    #expect(report.result?.contains("Permission denied") == true)
  }

  @Test("with all files granted move them from directory to directory")
  func refer() throws {
    let place = try TemporaryDirectory()
    try place.write("in/a.txt", "inside")
    try place.write("out/b.txt", "outside")
    var grants = Grants.none
    grants.files = .any
    var configuration = ProcessConfiguration()
    configuration.libraries = .all
    let fixture = try PoolFixture(grants: grants, base: place.path, processes: configuration)
    let report = try fixture.run("return { os.rename('\(place.path)/in/a.txt', '\(place.path)/out/a.txt') }")
    #expect(report.result == "[true]", "\(report.result ?? "")")
  }

  @Test("have no word with the host through the programs that they start")
  func descriptors() throws {
    let fixture = try fixture { $0.libraries = .all }
    #expect(try fixture.run("return (os.execute('test -e /proc/self/fd/3')) == nil").result == "true")
  }

  @Test("are on the clocks of their job")
  func zone() throws {
    let fixture = try fixture()
    let report = fixture.run(
      try fixture.job("return os.date('%H:%M %z', 1782900000)", fields: "timezone = 'Europe/Berlin',"))
    #expect(report.result == "\"12:00 +0200\"")
  }

  @Test("start programs that take signals as those of a shell do")
  func signals() throws {
    let fixture = try fixture { $0.libraries = .all }
    let body = "return { select(2, os.execute('kill -TERM $$; exit 7')), os.execute('true & wait') }"
    #expect(try fixture.run(body, fields: "timeout = '30s',").result == "[\"signal\",true,\"exit\",0]")
  }

  /// A list that no frame may carry.
  private final class ManyJobs: JobControl {
    func jobs() -> [JobSummary] {
      (0..<20_000).map { JobSummary(name: "job-\($0)", tags: [String(repeating: "t", count: 1_000)]) }
    }
    func run(_ job: String, params: JSONText?, completion: @escaping @Sendable (Result<RunID, HostRefusal>) -> Void) {
      completion(.success(RunID(1)))
    }
    func schedule(_ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, HostRefusal>) -> Void) {
      completion(.success("a"))
    }
    func unschedule(_ id: String, completion: @escaping @Sendable (HostRefusal?) -> Void) { completion(nil) }
    func pause(
      _ job: String, reason: String?, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void
    ) { completion(nil) }
    func resume(_ job: String, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
      completion(nil)
    }
  }

  @Test("are told in a sentence when an answer is larger than a frame, and a name is none")
  func large() throws {
    var configuration = ProcessConfiguration()
    configuration.workers = 1
    let fixture = try PoolFixture(processes: configuration) { $0.jobs = ManyJobs() }
    let listed = try fixture.run("local list, why = jobs.list() return { tostring(list), why }").result ?? ""
    #expect(listed.hasPrefix("[\"nil\",\"the list of 20000 jobs has ") && listed.contains("16 MB at most"), "\(listed)")
    for call in ["jobs.run(('x'):rep(8 * 1024 * 1024))", "jobs.resume(('x'):rep(5000))"] {
      let refused = try fixture.run("return (select(2, pcall(function() \(call) end)))").result ?? ""
      #expect(refused.contains("a job's name has at most 4095 bytes"), "\(call): \(refused.prefix(300))")
    }
  }

  @Test("use processor time together with what they start")
  func forked() throws {
    let fixture = try fixture {
      $0.libraries = .all
      $0.processorTime = 1_000_000_000
    }
    let body = "os.execute('for i in 1 2 3 4; do (while :; do :; done) & done; wait')"
    let report = try fixture.run(body, fields: "timeout = '60s',")
    #expect(report.outcome == .timedOut)
    #expect(report.error?.message.contains("than the cpu_time of 1s") == true, "\(String(describing: report.error))")
    #expect(try fixture.run("return 1").outcome == .succeeded, "the next one begins anew")
  }

  @Test("have memory together with what they start")
  func spread() throws {
    let fixture = try fixture {
      $0.libraries = .all
      $0.memory = 64 << 20
    }
    // Each far below what one process may have, whatever a shell does with what it reads; together they are 168 MB. The
    // echo keeps the shell, and what it holds, from becoming the sleep.
    let one = "(a=$(head -c 12000000 /dev/zero | tr '\\\\0' x); sleep 600; echo $a) &"
    let body = "return { os.execute(\"for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14; do \(one) done; wait\") }"
    let report = try fixture.run(body, fields: "timeout = '60s',")
    // What came of the shell, and what it wrote, where it was not killed.
    #expect(report.outcome == .outOfMemory, "\(report.result ?? ""), \(fixture.log.messages)")
    #expect(report.error?.message.contains("together than the 64 MB") == true, "\(String(describing: report.error))")
  }

  @Test("have a bound of processor time that they cannot put off")
  func hardBound() throws {
    let fixture = try fixture {
      $0.libraries = .all
      $0.processorTime = 1_000_000_000
    }
    let report = try fixture.run(
      "return tonumber(io.open('/proc/self/limits'):read('a'):match('Max cpu time%s+%d+%s+(%d+)'))")
    let bound = try #require(report.result.flatMap { Int($0) }, "\(String(describing: report.error))")
    #expect(bound >= 64 && bound < 100)
  }

  @Test("with a closure are refused with a sentence")
  func closures() throws {
    let fixture = try fixture()
    let definition = JobDefinition(
      name: "native", source: SourceLocation(file: "main.swift", line: 1), payload: ClosurePayload { _ in nil })
    let report = fixture.run(JobEntry(definition))
    #expect(report.outcome == .failed)
    #expect(report.error?.message.contains("is a Swift closure") == true)
  }

  @Test("of several scripts are in processes of their own")
  func owners() throws {
    let fixture = try fixture()
    let first = try fixture.load("job 'a' { run = function(ctx) return ctx.process end }", path: "a.lua")[0]
    let second = try fixture.load("job 'b' { run = function(ctx) return ctx.process end }", path: "b.lua")[0]
    let (a, b) = (fixture.run(first).result, fixture.run(second).result)
    #expect(a != nil && b != nil && a != b)
    #expect(fixture.run(first).result == a, "kept warm")
  }

  @Test("are given to a new process after so many")
  func recycled() throws {
    let fixture = try fixture {
      $0.workers = 1
      $0.recycleAfter = 2
    }
    let job = try fixture.job("return ctx.process")
    let processes = (0..<4).map { _ in fixture.run(job).result }
    #expect(processes[0] == processes[1] && processes[1] != processes[2] && processes[2] == processes[3])
  }

  @Test("of a program that cannot be started fail with a sentence")
  func missing() throws {
    let fixture = try PoolFixture()
    var configuration = ProcessConfiguration()
    configuration.name = "isolated"
    configuration.program = "/nowhere/moondial"
    let executor = ProcessExecutor(configuration, luaHost: fixture.host)
    let reports = ReportCollector()
    executor.start(reportingTo: reports)
    defer { executor.stop() }
    let token = RunToken(slot: 1, use: 1)
    executor.submit([
      RunOrder(token: token, id: RunID(1), job: try fixture.job("return 1"), attempt: 1, scheduledAt: .epoch)
    ])
    let report = reports.ending(of: token)
    #expect(report.error?.message.contains("executor \"isolated\" cannot start a worker process") == true)
  }
}
