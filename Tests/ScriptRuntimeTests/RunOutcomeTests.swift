import Executors
import JobModel
import Lua
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite(.onBothExecutors) struct RunOutcomeTests {
  @Test("a run that returns nothing succeeds without details")
  func nothing() throws {
    let report = try PoolFixture().run("")
    #expect(report.outcome == .succeeded && report.details == nil && report.memoryPeakBytes > 0)
  }

  @Test(
    "what run returns is its result as JSON",
    arguments: [
      ("return 1", "1"), ("return 1.5", "1.5"), ("return 'a\\n\"b\"'", #""a\n\"b\"""#), ("return true", "true"),
      ("return { 1, 2, { x = 'y' } }", #"[1,2,{"x":"y"}]"#), ("return { b = 1, a = 2 }", #"{"a":2,"b":1}"#),
      ("return {}", "[]"), ("return nil", nil),
    ])
  func result(body: String, expected: String?) throws {
    #expect(try PoolFixture().run(body).result == expected)
  }

  @Test(
    "a result that is no JSON is dropped with a warning, and the run succeeds",
    arguments: ["return print", "return 0/0", "return { 1, x = 2 }"])
  func badResult(body: String) throws {
    let fixture = try PoolFixture()
    let report = try fixture.run(body)
    #expect(report.outcome == .succeeded && report.result == nil)
    #expect(fixture.log.all.first?.level == .warn)
    #expect(fixture.log.messages.first?.hasPrefix("the result of run is not kept") == true)
  }

  @Test("an error fails the run with file, line and traceback")
  func failure() throws {
    let report = try PoolFixture().run("error('broken')")
    #expect(report.outcome == .failed)
    #expect(report.error?.message == "test.lua:2: broken")
    #expect(report.error?.file == "test.lua" && report.error?.line == 2)
    #expect(report.error?.traceback?.contains("test.lua:2") == true)
  }

  @Test(
    "a table that was thrown is kept as data, with its message and the place",
    arguments: [
      ("error{ code = 42 }", "error value {\"code\":42}", #"{"code":42}"#),
      ("error{ code = 42, message = 'no route' }", "no route", #"{"code":42,"message":"no route"}"#),
      ("error{ message = 'no route' }", "no route", nil),
      ("error{ message = 'm', data = { 1 } }", "m", "[1]"),
      ("error({ 1, 2 })", "error value [1,2]", "[1,2]"),
    ])
  func thrownTable(body: String, message: String, data: String?) throws {
    let report = try PoolFixture().run(body)
    #expect(report.outcome == .failed)
    #expect(report.error?.message == message && report.error?.data == data)
    #expect(report.error?.file == "test.lua" && report.error?.line == 2)
  }

  @Test(
    "nil and a reason fail the attempt; nil alone does not",
    arguments: [
      ("return nil, 'no route'", Outcome.failed, "no route", nil),
      ("return nil, { message = 'm', code = 5 }", .failed, "m", #"{"code":5,"message":"m"}"#),
      ("return nil, 5", .failed, "run returned nil and 5", nil),
      ("return nil, nil", .succeeded, nil, nil), ("return nil", .succeeded, nil, nil),
      ("return false, 'why'", .succeeded, nil, nil), ("return 1, 'more'", .succeeded, nil, nil),
    ] as [(String, Outcome, String?, String?)])
  func refusal(body: String, outcome: Outcome, message: String?, data: String?) throws {
    let report = try PoolFixture().run(body)
    #expect(report.outcome == outcome && report.error?.message == message && report.error?.data == data)
    #expect(outcome == .succeeded || report.error?.file == "test.lua")
  }

  @Test("endless recursion that uses up the memory says how deep it was")
  func recursion() throws {
    let report = try PoolFixture().run(
      "local function f(n) return 1 + f(n + 1) end return f(1)", fields: "memory = '8MB',")
    #expect(report.outcome == .outOfMemory)
    #expect(report.error?.message.contains("calls in each other: is there a recursion without an end?") == true)
    #expect(report.error?.line == 2)
  }

  @Test("os.date and os.time are in the job's zone")
  func zone() throws {
    let report = try PoolFixture().run(
      "local t = os.time { year = 2026, month = 7, day = 1, hour = 12 } return { t, os.date('%H:%M %z', t), os.date('*t', t).isdst, os.time { year = 2026, month = 1, day = 1, hour = 12, isdst = false } }",
      fields: "timezone = 'Europe/Vienna', every = '1h',")
    #expect(report.result == #"[1782900000,"12:00 +0200",true,1767265200]"#)
  }

  @Test("a name that the script assigns somewhere may be read in a run before")
  func declaredGlobal() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      "cache = nil\njob 'x' { run = function() if not cache then cache = 1 end return cache end }")[0]
    #expect(fixture.run(job).result == "1")
  }

  @Test("ctx:fail ends the run with a message and data")
  func fail() throws {
    let report = try PoolFixture().run("ctx:fail('no route', { host = 'db', tries = 3 })")
    #expect(report.outcome == .failed)
    #expect(report.error?.message == "no route")
    #expect(report.error?.data == #"{"host":"db","tries":3}"#)
    #expect(report.error?.line == 2 && report.error?.file == "test.lua")
    #expect(report.details?.retry == nil)
  }

  @Test(
    "ctx:retry asks for another attempt",
    arguments: [
      ("ctx:retry('later')", nil), ("ctx:retry('later', '2s')", 2_000_000_000),
      ("return ctx:retry('later', 0.5)", 500_000_000),
    ]
      as [(String, Int64?)])
  func retry(body: String, delay: Int64?) throws {
    let report = try PoolFixture().run(body)
    #expect(report.outcome == .failed && report.error?.message == "later")
    #expect(report.details?.retry == RetryRequest(delay: delay))
  }

  @Test("a retry that the script catches is no retry")
  func caughtRetry() throws {
    let fixture = try PoolFixture()
    #expect(try fixture.run("pcall(ctx.retry, ctx, 'x')").outcome == .succeeded)
    let report = try fixture.run("pcall(ctx.retry, ctx, 'x') error('other')")
    #expect(report.outcome == .failed && report.details?.retry == nil)
  }

  @Test("a run beyond its timeout is timed out, with the line it was on")
  func timeout() throws {
    let report = try PoolFixture().run("while true do end", fields: "timeout = '30ms',")
    #expect(report.outcome == .timedOut)
    #expect(report.error?.message == "test.lua:2: the run took longer than its timeout of 30ms")
    #expect(report.error?.line == 2)
  }

  @Test("a suspended run beyond its timeout is timed out")
  func suspendedTimeout() throws {
    let report = try PoolFixture().run("sleep(3600)", fields: "timeout = '30ms',")
    #expect(report.outcome == .timedOut)
    #expect(report.error?.message.contains("timeout of 30ms") == true)
  }

  @Test("a run beyond its memory is out of memory, and the next run works")
  func memory() throws {
    let fixture = try PoolFixture()
    let job = try fixture.job("local t = {} for i = 1, 1e9 do t[i] = { i } end", fields: "memory = '4MB',")
    let report = fixture.run(job)
    #expect(report.outcome == .outOfMemory)
    #expect(report.error?.message.contains("memory limit of 4MB") == true)
    #expect(report.memoryPeakBytes > 2 << 20)
    #expect(try fixture.run("return 'fine'").result == "\"fine\"")
  }

  @Test("a run that computes is cancelled")
  func cancelHog() throws {
    let fixture = try PoolFixture()
    let token = fixture.submit(try fixture.job("log.info('here') while true do end"))
    fixture.log.wait(for: "here")
    fixture.cancel(token)
    let report = fixture.reports.ending(of: token)
    #expect(report.outcome == .cancelled)
    #expect(report.error?.message.hasSuffix("the run was cancelled") == true)
  }

  @Test("a run that waits is cancelled")
  func cancelSleeper() throws {
    let fixture = try PoolFixture()
    let token = fixture.submit(try fixture.job("log.info('here') sleep('1d')"))
    fixture.log.wait(for: "here")
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
  }

  @Test("stopping the pool interrupts what runs and what waits")
  func interrupted() throws {
    let fixture = try PoolFixture()
    let sleeping = fixture.submit(try fixture.job("log.info('sleeping') sleep('1d')"))
    let busy = fixture.submit(try fixture.job("log.info('busy') while true do end"))
    fixture.log.wait(for: "sleeping")
    fixture.log.wait(for: "busy")
    fixture.executor.stop()
    #expect(fixture.reports.ending(of: sleeping).outcome == .interrupted)
    #expect(fixture.reports.ending(of: busy).outcome == .interrupted)
  }

  @Test("more sleepers than workers sleep at once", .onThreads(because: .suspension))
  func sleepers() throws {
    let fixture = try PoolFixture()
    let job = try fixture.job("sleep(0.02) return 1", fields: "max_instances = 500,")
    let tokens = (0..<500).map { _ in fixture.submit(job) }
    for token in tokens { #expect(fixture.reports.ending(of: token).result == "1") }
  }

  @Test("swift closures run on the same pool", .onThreads(because: .closures))
  func closures() throws {
    let fixture = try PoolFixture()
    let definition = JobDefinition(
      name: "swift", source: SourceLocation(file: "main.swift", line: 1), payload: ClosurePayload { _ in JSONText("5") }
    )
    #expect(fixture.run(JobEntry(definition)).result == "5")
  }
}

@Suite(.onBothExecutors) struct RunHookTests {
  @Test("on_success runs in the same state, with the result")
  func success() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      """
      local seen = 0
      job "a" {
        run = function() seen = seen + 1 return { n = seen } end,
        on_success = function(ctx, result) log.info("hook " .. seen .. " " .. result.n .. " " .. ctx.job) end,
      }
      """)[0]
    #expect(fixture.run(job).result == #"{"n":1}"#)
    #expect(fixture.log.messages == ["hook 1 1 a"])
  }

  @Test("on_error gets the error and changes nothing about the outcome")
  func error() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      """
      job "a" {
        run = function(ctx) ctx:fail("bad", { code = 7 }) end,
        on_error = function(ctx, err) log.info(err.message .. " " .. err.data.code .. " " .. err.outcome .. " " .. err.line) end,
        on_success = function() log.info("never") end,
      }
      """)[0]
    let report = fixture.run(job)
    #expect(report.outcome == .failed && report.error?.message == "bad")
    #expect(fixture.log.messages == ["bad 7 failed 2"])
  }

  @Test("a hook may wait")
  func waiting() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      "job 'a' { run = function() return 1 end, on_success = function() sleep(0.01) kv.set('done', true) log.info('slept') end }"
    )[0]
    #expect(fixture.run(job).result == "1")
    #expect(fixture.log.messages == ["slept"])
    #expect(fixture.values.raw["test.lua/done"]?.value == JSONText("true"))
  }

  @Test("a hook that fails is logged, and the run stays what it was")
  func failing() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load("job 'a' { run = function() end, on_success = function() error('oops') end }")[0]
    #expect(fixture.run(job).outcome == .succeeded)
    #expect(fixture.log.messages == ["on_success failed: test.lua:1: oops"])
    #expect(fixture.log.all[0].level == .error)
  }

  @Test("a hook has what is left of the timeout")
  func endless() throws {
    let fixture = try PoolFixture()
    let job = try fixture.load(
      "job 'a' { timeout = '300ms', run = function() end, on_success = function() while true do end end }")[0]
    #expect(fixture.run(job).outcome == .succeeded)
    #expect(fixture.log.messages.first?.hasPrefix("on_success was stopped (timed_out)") == true)
    let sleeping = try fixture.load(
      "job 'a' { timeout = '300ms', run = function() error('x') end, on_error = function() sleep('1h') end }",
      path: "b.lua")[0]
    #expect(fixture.run(sleeping).outcome == .failed)
    #expect(fixture.log.messages.last == "on_error was stopped (timed_out)")
  }
}
