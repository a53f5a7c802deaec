import Basics
import Chronology
import Executors
import JobModel
import Lua
import MemoryStore
import ScriptFixtures
import Testing

@testable import FileWatching
@testable import HostModules
@testable import ScriptLoading
@testable import ScriptRuntime

@Suite(.onBothExecutors) struct ModulesContextTests {
  @Test("ctx tells about the run")
  func fields() throws {
    let fixture = try PoolFixture()
    let job = try fixture.job(
      "return { ctx.id, ctx.job, ctx.attempt, ctx.missed, ctx.scheduled_at, ctx.started_at > 1e9, ctx.event == nil }")
    let report = fixture.run(job, attempt: 3, missed: 2)
    #expect(report.result == #"[1,"test",3,2,1000.0,true,true]"#)
  }

  @Test("params are the job's with the run's over them, and the same table each time")
  func params() throws {
    let fixture = try PoolFixture()
    let job = try fixture.job(
      "ctx.params.mine = 1 return ctx.params", fields: "params = { a = 1, b = 2 },")
    #expect(fixture.run(job).result == #"{"a":1,"b":2,"mine":1}"#)
    let given = OrderContext(params: JSONText(#"{"b":3,"c":4}"#), event: nil)
    #expect(fixture.run(job, context: given).result == #"{"a":1,"b":3,"c":4,"mine":1}"#)
    #expect(try fixture.run("return ctx.params").result == "[]")
  }

  @Test("an event is a table with name and data")
  func event() throws {
    let fixture = try PoolFixture()
    let context = OrderContext(params: nil, event: JSONText(#"{"name":"jump","data":{"to":5}}"#))
    #expect(
      fixture.run(try fixture.job("return ctx.event.name .. ctx.event.data.to"), context: context).result == "\"jump5\""
    )
  }

  @Test(
    "misuse of ctx says what to write",
    arguments: [
      ("return ctx.atempt", "ctx has no field \"atempt\" (did you mean \"attempt\"?)"),
      ("ctx.x = 1", "ctx cannot be changed: keep \"x\" in a local variable"),
      ("ctx.retry('x')", "write ctx:retry(…) with a colon, not with a dot"),
      ("ctx:progress(2)", "ctx:progress: a fraction is from 0 to 1, not 2.0"),
      ("ctx:fail()", "ctx:fail: expected a message (a string) as argument 2, got no value"),
      ("ctx:retry('x', 'soon')", "ctx:retry: the delay: "),
    ])
  func misuse(body: String, message: String) throws {
    #expect(try PoolFixture().run(body).error?.message.hasPrefix("test.lua:2: " + message) == true)
  }

  @Test("ctx:deadline is the time left, nil without a timeout; ctx:cancelled is false; progress reaches the host")
  func methods() throws {
    let fixture = try PoolFixture()
    #expect(try fixture.run("return ctx:deadline() == nil and not ctx:cancelled()").result == "true")
    #expect(
      try fixture.run("local d = ctx:deadline() return d > 50 and d <= 60", fields: "timeout = '1m',").result == "true")
    _ = try fixture.run("ctx:progress(0.5) ctx:progress('half')")
    #expect(fixture.log.progress.map(\.progress) == [.fraction(0.5), .text("half")])
  }
}

@Suite(.onBothExecutors) struct ModulesLogTests {
  @Test("log lines carry level, message and fields; print is log.info")
  func lines() throws {
    let fixture = try PoolFixture()
    _ = try fixture.run(
      "log.warn('low', { left = 3, list = { 1 } }) print('a', 1, nil, { 1 } ~= nil) log.error(42) log.debug('d', {})")
    let lines = fixture.log.all
    #expect(lines.map(\.level) == [.warn, .info, .error, .debug])
    #expect(lines.map(\.message) == ["low", "a\t1\tnil\ttrue", "42", "d"])
    #expect(lines[0].fields == JSONText(#"{"left":3,"list":[1]}"#) && lines[3].fields == nil)
    #expect(lines.allSatisfy { $0.run == RunID(1) && $0.job == "test" })
  }

  @Test("a run may log so much, then one line says that the rest is dropped")
  func allowance() throws {
    var configuration = LuaHostConfiguration()
    configuration.logLines = 3
    let fixture = try PoolFixture(configuration: configuration)
    let job = try fixture.job("for i = 1, 10 do log.info('line ' .. i) end")
    _ = fixture.run(job)
    #expect(fixture.log.messages.count == 4)
    #expect(fixture.log.messages[3].hasPrefix("further log lines of this run are dropped"))
    _ = fixture.run(job)
    #expect(fixture.log.messages.count == 8)
  }

  @Test("lines below the sink's threshold are not made")
  func threshold() throws {
    final class Quiet: RunOutput {
      let lines = Monitor<[String]>([])
      var threshold: LogLevel { .warn }
      func write(_ line: LogLine) { lines.withLock { $0.append(line.message) } }
      func note(_ progress: ProgressNote) {}
      func runEnded(_ run: RunID, store: String) {}
    }
    let quiet = Quiet()
    let fixture = try PoolFixture { $0.log = quiet }
    _ = try fixture.run("log.info('no') log.warn('yes')")
    #expect(quiet.lines.withLock { $0 } == ["yes"])
  }
}

@Suite(.onBothExecutors) struct ModulesTimeTests {
  @Test(
    "times are formatted and parsed",
    arguments: [
      ("time.format(0)", "\"1970-01-01T00:00:00Z\""),
      ("time.format(0, { zone = 'Europe/Berlin' })", "\"1970-01-01T01:00:00+01:00\""),
      ("time.format(86399, { format = '%Y-%m-%d %H:%M:%S %a %j %%' })", "\"1970-01-01 23:59:59 Thu 001 %\""),
      ("time.format(1780315200.25, { format = '%d %B %y %I %p %L %z %V' })", "\"01 June 26 12 PM 250 +0000 23\""),
      ("time.parse('2026-06-01T12:00:00Z')", "1780315200.0"),
      ("time.parse('2026-06-01 14:00', { zone = 'Europe/Berlin' })", "1780315200.0"),
      ("#time.zones() > 300", "true"),
      ("select('#', time.parse('soon'))", "2"),
    ])
  func values(expression: String, expected: String) throws {
    #expect(try PoolFixture().run("return \(expression)").result == expected)
  }

  @Test("an unknown zone names the closest one")
  func zone() throws {
    let report = try PoolFixture().run("return time.format(0, { zone = 'Europe/Berln' })")
    #expect(report.error?.message.contains("Europe/Berlin") == true)
  }

  @Test("sleep inside a comparator blocks, and is still stopped by the deadline")
  func comparator() throws {
    let fixture = try PoolFixture()
    #expect(
      try fixture.run("local t = { 2, 1 } table.sort(t, function(a, b) sleep(0.001) return a < b end) return t").result
        == "[1,2]")
    let report = try fixture.run("table.sort({ 2, 1 }, function() sleep(3600) end)", fields: "timeout = '40ms',")
    #expect(report.outcome == .timedOut)
  }
}

@Suite(.onBothExecutors) struct ModulesKeyValueTests {
  @Test("a key is text: two that differ never meet, and bytes that are no text are refused")
  func keys() throws {
    let fixture = try PoolFixture()
    let store = MemoryStore().keyValues
    let memory = try PoolFixture { $0.keyValues = { _ in store } }
    let report = try memory.run(
      #"""
      local keys = { "e\u{301}", "\u{e9}", "a\0b", "a\0c" }
      for i, key in ipairs(keys) do kv.set(key, i) end
      local found = {}
      for i, key in ipairs(keys) do found[i] = kv.get(key) end
      return { found, #kv.keys(), #kv.keys("a\0"), { ["e\u{301}"] = 1, ["\u{e9}"] = 2 } }
      """#)
    #expect(report.result?.hasPrefix("[[1,2,3,4],4,2,{") == true, "\(report.error?.message ?? report.result ?? "")")
    #expect(report.result?.utf8.count == #"[[1,2,3,4],4,2,{"e_":1,"e":2}]"#.utf8.count + 2)
    for body in [#"kv.set("a\xff", 1)"#, #"kv.get("a\xff")"#, #"kv.delete("\xff")"#, #"kv.keys("\xff")"#] {
      #expect(try fixture.run(body).error?.message.contains("is UTF-8 text, and this is not: write its bytes") == true)
    }
    let keyed = try fixture.run(#"kv.set("k", { ["a\xff"] = 1, ["a\xfe"] = 2 })"#).error?.message
    #expect(keyed?.contains("kv.set: the value: a key is not UTF-8, which JSON text must be") == true, "\(keyed ?? "")")
    #expect(try fixture.run(#"return json.encode({ ["a\xff"] = 1 })"#).error?.message.contains("not UTF-8") == true)
  }

  @Test("values are kept by script, with deletion, keys and time to live")
  func values() throws {
    let fixture = try PoolFixture()
    let job = try fixture.job(
      """
      assert(kv.get("a") == nil)
      kv.set("a", { 1, x = nil })
      kv.set("b/1", "one", { ttl = "1d" })
      kv.set("b/2", 2)
      kv.set("b/3", nil)
      kv.delete("b/2")
      return { kv.get("a"), kv.get("b/1"), kv.keys(), kv.keys("b/") }
      """)
    #expect(fixture.run(job).result == #"[[1],"one",["a","b/1"],["b/1"]]"#)
    #expect(fixture.values.raw["test.lua/b/1"]?.expiresAt != nil)
  }

  @Test("update repeats until nobody was faster")
  func update() throws {
    let fixture = try PoolFixture()
    let job = try fixture.job(
      "return kv.update('n', function(n) return (n or 0) + 1 end)", fields: "max_instances = 64,")
    let tokens = (0..<40).map { _ in fixture.submit(job) }
    let results = tokens.map { fixture.reports.ending(of: $0).result.flatMap { Int($0) } ?? -1 }
    #expect(results.sorted() == Array(1...40))
  }

  @Test("an answer that comes later wakes the run, on any thread")
  func later() throws {
    let fixture = try PoolFixture()
    fixture.values.hold()
    let token = fixture.submit(try fixture.job("kv.set('a', 1) return kv.get('a')"))
    fixture.values.waitUntilHeld()
    fixture.values.release()
    #expect(fixture.reports.ending(of: token).result == "1")
  }

  @Test("an answer that comes after a kill is dropped")
  func tooLate() throws {
    let fixture = try PoolFixture()
    fixture.values.hold()
    let job = try fixture.job("kv.get('a') return 1")
    let token = fixture.submit(job)
    fixture.values.waitUntilHeld()
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    fixture.values.release()
    #expect(fixture.run(job).result == "1")
  }

  @Test("a store that fails is an error of the script, which it can catch")
  func failing() throws {
    let fixture = try PoolFixture()
    fixture.values.fail(StoreError(.full, "no space left in moondial.db"))
    #expect(try fixture.run("kv.set('a', 1)").error?.message == "test.lua:2: kv.set: no space left in moondial.db")
    #expect(try fixture.run("return (pcall(kv.set, 'a', 1))").result == "false")
  }
}

@Suite(.onBothExecutors) struct ModulesSchedulerTests {
  @Test("jobs are listed, run, paused and resumed; a refusal is nil and a sentence")
  func jobs() throws {
    let fixture = try PoolFixture()
    let report = try fixture.run(
      """
      local list = jobs.list()
      assert(list[1].name == "a" and list[1].next_run_time == 60 and list[1].tags[1] == "x" and list[2].paused)
      local id, none, why = jobs.run("a", { x = 1 }), jobs.run("missing")
      return { id, none == nil, why, jobs.pause("a"), jobs.resume("a") }
      """)
    #expect(report.result == #"[77,true,"there is no job \"missing\"",true,true]"#)
    #expect(fixture.scheduler.asked == [#"run a {"x":1}"#, "run missing -", "pause a", "resume a"])
  }

  @Test("schedules are made with a trigger and options, listed, and taken away")
  func schedules() throws {
    let fixture = try PoolFixture()
    let report = try fixture.run(
      """
      local made = jobs.list()[1].schedules[1]
      assert(made.id == "a-7" and made.next_run_time == 90 and made.params.to == "ann" and #jobs.list()[2].schedules == 0)
      local id = jobs.schedule("a", { at = 1000, params = { to = "bob" } })
      local beat = jobs.schedule("a", {
        every = "90s", id = "beat", replace_existing = true, jitter = "1s", timezone = "Europe/Vienna", max_instances = 2,
        misfire_grace_time = false, coalesce = false, priority = 3, end_date = "2027-01-31",
      })
      jobs.schedule("a", { trigger = any_of { cron "0 9 * * mon", at "2027-01-01" } })
      local none, why = jobs.schedule("missing", { every = 5 })
      return { id, beat, none == nil, why, jobs.unschedule("beat") }
      """)
    #expect(report.result == #"["a-8","beat",true,"no job is named \"missing\"",true]"#)
    #expect(
      fixture.scheduler.asked == [
        #"schedule a at "1970-01-01T00:16:40Z", {"to":"bob"}"#,
        #"schedule a every("90s", { end_date = "2027-01-31T22:59:59.999999999Z" }), id beat, replacing, jitter 1000000000, "#
          + "in Europe/Vienna, grace none, coalesce all, instances 2, priority 3",
        #"schedule a any_of { cron("0 9 * * mon", { timezone = "UTC" }), at "2027-01-01T00:00:00Z" }"#,
        #"schedule missing every "5s""#, "unschedule beat",
      ])
  }

  @Test(
    "a schedule that cannot be meant is an error that says what to write",
    arguments: [
      (#"jobs.schedule("a")"#, "jobs.schedule: expected a table like"),
      (#"jobs.schedule("a", {})"#, "jobs.schedule: say when: give it at, every, cron, calendar or trigger"),
      (#"jobs.schedule("a", { evry = 5 })"#, #"unknown field "evry"; did you mean "every"?"#),
      (#"jobs.schedule("a", { every = 5, retry = 3 })"#, "retry belongs to the job: set it where the job is declared"),
      (#"jobs.schedule("a", { cron = "61 * * * *" })"#, "minute"),
      (
        #"jobs.schedule("a", { trigger = except(cron "0 9 * * *", calendar_of { ics = "days.ics" }) })"#,
        "a dynamic schedule cannot follow a calendar file; write the days as dates = { \"2027-01-01\", … }, or let a job "
          + "of the script have this trigger"
      ),
      (#"jobs.schedule("a", { every = 5, id = 7 })"#, "id must be a string, not 7"),
      (#"jobs.schedule("a", { every = 5, max_instances = 0 })"#, "max_instances must be"),
    ])
  func scheduleMistakes(call: String, message: String) throws {
    let fixture = try PoolFixture()
    let report = try fixture.run("local ok, why = pcall(function() return \(call) end) return { ok, why }")
    #expect(report.result?.replacing(#"\""#, with: "\"").contains(message) == true, "\(report.result ?? "")")
    #expect(fixture.scheduler.asked == [])
  }

  @Test("emit reaches a run that waits, and wait has a timeout")
  func events() throws {
    let fixture = try PoolFixture()
    let waiting = fixture.submit(try fixture.job("local e = wait('go', '1h') return { e.name, e.data.n }"))
    fixture.scheduler.waitForSubscriptions(1)
    #expect(try fixture.run("return emit('go', { n = 5 })").result == "true")
    #expect(fixture.reports.ending(of: waiting).result == #"["go",5]"#)
    #expect(fixture.scheduler.subscriptions == 0)
    #expect(try fixture.run("local e, why = wait('go', 0.01) return why").result == "\"timeout\"")
    #expect(fixture.scheduler.subscriptions == 0)
  }

  @Test("a killed run leaves no subscription")
  func killed() throws {
    let fixture = try PoolFixture()
    let token = fixture.submit(try fixture.job("wait('never')"))
    fixture.scheduler.waitForSubscriptions(1)
    fixture.cancel(token)
    #expect(fixture.reports.ending(of: token).outcome == .cancelled)
    #expect(fixture.scheduler.subscriptions == 0)
  }
}

@Suite(.onBothExecutors) struct ModulesFanOutTests {
  @Test("all waits for every branch, in order of the list, with errors beside values")
  func all() throws {
    let report = try PoolFixture().run(
      """
      local out = all({ 3, 1, 2, 0 }, function(n, i)
        sleep(n / 1000)
        if n == 2 then error("two", 0) end
        if n == 0 then return nil, "none" end
        return n * 10 + i
      end, { limit = 2 })
      local text = {}
      for i, r in ipairs(out) do text[i] = tostring(r.ok) .. ":" .. tostring(r.value or r.error) end
      return table.concat(text, " ")
      """)
    #expect(report.result == "\"true:31 true:12 false:two false:none\"")
  }

  @Test("a branch that yields has failed, in all and in any, and what it had to close is closed")
  func yieldingBranch() throws {
    let report = try PoolFixture().run(
      """
      local closed = 0
      local function body(n)
        local guard <close> = setmetatable({}, { __close = function() closed = closed + 1 end })
        if n == 1 then coroutine.yield("half") end
        if n == 2 then sleep(0.001) coroutine.yield() end
        if n == 3 then return coroutine.wrap(function() coroutine.yield("inner") end)() end
        return "whole"
      end
      local out = all({ 1, 2, 3, 4 }, body)
      local text = {}
      for i, r in ipairs(out) do text[i] = tostring(r.ok) .. ":" .. tostring(r.value or r.error) end
      local value, at = any({ 1, 2, 4 }, body)
      return { text, closed, value, at }
      """)
    let why = "a branch of all or any cannot yield: coroutine.yield works in coroutines that the body makes itself"
    let result = try #require(report.result)
    #expect(result.contains("false:") && result.contains(":5: \(why)") && result.contains(":6: \(why)"), "\(result)")
    #expect(result.contains(#""true:inner","true:whole"],6,"whole",3]"#), "\(result)")
  }

  @Test("any takes the first that works, and gives up the others")
  func any() throws {
    let fixture = try PoolFixture()
    let report = try fixture.run(
      """
      local value, at = any({ "x", "y", "z" }, function(name)
        if name == "x" then wait("never") end
        if name == "y" then return nil, "not here" end
        sleep(0.002)
        return name
      end)
      return { value, at }
      """)
    #expect(report.result == #"["z",3]"#)
    #expect(fixture.scheduler.subscriptions == 0)
    #expect(
      try fixture.run("local v, errors = any({ 1, 2 }, function(n) error(n, 0) end) return { v == nil, errors }").result
        == "[true,[1,2]]")
  }

  @Test("never more branches than the limit")
  func limit() throws {
    let report = try PoolFixture().run(
      """
      local now, most, list = 0, 0, {}
      for i = 1, 50 do list[i] = i end
      all(list, function() now = now + 1 most = math.max(most, now) sleep(0.001) now = now - 1 end, { limit = 7 })
      return most
      """)
    #expect(report.result == "7")
  }

  @Test(
    "misuse is an error at the line of the call",
    arguments: [
      ("all(1, print)", "all: expected a list as argument 1, got a number"),
      ("any({}, 1)", "any: expected a function as argument 2, got a number"),
      ("all({}, print, { limit = 0 })", "all: limit must be from 1 to 10000, not 0"),
    ])
  func misuse(body: String, message: String) throws {
    #expect(try PoolFixture().run(body).error?.message == "test.lua:2: " + message)
  }
}

@Suite(.onBothExecutors) struct ModulesHashTests {
  @Test(
    "digests and encodings",
    arguments: [
      ("hash.sha256('abc')", "\"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\""),
      // RFC 4231, test case 2.
      (
        "hash.hmac('Jefe', 'what do ya want for nothing?')",
        "\"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843\""
      ),
      ("hash.base64('')", "\"\""), ("hash.base64('f')", "\"Zg==\""), ("hash.base64('fo')", "\"Zm8=\""),
      ("hash.base64('foo')", "\"Zm9v\""), ("hash.base64('foobar')", "\"Zm9vYmFy\""),
      ("hash.unbase64('Zm9vYmE=')", "\"fooba\""), ("hash.unbase64('Zm9vYg')", "\"foob\""),
      ("select(2, hash.unbase64('Zm9vYh'))", "\"not base64\""), ("select(2, hash.unbase64('Z'))", "\"not base64\""),
      ("hash.hex('\\x00\\xff')", "\"00ff\""), ("hash.unhex('616263')", "\"abc\""),
      ("select(2, hash.unhex('6'))", "\"not hexadecimal\""),
      ("#hash.uuid() == 36 and hash.uuid() ~= hash.uuid()", "true"),
      ("hash.uuid():match('^%x+%-%x+%-4%x%x%x%-[89ab]%x%x%x%-%x+$') ~= nil", "true"),
    ])
  func values(expression: String, expected: String) throws {
    #expect(try PoolFixture().run("return \(expression)").result == expected)
  }
}

@Suite(.onBothExecutors) struct ModulesMetricTests {
  @Test("counters and gauges become a Prometheus page")
  func page() throws {
    let fixture = try PoolFixture()
    _ = try fixture.run(
      "metric.counter('b_total') metric.counter('b_total', 2.5) metric.gauge('a', 7, { host = 'x\"y', az = 1 })")
    #expect(
      fixture.host.services.metrics.prometheusText()
        == "# TYPE a gauge\na{script=\"test.lua\",az=\"1\",host=\"x\\\"y\"} 7\n# TYPE b_total counter\n"
        + "b_total{script=\"test.lua\"} 3.5\n")
  }

  @Test(
    "what cannot be a metric is refused",
    arguments: [
      "metric.counter('1x')", "metric.counter('a', -1)", "metric.gauge('a', 1, { ['b-c'] = 1 })",
    ])
  func misuse(body: String) throws {
    #expect(try PoolFixture().run(body).outcome == .failed)
  }
}
