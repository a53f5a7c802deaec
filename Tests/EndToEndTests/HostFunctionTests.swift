import Foundation
import Glibc
import LoopbackHTTP
import ScriptFixtures
import Testing

/// Each function that scripts have does in a real host what it says: the binary loads, schedules and runs them, and the
/// store answers. The list of functions is the sandbox's own, so a new one without a row fails here.
@Suite("Every host function, through the real host", .serialized, .onBothExecutors)
struct HostFunctionTests {
  /// A function, a body for `run`, and what it returns as JSON.
  private static let rows: [(function: String, body: String, result: String)] = [
    ("log.debug", "log.debug('debug line', { n = 1 }) return 1", "1"),
    ("log.info", "log.info('info line') return 1", "1"),
    ("log.warn", "log.warn('warn line') return 1", "1"),
    ("log.error", "log.error('error line') return 1", "1"),
    ("print", "print('printed', 2) return 1", "1"),
    ("sleep", "local t = time.monotonic() sleep('20ms') return time.monotonic() - t >= 0.02", "true"),
    ("time.now", "return time.now() > 1.7e9", "true"),
    ("time.monotonic", "return time.monotonic() > 0", "true"),
    ("time.format", "return time.format(0, { zone = 'Asia/Tokyo' })", #""1970-01-01T09:00:00+09:00""#),
    ("time.parse", "return time.parse('1970-01-02', { zone = 'UTC' })", "86400"),
    ("time.zones", "return #time.zones() > 300", "true"),
    ("json.encode", "return json.encode({ a = 1 })", #""{\"a\":1}""#),
    ("json.decode", "return json.decode('[1,{}]')[1]", "1"),
    ("json.array", "return json.encode(json.array({}))", #""[]""#),
    ("json.object", "return json.encode(json.object({}))", #""{}""#),
    ("kv.set", "kv.set('k', { 1 }) return kv.get('k')", "[1]"),
    ("kv.get", "return { kv.get('absent') == nil }", "[true]"),
    ("kv.delete", "kv.set('d', 1) kv.delete('d') return kv.get('d') == nil", "true"),
    ("kv.keys", "kv.set('keys/a', 1) kv.set('keys/b', 1) return kv.keys('keys/')", #"["keys/a","keys/b"]"#),
    ("kv.update", "return kv.update('u', function(n) return (n or 0) + 1 end)", "1"),
    ("emit", "return emit('told', { n = 7 })", "true"),
    ("wait", "return (select(2, wait('never', '5ms')))", #""timeout""#),
    ("jobs.list", "for _, j in ipairs(jobs.list()) do if j.name == 'idle' then return j.enabled end end", "true"),
    ("jobs.run", "return jobs.run('idle', { by = 'run' }) > 0", "true"),
    (
      "jobs.schedule",
      "return jobs.schedule('idle', { at = '2031-01-01', id = 'one' })", #""one""#
    ),
    (
      "jobs.unschedule",
      "jobs.schedule('idle', { at = '2031-01-01', id = 'two' }) return jobs.unschedule('two')", "true"
    ),
    ("jobs.pause", "return jobs.pause('paused')", "true"),
    ("jobs.resume", "return jobs.resume('resumed')", "true"),
    ("all", "return all({ 1, 2 }, function(n) sleep(0.001) return n end)[2].value", "2"),
    ("any", "return (any({ 1 }, function(n) return n end))", "1"),
    ("hash.sha256", "return hash.sha256('abc'):sub(1, 8)", #""ba7816bf""#),
    ("hash.hmac", "return #hash.hmac('k', 'abc')", "64"),
    ("hash.hex", "return hash.hex('a')", #""61""#),
    ("hash.unhex", "return hash.unhex('61')", #""a""#),
    ("hash.base64", "return hash.base64('moon')", #""bW9vbg==""#),
    ("hash.unbase64", "return hash.unbase64('bW9vbg==')", #""moon""#),
    ("hash.uuid", "return #hash.uuid()", "36"),
    ("metric.counter", "return metric.counter('c_total', 2)", "true"),
    ("metric.gauge", "return metric.gauge('g', 2)", "true"),
    ("exec", "return exec({ 'sh', '-c', 'echo out; exit 3' }).code", "3"),
    ("fs.write", "return fs.write('data/w', 'x')", "true"),
    ("fs.read", "fs.write('data/r', 'text') return fs.read('data/r')", #""text""#),
    ("fs.append", "fs.write('data/a', 'a') fs.append('data/a', 'b') return fs.read('data/a')", #""ab""#),
    ("fs.list", "fs.mkdir('data/l') fs.write('data/l/x', '') return fs.list('data/l')[1].name", #""x""#),
    ("fs.stat", "fs.write('data/s', '123') return fs.stat('data/s').size", "3"),
    ("fs.remove", "fs.write('data/gone', '') return fs.remove('data/gone')", "true"),
    (
      "fs.rename", "fs.write('data/old', 'r') fs.rename('data/old', 'data/renamed') return fs.read('data/renamed')",
      #""r""#
    ),
    ("fs.mkdir", "return fs.mkdir('data/m/n')", "true"),
    ("http.get", "return assert(http.get('SERVER', { query = { a = 1 } })).body", #""GET /?a=1 ""#),
    ("http.head", "return http.head('SERVER').status", "200"),
    ("http.post", "return assert(http.post('SERVER', { json = { 1 } })).body", #""POST / [1]""#),
    ("http.put", "return assert(http.put('SERVER', { body = 'x' })).body", #""PUT / x""#),
    ("http.patch", "return assert(http.patch('SERVER', { form = { a = 1 } })).body", #""PATCH / a=1""#),
    ("http.delete", "return assert(http.delete('SERVER')).body", #""DELETE / ""#),
    ("http.options", "return assert(http.options('SERVER')).body", #""OPTIONS / ""#),
    ("http.request", "return assert(http.request('REPORT', 'SERVER')).body", #""REPORT / ""#),
    ("hash.sha512", "return hash.sha512('abc'):sub(1, 8)", #""ddaf35a1""#),
    ("hash.md5", "return hash.md5('')", #""d41d8cd98f00b204e9800998ecf8427e""#),
    ("hash.crc32", "return hash.crc32('123456789')", "3421780262"),
    (
      "hash.equal", "return { hash.equal('a', 'a'), hash.equal('a', 'b'), hash.equal('a', 'aa') }", "[true,false,false]"
    ),
    ("hash.random", "return { #hash.random(33), hash.random(16) == hash.random(16) }", "[33,false]"),
    ("csv.decode", "return csv.decode('a,b\\n1,2', { header = true })[1].b", #""2""#),
    ("csv.encode", "return csv.encode({ { 'x', 'y,z' } })", #""x,\"y,z\"\r\n""#),
    ("csv.rows", "for row, line in csv.rows('\\n7') do return { row[1], line } end", #"["7",2]"#),
    ("template.render", "return template.render('{{a}}', { a = '<' })", #""&lt;""#),
    ("template.compile", "return template.compile('{{a}}', { escape = 'none' })({ a = '<' })", #""<""#),
    ("fs.copy", "fs.write('data/c', '12') return { fs.copy('data/c', 'data/c2'), fs.read('data/c2') }", #"[2,"12"]"#),
    (
      "fs.move", "fs.write('data/mv', '1') return { fs.move('data/mv', 'data/mv2'), fs.read('data/mv2') }",
      #"[true,"1"]"#
    ),
    ("fs.glob", "fs.write('data/g.x', '') return fs.glob('data/*.x')", #"["data/g.x"]"#),
    (
      "fs.temp", "local p = fs.temp({ suffix = '.t' }) return { fs.stat(p).size, p:match('^data/tmp%-.*%.t$') ~= nil }",
      "[0,true]"
    ),
    (
      "fs.lines",
      "fs.write('data/ln', 'a\\nb') local t = {} for l in fs.lines('data/ln') do t[#t + 1] = l end return t",
      #"["a","b"]"#
    ),
    ("fs.chunks", "fs.write('data/ch', 'ab') for bytes in fs.chunks('data/ch') do return bytes end", #""ab""#),
    (
      "sqlite.open",
      "local db = sqlite.open('data/a.db') db:run('CREATE TABLE t (a)') db:run('INSERT INTO t VALUES (?)', { 7 }) return db:query('SELECT a FROM t')",
      #"[{"a":7}]"#
    ),
    (
      "mail.send",
      "return (select(2, mail.send { server = '127.0.0.1:1', security = 'none', from = 'a@b', to = 'c@d' })).kind",
      #""connect""#
    ),
    ("notify", "return (select(2, notify('ops', 'done'))).kind", #""connect""#),
    ("env.get", "return env.get('WIRED')", #""yes""#),
    ("secret", "return secret('token'):upper()", #""WORD OF A TOKEN""#),
    // Methods and fields of ctx.
    ("ctx.id", "return math.type(ctx.id)", #""integer""#),
    ("ctx.job", "return ctx.job:match('^t%d+$') ~= nil", "true"),
    ("ctx.attempt", "return ctx.attempt", "1"),
    ("ctx.missed", "return ctx.missed", "0"),
    ("ctx.scheduled_at", "return ctx.scheduled_at <= time.now()", "true"),
    ("ctx.started_at", "return ctx.started_at >= ctx.scheduled_at", "true"),
    ("ctx.event", "return ctx.event.name", #""begin""#),
    ("ctx.params", "return type(ctx.params)", #""table""#),
    ("ctx.schedule", "return ctx.schedule == nil", "true"),
    ("ctx.process", "return ctx.process > 0", "true"),
    ("ctx.thread", "return ctx.thread > 0", "true"),
    ("ctx:deadline", "return ctx:deadline() <= 60", "true"),
    ("ctx:cancelled", "return ctx:cancelled()", "false"),
    ("ctx:progress", "ctx:progress(0.5) return 1", "1"),
    ("ctx:step", "return ctx:step('one', function() return { 7 } end)", "[7]"),
    ("ctx:sleep", "ctx:sleep('1ms') return ctx.attempt", "1"),
    ("ctx:sleep_until", "ctx:sleep_until(time.now() + 0.001) return 1", "1"),
    ("ctx:wait_for", "return { select(2, ctx:wait_for('never', '1ms')) }", #"["timeout"]"#),
    (
      "ctx:transaction",
      "return ctx:transaction(function(tx) tx.kv.set('tx', 1) tx.emit('told', { n = 8 }) return { 9 } end)", "[9]"
    ),
    ("ctx.outbox", "ctx.outbox.kv.set('ob', 1) ctx.outbox.emit('told', { n = 9 }) return 1", "1"),
    ("ctx:retry", "return (select(2, pcall(ctx.retry, ctx, 'again'))).message", #""again""#),
    ("ctx:fail", "return (select(2, pcall(ctx.fail, ctx, 'no', { 1 }))).data", "[1]"),
  ]

  /// docs/lua-api/modules.md: in processes there are no targets.
  private static let onThreadsOnly: Set = ["notify"]

  @Test("each does what it says, and none is missing")
  func functions() throws {
    let place = try Place()
    let server = try LoopbackServer { request, connection in
      connection.answer(200, "\(request.method) \(request.target) \(request.text)")
    }
    try """
    return { notify = { ops = { http = "http://127.0.0.1:1/" } }, secrets = { directory = "run" }, grants = { ["*"] = { fs = { "data:rw" }, exec = { "sh" }, http = { "127.0.0.1" }, mail = { "127.0.0.1" }, env = { "WIRED" }, secret = true } } }
    """.write(toFile: place.path + "/moondial.lua", atomically: false, encoding: .utf8)
    for directory in ["run", "data"] {
      try FileManager.default.createDirectory(atPath: place.path + "/" + directory, withIntermediateDirectories: true)
    }
    try "word of a token\n".write(toFile: place.path + "/run/token", atomically: false, encoding: .utf8)
    var script = Self.listing
    let rows = Self.rows.filter { row in RunExecutor.current == .threads || !Self.onThreadsOnly.contains(row.function) }
    for (number, row) in rows.enumerated() {
      script += "job \"t\(number)\" { on = 'begin', timeout = '1m', run = function(ctx) \(row.body) end }\n"
        .replacing("SERVER", with: server.url())
    }
    try place.save("rows.lua", script)
    let host = try HostProcess(
      ["run", "scripts", "-v", "--set", "executors.default.workers=4"], in: place.path,
      prefix: ["/usr/bin/env", "WIRED=yes"])
    defer { host.signal(SIGKILL) }
    try host.awaitLine(containing: "the names are listed")
    for _ in rows {
      // "… debug t7 #12: succeeded in …", or what went wrong.
      try host.awaitLine { line in
        let words = line.split(separator: " ")
        return words.count > 4 && words[2].hasPrefix("t") && words[3].hasPrefix("#")
          && ["succeeded", "failed", "timed_out", "cancelled"].contains(words[4])
      }
    }
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    let runs = try results(place)
    for (number, row) in rows.enumerated() {
      let said = host.text.split(separator: "\n").filter { $0.contains(" t\(number) #") }.joined(separator: "\n")
      #expect(runs["t\(number)"] == row.result, "\(row.function): \(row.body)\n\(said)")
    }
    let listed = try JSONDecoder().decode([String].self, from: Data((runs["list"] ?? "[]").utf8))
    #expect(listed.count > 40)
    let tested = Set(Self.rows.map(\.function))
    #expect(Set(listed).subtracting(tested).isEmpty, "without a row")
    #expect(Set(tested.filter { !$0.hasPrefix("ctx") }).subtracting(listed).isEmpty, "of no function")
    // What has no result to see.
    for said in [
      "debug line {\"n\":1}", "info line", "warn line", "error line", "printed\\t2",
      "progress: 50 %",
    ] {
      #expect(host.text.contains(said), "\(said)")
    }
    #expect(host.text.contains("heard 7"))
    #expect(host.text.contains("idle by run"))
    #expect(try place.run("metrics").output.joined().contains("c_total"))
  }

  /// Jobs around the rows, and one that lists the sandbox. Constructors and what stock Lua has are tested elsewhere.
  private static let listing = """
    local stock = {} for name in ("_G _VERSION assert collectgarbage coroutine debug error getmetatable io ipairs load math \
    next os package pairs pcall rawequal rawget rawlen rawset require select setmetatable string table tonumber \
    tostring type utf8 warn xpcall job job_defaults cron every at calendar any_of all_of except on_calendar workdays solar \
    lunar rrule calendar_of only shift startup"):gmatch("%S+") do stock[name] = true end
    local names = {}
    for name, value in pairs(_G) do
      if stock[name] then
      elseif type(value) == "function" then names[#names + 1] = name
      elseif type(value) == "table" then
        for field, inner in pairs(value) do
          if type(inner) == "function" then names[#names + 1] = name .. "." .. field end
        end
      end
    end
    job "list" { run_at_start = true, run = function() print("the names are listed") emit("begin") return names end }
    job "hears" { on = "told", run = function(ctx) print("heard " .. ctx.event.data.n) end }
    job "idle" { run = function(ctx) print("idle by " .. ctx.params.by) end }
    job "paused" { every = "1h", run = function() end }
    job "resumed" { every = "1h", run = function() end }

    """

  /// The result of each job's first run, as JSON.
  private func results(_ place: Place) throws -> [String: String] {
    var results: [String: String] = [:]
    for line in try place.run("history", "--json", "--limit", "500").output {
      let run = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
      guard let job = run?["job"] as? String, let start = line.firstRange(of: "\"result\":"),
        let end = line.firstRange(of: ",\"error\":")
      else { continue }
      results[job] = String(line[start.upperBound..<end.lowerBound])
    }
    return results
  }

  // MARK: Outcomes

  @Test("every outcome of a run reaches the history, the log and list")
  func outcomes() throws {
    let place = try Place()
    try place.save(
      "a.lua",
      """
      local function starts(name, fields) fields.run_at_start = true job(name)(fields) end
      starts("succeeded", { run = function() end })
      starts("failed", { run = function() error("no") end })
      starts("timed_out", { timeout = "50ms", run = function() while true do end end })
      starts("out_of_memory", { memory = "2MB", run = function() local t = {} while true do t[#t + 1] = ("x"):rep(1000) .. #t end end })
      job "cancelled" { on = "replace", overlap = "replace", run = function(ctx) if ctx.id then print("replaceable") sleep("10m") end end }
      starts("emits", { run = function() emit("replace") sleep("300ms") emit("replace") end })
      starts("interrupted", { run = function() print("endless") sleep("10m") end })
      """)
    let host = try place.host("--grace", "10m", "--set", "executors.default.workers=5")
    for name in ["failed", "timed_out", "out_of_memory"] { try host.awaitAnywhere(": \(name) after") }
    for said in [": cancelled", "endless"] { try host.awaitAnywhere(said) }
    let outcomes = ["succeeded", "failed", "timed_out", "out_of_memory"]
    let list = try place.run("list", "scripts").output
    for name in outcomes { #expect(list.contains { $0.hasPrefix(name + " ") && $0.contains(" \(name) ") }, "\(name)") }
    #expect(list.contains { $0.hasPrefix("interrupted ") && $0.contains(" running ") }, "\(list)")
    host.signal(SIGTERM)
    try host.awaitAnywhere("stopping: waiting for")
    host.signal(SIGTERM)
    _ = try host.awaitExit()
    for name in outcomes + ["cancelled", "interrupted"] {
      let runs = try place.run("history", name, "--json", "--outcome", name).output
      #expect(!runs.isEmpty, "\(name)")
    }
  }

  /// A zone that is a pipe stands for a disk that does not answer: the call into the system does not come back.
  @Test(
    "a run whose thread does not come back is said to be stuck, another thread works on, and the outcome is stuck",
    .onThreads(because: .unstoppable))
  func stuck() throws {
    let place = try Place()
    let zones = place.path + "/zones"
    try FileManager.default.createDirectory(atPath: zones, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: "/usr/share/zoneinfo/UTC", toPath: zones + "/UTC")
    let pipe = zones + "/Silent"
    try #require(unsafe mkfifo(pipe, 0o600) == 0)
    try place.save(
      "a.lua",
      """
      job "silent" { run_at_start = true, timeout = "100ms", run = function() print(time.format(0, { zone = "Silent" })) end,
        on_failure = function(ctx, err) print("hook") end }
      job "other" { every = "1s", run = function() print("goes on") end }
      """)
    let host = try HostProcess(
      ["run", "scripts", "--set", "timezone=UTC", "--set", "executors.default.workers=1"], in: place.path,
      prefix: ["/usr/bin/env", "TZDIR=\(zones)"])
    defer { host.signal(SIGKILL) }
    try host.awaitAnywhere("silent #1: cannot be stopped: its thread is given up")
    try host.awaitLine(containing: "goes on")
    // Somebody opens its other end, and the call comes back.
    let writer = try #require(FileHandle(forWritingAtPath: pipe))
    try writer.close()
    try host.awaitAnywhere("silent #1: stuck after")
    host.signal(SIGTERM)
    #expect(try host.awaitExit() == 0)
    #expect(try place.run("history", "silent", "--json", "--outcome", "stuck").output.count == 1)
    #expect(try place.run("list", "scripts").output.contains { $0.hasPrefix("silent ") && $0.contains(" stuck ") })
  }
}
