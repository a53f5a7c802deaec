import Foundation
import Testing

/// `moondial test` as its users run it.
@Suite("moondial test, end to end", .timeLimit(.minutes(5)))
struct ScriptTestTests {
  /// A place with scripts by their names.
  private func place(_ files: [String: String]) throws -> Place {
    let place = try Place()
    try Data("return { timezone = 'UTC' }".utf8).write(to: URL(filePath: place.path + "/moondial.lua"))
    for (name, text) in files {
      let file = URL(filePath: place.path + "/scripts/" + name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(text.utf8).write(to: file)
    }
    return place
  }

  /// The lines without their times.
  private func plain(_ lines: [String]) -> [String] {
    lines.map { $0.replacing(#/ +(in )?[0-9.]+ (µs|ms|s)$/#, with: "") }
  }

  private static let price = """
    job "price" {
      every = "30s", retry = { max = 2, base = "1s", jitter = false }, timeout = "10s",
      run = function(ctx)
        local res, err = http.get("https://api.example.org/price", { headers = { a = "b" } })
        if not res then return ctx:retry(err) end
        kv.set("last", res:json().price)
        return res:json().price
      end,
    }
    job "slow" { run = function(ctx) sleep("2h") return exec({ "date", "-u" }).stdout end }
    job "taker" { watch = "in/*.csv", run = function(ctx) return #ctx.event.paths end }
    """

  @Test("the documentation's example, and the tests of the scripts that come with it, pass")
  func examples() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    for (name, tests) in [("docs/testing.md", 3), ("README.md", 1)] {
      let text = try String(contentsOf: root.appending(path: name), encoding: .utf8)
      var files: [String: String] = [:]
      for block in text.matches(of: #/```lua\n-- scripts/(\w+\.lua)[^\n]*\n((?s:.*?))```/#) {
        files[String(block.1)] = String(block.2)
      }
      #expect(files.keys.contains("price_test.lua"))
      let documented = try place(files).run("test")
      #expect(documented.status == 0, "\(documented)")
      #expect(plain(documented.output).last == "\(tests) passed, 0 failed")
    }
    let shipped = try place([:]).run("test", root.path + "/scripts")
    #expect(shipped.status == 0, "\(shipped)")
    #expect(plain(shipped.output).last == "4 passed, 0 failed")
  }

  @Test("each test has a line with its place; a failure has its own, and what differs")
  func failures() throws {
    let place = try place([
      "price.lua": Self.price,
      "price_test.lua": """
      test("passes", function(t) t:equal(1, 1) end)
      test("differs", function(t)
        print("before")
        t:equal({ a = 1, b = { "x" } }, { a = 2, b = { "y" } }, "the answer")
      end)
      test("lines", function(t) t:equal("a\\nb\\nc", "a\\nB\\nc") end)
      test("nil", function(t) local x; return x.y end)
      test("outcome", function(t) t:equal(t:run("price").outcome, "succeeded") end)
      test("place", function(t) t:equall(1, 1) end)
      """,
    ])
    let ended = try place.run("test")
    #expect(ended.status == 1)
    #expect(
      plain(ended.output) == [
        "ok    price_test.lua:1  passes",
        "FAIL  price_test.lua:2  differs",
        "  price_test.lua:4: the answer: the values differ",
        "    .a: expected 2, got 1",
        "    .b[1]: expected \"y\", got \"x\"",
        "  info test: before",
        "FAIL  price_test.lua:6  lines",
        "  price_test.lua:6: line 2: expected \"B\", got \"b\"",
        "FAIL  price_test.lua:7  nil",
        "  price_test.lua:7: attempt to index a nil value (local 'x')",
        "FAIL  price_test.lua:8  outcome",
        "  price_test.lua:8: expected \"succeeded\", got \"failed\"",
        "  price #1 failed: price.lua:4: http.get: a test does not reach the world: say what it answers with "
          + "t:fake(\"http.get\", …)",
        "FAIL  price_test.lua:9  place",
        "  price_test.lua:9: t has no equall; it has dir, advance, advance_to, calls, emit, equal, fail, fake, files, "
          + "kv_get, kv_set, logs, match, near, next, now, ok, raises, run, runs, unfake",
        "1 passed, 5 failed",
      ], "\(ended)")
  }

  @Test("time stands still until the test lets it pass, and every test begins anew")
  func time() throws {
    let place = try place([
      "price.lua": Self.price,
      "a_test.lua": """
      test("attempts wait for their time", { at = "2026-03-01T00:00:00Z" }, function(t)
        t:fake("http.get", function() return nil, "gone" end, { takes = "3s" })
        local run = t:run("price")
        t:equal({ run.outcome, run.attempts, run.error.message }, { "failed", 3, "gone" })
        t:near(t:now(), time.parse("2026-03-01T00:00:12Z"), 1e-6)
      end)
      test("an answer may come too late", function(t)
        t:fake("http.get", { json = { price = 1 } }, { takes = "11s" })
        local run = t:run("price")
        t:equal({ run.outcome, run.duration }, { "timed_out", 30 })
      end)
      test("whatever falls due runs at its instant", function(t)
        t:fake("http", function(method, url, options)
          t:equal({ method, url, options.headers.a }, { "GET", "https://api.example.org/price", "b" })
          return { json = { price = t:now() } }
        end)
        local runs = t:advance("90s")
        t:equal({ #runs, runs[1].at, runs[3].at }, { 3, "2026-01-01T00:00:30Z", "2026-01-01T00:01:30Z" })
        t:equal(t:kv_get("price", "last"), runs[3].scheduled_at)
        t:equal(#t:calls("http"), 3)
      end)
      test("a run that sleeps two hours", { jobs = { "slow" } }, function(t)
        t:fake("exec", function(words) return table.concat(words, " ") end)
        local run = t:run("slow")
        t:equal({ run.result, run.duration, #t:runs() }, { "date -u", 7200, 1 })
      end)
      test("nothing is left of the tests before", function(t) t:equal({ t:kv_get("price", "last"), t:runs() }, { nil, {} }) end)
      """,
    ])
    let ended = try place.run("test")
    #expect(ended.status == 0, "\(ended)")
    #expect(plain(ended.output).last == "5 passed, 0 failed")
  }

  @Test("steps, transactions, files, events, watches and limits are the host's own")
  func host() throws {
    let place = try place([
      "jobs.lua": """
      job "days" { run = function(ctx)
        local first = ctx:step("first", function() return time.now() end)
        ctx:sleep("3d")
        return time.now() - first
      end }
      job "books" { run = function(ctx)
        ctx:transaction(function(tx) tx.kv.set("k", 5) tx.emit("booked", { n = 1 }) end)
        return kv.get("k")
      end }
      job "heard" { on = "booked", debounce = "10s", run = function(ctx) return ctx.event.data end }
      job "watched" { watch = "in/*.csv", run = function(ctx) return fs.read(ctx.event.paths[1]) end }
      job "fan" { run = function() return all({ 1, 2, 3 }, function(i) return http.get("http://h" .. i).status end) end }
      job "one" { every = "1s", max_instances = 1, overlap = "skip", run = function() sleep("2500ms") end }
      job "told" { run = function() return (wait("go", "1h")) end }
      job "db" { run = function()
        local db = sqlite.open("in/a.db")
        db:run("create table t (n)") db:run("insert into t values (7)")
        return db:first("/* all */ select n from t").n
      end }
      """,
      "jobs_test.lua": """
      test("days", { jobs = { "days" } }, function(t) t:equal(t:run("days", { within = "4d" }).result, 3 * 86400) end)
      test("books", { jobs = { "books", "heard" } }, function(t)
        t:equal(t:run("books").result, 5)
        t:equal(#t:runs("heard"), 0)
        t:equal(t:advance("10s")[1].result, { n = 1 })
      end)
      test("watched", { jobs = { "watched", "db" } }, function(t)
        fs.mkdir("in")
        fs.write("in/a.csv", "1;2")
        fs.write("in/z", "/usr/bin/x")
        t:equal(fs.read("in/z"), "/usr/bin/x", "content that looks like a path")
        t:equal(t:files("watched", { "in/a.csv" })[1].result, "1;2")
        t:equal(t:run("db").result, 7)
        t:equal(fs.list("in")[1].name, "a.csv")
      end)
      test("fan", { jobs = { "fan" } }, function(t)
        t:fake("http.get", function(url) return 200 + url:match("%d") end, { takes = "1s" })
        local run = t:run("fan")
        t:equal({ run.duration, run.result[3].value }, { 1, 203 })
      end)
      test("one", { jobs = { "one" } }, function(t) t:equal(#t:advance("10s"), 3) end)
      test("told", { jobs = { "told" } }, function(t)
        t:fake("fs.read", "x")
        t:equal(t:run("told").result, nil)
      end)
      """,
    ])
    try Data("return { timezone = 'UTC', grants = { ['*'] = { fs = { 'in:rw' } } } }".utf8)
      .write(to: URL(filePath: place.path + "/moondial.lua"))
    let ended = try place.run("test")
    #expect(ended.status == 0, "\(ended)")
    #expect(plain(ended.output).last == "6 passed, 0 failed")
  }

  @Test("loops without an end, and other limits, end a test and not the command")
  func limits() throws {
    let place = try place([
      "loop.lua": """
      job "loop" { timeout = "300ms", run = function() while true do end end }
      job "never" { run = function() return (wait("x")) end }
      """,
      "loop_test.lua": """
      test("of a job", function(t)
        local run = t:run("loop")
        t:equal(run.outcome, "timed_out")
        t:match(run.error.message, "loop.lua:1")
      end)
      test("of a test", { timeout = "300ms" }, function(t)
        while true do end
      end)
      test("memory", { memory = "2MB" }, function(t) local x = {} while true do x[#x + 1] = {} end end)
      test("what never comes", function(t) t:run("never", { within = "1d" }) end)
      test("a job in the middle of it", { timeout = "300ms" }, function(t) t:run("never", { within = "200000d" }) t:run("loop") t:run("loop") end)
      """,
    ])
    let ended = try place.run("test")
    #expect(ended.status == 1)
    #expect(plain(ended.output).first == "ok    loop_test.lua:1  of a job", "\(ended)")
    for line in [
      "  loop_test.lua:7: the run took longer than its timeout of 300ms",
      "  loop_test.lua:9: the job's Lua state grew beyond its memory limit of 2MB",
      "  loop_test.lua:10: t:run: run 1 has not ended within 1d of the test's time: what it waits for did not come, or it "
        + "takes longer (t:run(job, { within = … }))",
    ] {
      #expect(ended.output.contains(line), "\(line) is not in \(ended.output)")
    }
    #expect(plain(ended.output).last == "1 passed, 4 failed")
  }

  @Test(
    "mistakes in a test file are a sentence with its line",
    arguments: [
      (
        "test('a', { att = 1 }, function(t) end)",
        "a_test.lua:1: test \"a\": there is no option att: at, jobs, timeout and memory are there"
      ),
      ("test('a')", "a_test.lua:1: test \"a\": it has no function: write test(\"a\", function(t) … end)"),
      ("test(function(t) end)", "a_test.lua:1: test: expected a name (a string) as argument 1"),
      ("test('a', print)\ntest('a', print)", "a_test.lua:2: test \"a\": this file has a test of that name already"),
      ("test('a', { at = 'noon' }, print)", "a_test.lua:1: test \"a\": at = \"noon\": "),
      ("test('a', { at = 7 }, print)", "a_test.lua:1: test \"a\": at is a time as text, such as \"2026-03-29T01:00\""),
      (
        "test('a', { jobs = { 'pric' } }, print)",
        "a_test.lua:1: test \"a\": jobs: no script declares a job \"pric\"; did you mean \"price\"?"
      ),
      ("test('a', { jobs = 'price' }, print)", "a_test.lua:1: test \"a\": jobs is a list of names"),
      ("test('a', { timeout = 'x' }, print)", "a_test.lua:1: test \"a\": timeout"),
      ("job 'x' { run = print }", "a_test.lua:1: a test file declares no jobs: a script does, and tests name them"),
      ("local x = 1", "a_test.lua: it has no test: write test(\"name\", function(t) … end)"),
      ("test('a', ", "a_test.lua:1: unexpected symbol near <eof>"),
      ("error('no')", "a_test.lua:1: no"),
    ])
  func mistakes(text: String, message: String) throws {
    let place = try place(["price.lua": Self.price, "a_test.lua": text])
    let ended = try place.run("test")
    #expect(ended.status == 1)
    #expect(ended.errors.contains { $0.hasPrefix(message) }, "\(ended)")
    #expect(plain(ended.output).last == "0 passed, 0 failed, 1 mistake in test files", "\(ended)")
  }

  @Test(
    "wrong calls of t are failures at the line of the call",
    arguments: [
      ("t:advance(-1)", "t:advance: expected seconds from 0 up, not -1.0"),
      ("t:advance('soon')", "t:advance: "),
      ("t:advance({})", "t:advance: expected a duration (seconds, or text like \"1h30m\"), got a table"),
      (
        "t:advance_to('2025-01-01')",
        "t:advance_to: 2025-01-01T00:00:00Z has passed: in this test it is 2026-01-01T00:00:00Z"
      ),
      ("t:advance_to('x')", "t:advance_to: \"x\": "),
      ("t:run('pric')", "t:run: no job is named \"pric\"; did you mean \"price\"?"),
      ("t:run()", "t:run: expected a job's name, got nil"),
      ("t:run('price', { parms = 1 })", "t:run: there is no option parms: params and within are there"),
      ("t:run('price', { params = { print } })", "t:run: params: "),
      ("t:emit()", "t:emit: expected an event's name, got nil"),
      ("fs.read('../x')", "fs.read: ../x is not in the test's directory, and a test reaches no other: "),
      ("fs.copy('a', '/tmp/x')", "fs.copy: /tmp/x is not in the test's directory, and a test reaches no other: "),
      (
        "fs.mkdir('in') fs.write('in/a.txt', 'x') t:files('taker', { 'in/a.txt' })",
        "t:files: job \"taker\" does not watch for in/a.txt, but for in/*.csv"
      ),
      ("t:kv_set('price', ('k'):rep(513), 1)", "t:kv_set: a key has 512 bytes at most, this one has 513"),
      (
        "t:kv_set('price', 'k', ('x'):rep(1 << 20))",
        "t:kv_set: it has 1048578 bytes as JSON, and 1048576 are allowed (quotas.kv_value_bytes in moondial.lua)"
      ),
      ("t:emit(('e'):rep(201))", "t:emit: an event's name has 200 bytes at most, this one has 201"),
      ("t:emit('e', ('x'):rep(1 << 20))", "t:emit: it has 1048578 bytes as JSON"),
      ("t:run('price', { params = { ('x'):rep(300000) } })", "t:run: params: it has 300004 bytes as JSON"),
      ("t:files('price', { 'a' })", "t:files: there is no file a: make its directory with fs.mkdir"),
      ("t:files('price', {})", "t:files: expected a list of paths as argument 2, like { \"in/a.csv\" }"),
      (
        "t:fake('http.gett', {})",
        "t:fake: \"http.gett\" is none of the functions that reach the world; did you mean \"http.get\"?"
      ),
      ("t:fake('exec')", "t:fake: expected what exec answers as argument 2: a function, or a value"),
      ("t:fake('exec', {}, { takes = 'x' })", "t:fake: takes: "),
      ("t:next('nope')", "t:next: no job is named \"nope\""),
      ("t:next('price', 0)", "t:next: expected how many fire times, from 1 to 10000"),
      ("t:runs('nope')", "t:runs: no job is named \"nope\""),
      ("t:kv_get('price')", "t:kv_get: expected a key, got nil"),
      ("t.equal(1, 1)", "write t:equal(…) with a colon, not with a dot"),
      ("t.x = 1", "t cannot be changed: keep x in a local variable"),
      ("t:raises(function() end)", "expected an error, got none"),
      ("t:raises(function() error('a') end, 'b')", "expected an error that matches \"b\", got "),
      ("t:match('a', 'b')", "expected a text that matches \"b\", got \"a\""),
      ("t:near(1, 2, 0.5)", "expected 2 within 0.5, got 1"),
      ("t:ok(false, 'why')", "why: expected a true value, got false"),
      ("t:fail('so')", "so"),
      ("sleep(1)", "sleep: time stands still in a test: let it pass with t:advance(duration)"),
      ("exec { 'ls' }", "exec: a test does not reach the world: say what it answers with t:fake(\"exec\", …)"),
      ("fs.read('/etc/passwd')", "fs.read: /etc/passwd is not in the test's directory, and a test reaches no other: "),
      (
        "t:fake('http.get', function() t:advance(1) end) t:run('price')",
        "t:advance: a fake answers at once: let it take time with { takes = … }"
      ),
      ("t:fake('http.get', function() t:equal(1, 2) end) t:run('price')", "expected 2, got 1"),
    ])
  func misuse(call: String, message: String) throws {
    let place = try place(["price.lua": Self.price, "a_test.lua": "test('a', function(t)\n  \(call)\nend)"])
    let ended = try place.run("test")
    #expect(ended.status == 1)
    #expect(ended.output.dropFirst().first?.hasPrefix("  a_test.lua:2: " + message) == true, "\(ended)")
  }

  @Test("which tests run: directories, files, filter; and what is no test")
  func choice() throws {
    let place = try place([
      "price.lua": Self.price, "a_test.lua": "test('one', function() end) test('two', function() end)",
      "sub/b_test.lua": "test('three', function(t) t:equal(require('sum')(1, 2), 3) end)",
      "lib/sum.lua": "return function(a, b) return a + b end",
      "lib/sum_test.lua": "local sum = require 'sum'\ntest('sum', function(t) t:equal(sum(2, 2), 4) end)",
    ])
    func names(_ arguments: String...) throws -> [String] {
      let ended = try HostProcess.run(["test"] + arguments, in: place.path)
      #expect(ended.status == 0, "\(ended)")
      return plain(ended.output).dropLast().map { String($0.dropFirst(6)) }
    }
    let all = ["a_test.lua:1  one", "a_test.lua:1  two", "lib/sum_test.lua:2  sum", "sub/b_test.lua:1  three"]
    #expect(try names() == all)
    #expect(try names("scripts") == all)
    #expect(try names(place.path + "/scripts") == all)
    #expect(try names("scripts/a_test.lua", "scripts/lib") == Array(all[0...2]))
    #expect(try names("scripts/sub") == [all[3]])
    #expect(try names("--filter", "tw") == [all[1]])
    let nothing = try place.run("test", "--filter", "ten")
    #expect(nothing.status == 1 && nothing.errors == ["moondial: no test; --filter ten leaves none of 4 tests"])
    let script = try place.run("test", "scripts/price.lua")
    #expect(
      script.status == 2 && script.errors.first?.hasPrefix("moondial: scripts/price.lua is no *_test.lua") == true)
    #expect(try place.run("test", "nowhere").status == 2)
    let empty = try self.place([:]).run("test")
    #expect(empty.status == 1 && empty.errors.first?.hasPrefix("moondial: there is no *_test.lua in scripts") == true)
    #expect(try self.place([:]).run("test", "--filter", "ten").errors == empty.errors)
  }

  @Test("the types for editors have what t has, and no more")
  func types() throws {
    let place = try place(["a_test.lua": "test('a', function(t) return t.what end)"])
    _ = try place.run("init", "made")
    let types = place.text("made/_types/moondial_test.d.lua")
    let declared = Set(types.matches(of: #/\nfunction Test:(\w+)\(/#).map { String($0.1) } + ["dir"])
    let line = try #require(try place.run("test").output.first { $0.contains("it has") })
    let known = try #require(line.split(separator: "it has ").last).split(separator: ", ").map(String.init)
    #expect(declared == Set(known))
  }

  @Test("--json: a line for each test, and one with the sums")
  func json() throws {
    let place = try place([
      "a_test.lua": "test('one', function() end)\ntest('two', function(t)\n  t:equal(1, 2)\nend)"
    ])
    let ended = try place.run("test", "--json")
    #expect(ended.status == 1)
    let lines = try ended.output.map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    #expect(lines.map { $0["outcome"] as? String } == ["passed", "failed", nil])
    let error = lines[1]["error"] as? [String: Any]
    #expect(error?["message"] as? String == "expected 2, got 1")
    #expect(error?["file"] as? String == "a_test.lua" && error?["line"] as? Int == 3)
    #expect(lines[2]["passed"] as? Int == 1 && lines[2]["failed"] as? Int == 1)
  }
}
