import Testing

/// A script that attacks the host, rather than its own limits: what the host does on its behalf.
struct HostAttack: Sendable, CustomTestStringConvertible {
  let name: String
  /// A whole script.
  let source: String

  /// Whether it attacks from a run, which says when it begins; otherwise while it is loaded.
  var isRun: Bool { source.contains("print(\"\(name) begins\")") }

  var testDescription: String { name }

  /// What a top level does to the host that loads it.
  static func load(_ name: String, _ source: String) -> HostAttack { HostAttack(name: name, source: source) }

  /// What the body of a job does, which begins with the host and says so.
  static func run(_ name: String, memory: String = "64MB", fields: String = "", _ body: String) -> HostAttack {
    HostAttack(
      name: name,
      source: """
        job "\(name)" { run_at_start = true, timeout = "2s", memory = "\(memory)", \(fields) run = function(ctx)
          print("\(name) begins")
          \(body)
        end }
        """)
  }

  /// What one host gets at once: ten of a group.
  static let portions: [(name: String, attacks: [HostAttack])] = groups.flatMap { group in
    stride(from: 0, to: group.attacks.count, by: 10).map { first in
      ("\(group.name) \(first / 10 + 1)", Array(group.attacks[first...].prefix(10)))
    }
  }

  private static let groups: [(name: String, attacks: [HostAttack])] = [
    ("loading", loading), ("declaring", declaring), ("functions", functions), ("answers", answers), ("fan-out", fanOut),
    ("quotas", quotas), ("output", output),
  ]

  // MARK: Loading

  static let loading: [HostAttack] = [
    .load("endless top level", "while true do end"),
    .load("endless top level in pcall", "while true do pcall(function() while true do end end) end"),
    .load(
      "deep stack at the top",
      "local function r(n) if n == 0 then while true do end end return 1 + r(n - 1) end r(150000)"),
    .load("recursion without end", "local function r() return 1 + r() end r()"),
    .load("coroutines in coroutines", "local function f() coroutine.wrap(f)() end while true do pcall(f) end"),
    .load("patterns", "string.rep('a', 40):find(string.rep('a?', 40) .. string.rep('a', 40))"),
    .load("memory without end", "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end"),
    .load("one huge string", "local s = ('x'):rep(300 << 20) while true do s = s:reverse() end"),
    .load(
      "sort that never ends",
      "local t = {} for i = 1, 100000 do t[i] = i * 7919 % 100003 end while true do table.sort(t, function(a, b) return a > b end) end"
    ),
    .load("requires itself", "require 'circle.a' job 'circle' { every = '1h', run = print }"),
    .load("syntax error of a megabyte", "return " + String(repeating: "(", count: 900_000)),
    .load("a source of many locals", String(repeating: "local a = 1\n", count: 60_000)),
    .load("a huge error", "error(('x'):rep(200 << 20))"),
    .load("error objects that loop", "error(setmetatable({}, { __tostring = function() while true do end end }))"),
    .load("hash at the top", "local s = ('x'):rep(64 << 20) while true do hash.sha256(s) end"),
  ]

  // MARK: Declaring

  static let declaring: [HostAttack] = [
    .load(
      "exponential any_of",
      "local t = every '1h' for i = 1, 24 do t = any_of { t, t } end job 'e1' { trigger = t, run = print }"),
    .load(
      "exponential all_of",
      "local t = every '1h' for i = 1, 24 do t = all_of { t, t } end job 'e2' { trigger = t, run = print }"),
    .load(
      "a thousand exponential triggers",
      "for j = 1, 1000 do local t = cron '0 3 * * *' for i = 1, 12 do t = any_of { t, t } end pcall(job, { name = 'x' .. j, trigger = t, run = print }) end"
    ),
    .load("triggers without end", "while true do every '1h' end"),
    .load(
      "jobs without end", "local i = 0 while true do i = i + 1 job('endless' .. i) { every = '1h', run = print } end"),
    .load("the same job without end", "while true do job 'same' { every = '1h', run = print } end"),
    .load(
      "fifty thousand jobs", "for i = 1, 50000 do job('many' .. i) { every = '1h', state = 'run', run = print } end"),
    .load("a list of dates", "local d = {} for i = 1, 1000000 do d[i] = '2030-01-01' end at(d)"),
    .load("a rule of a megabyte", "rrule(('RRULE:FREQ=DAILY\\n'):rep(100000))"),
    .load("a cron of a megabyte", "cron(('1,'):rep(500000) .. '1 * * * *')"),
    .load("a rule that never holds", "job 'never' { trigger = all_of { cron '0 0 30 2 *', every '1s' }, run = print }"),
    .load(
      "combinations that meet once in ages",
      "job 'rare' { trigger = all_of { cron '59 23 31 12 *', cron '0 0 1 1 *', every '7s' }, run = print }"),
    .load("params of a hundred megabytes", "job 'params' { params = { x = ('y'):rep(100 << 20) }, run = print }"),
    .load("deep params", "local t = {} for i = 1, 100000 do t = { t } end job 'deep' { params = t, run = print }"),
    .load("a circle in params", "local t = {} t.t = t job 'circular' { params = t, run = print }"),
    .load(
      "a hundred thousand tags",
      "local t = {} for i = 1, 100000 do t[i] = 'tag' .. i end job 'tags' { tags = t, run = print }"),
    .load(
      "huge captures",
      "local t = {} for i = 1, 2000000 do t[i] = i end job 'capture' { every = '1h', run = function() return #t end }"),
    .load(
      "a chain of captures",
      "local t for i = 1, 1000000 do t = { t } end job 'chain' { every = '1h', run = function() return t end }"),
    .load(
      "calendars of all kinds",
      "for i = 1, 20000 do pcall(calendar_of, { name = 'c' .. i, dates = { '2030-01-01' } }) pcall(rrule, 'FREQ=SECONDLY;BYMONTH=2;BYMONTHDAY=30') end"
    ),
    .load(
      "absurd numbers",
      "for _, n in ipairs { math.mininteger, math.maxinteger, 1e308, -1e308, 0 / 0, 1 / 0 } do pcall(every, n) pcall(workdays, n) pcall(cron, { hour = n }) end job 'n' { every = '1h', run = print }"
    ),
  ]

  // MARK: Host functions

  static let functions: [HostAttack] = [
    .run("hash", memory: "128MB", "local s = ('x'):rep(30 << 20) while true do hash.sha256(s) end"),
    .run("hmac", memory: "128MB", "local s = ('x'):rep(30 << 20) while true do pcall(hash.hmac, 'sha256', s, s) end"),
    .run("base64", memory: "256MB", "local s = ('x'):rep(30 << 20) while true do pcall(hash.base64, s) end"),
    .run(
      "json encode", memory: "256MB", "local t = {} for i = 1, 1000000 do t[i] = i end while true do json.encode(t) end"
    ),
    .run(
      "json decode", memory: "256MB",
      "local s = '[' .. ('1234567,'):rep(1000000) .. '1]' while true do json.decode(s) end"),
    .run("json deep", "while true do pcall(json.decode, ('['):rep(1000000)) end"),
    .run("json circle", "local t = {} t.t = t while true do pcall(json.encode, t) end"),
    .run("time.format", "local f = ('%Y'):rep(1000000) while true do pcall(time.format, 0, f) end"),
    .run("time.parse", "local f = ('2'):rep(10000000) while true do pcall(time.parse, f) end"),
    .run("jobs.list", "while true do jobs.list() end"),
    .run(
      "deep recursion", "local function r(n) if n == 0 then while true do end end return 1 + r(n - 1) end r(190000)"),
    .run(
      "deep recursion and a call", memory: "256MB",
      "local s = ('x'):rep(20 << 20) local function r(n) if n == 0 then while true do hash.sha256(s) end end return 1 + r(n - 1) end r(150000)"
    ),
    .run(
      "sort by a host function",
      "local t = {} for i = 1, 100000 do t[i] = tostring(i * 7919 % 100003) end while true do table.sort(t, function(a, b) return hash.sha256(a) < hash.sha256(b) end) end"
    ),
    .run(
      "gsub with a host function", "while true do (('x'):rep(1000000)):gsub('x', function() return time.now() end) end"),
    .run("patterns", "while true do string.rep('a', 30):find(string.rep('a?', 30) .. string.rep('a', 30)) end"),
    .run("sleeps of no time", "while true do sleep(0) end"),
    .run(
      "absurd sleeps", "for _, d in ipairs { -1, math.huge, 0 / 0, math.mininteger, '-1s', '' } do pcall(sleep, d) end"),
    .run(
      "suspended in a metamethod",
      "while true do pcall(function() return setmetatable({}, { __index = function() sleep(0.001) end }).x end) end"),
  ]

  // MARK: Answers

  static let answers: [HostAttack] = [
    .run(
      "kv values at once",
      "kv.set('k', ('x'):rep(1000000)) local l = {} for i = 1, 2000 do l[i] = i end all(l, function() return #kv.get('k') end, { limit = 2000 })"
    ),
    .run(
      "kv values kept", "kv.set('k', ('x'):rep(1000000)) local t = {} while true do t[#t + 1] = kv.get('k') .. #t end"),
    .run("kv keys", "for i = 1, 20000 do kv.set('key' .. ('k'):rep(400) .. i, 1) end while true do kv.keys('') end"),
    .run(
      "kv writes of a megabyte",
      "local v = ('x'):rep(1000000) local i = 0 while true do i = i + 1 kv.set('w' .. i % 40, v .. i % 10) end"),
    .run(
      "output without end",
      "exec({ 'sh', '-c', 'while :; do echo yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy; done' }, { max_output = 1e13 })"),
    .run(
      "outputs at once",
      "local l = {} for i = 1, 60 do l[i] = i end all(l, function() return exec({ 'head', '-c', '50000000', '/dev/zero' }, { max_output = 1e9 }) end, { limit = 60 })"
    ),
    .run("stdin of megabytes", memory: "256MB", "while true do exec({ 'cat' }, { stdin = ('x'):rep(50 << 20) }) end"),
    .run(
      "arguments without end",
      "local t = { 'true' } for i = 1, 500000 do t[i + 1] = 'x' end while true do pcall(exec, t) end"),
    .run(
      "children without end",
      "local l = {} for i = 1, 500 do l[i] = i end all(l, function() return exec { 'sleep', '60' } end, { limit = 500 })"
    ),
    .run("children that ignore their end", "exec { 'sh', '-c', 'trap \"\" TERM; while :; do sleep 0.1; done' }"),
    .run("an endless file", "while true do pcall(fs.read, '/dev/zero', { max = 1e12 }) end"),
    .run(
      "files at once",
      "local l = {} for i = 1, 500 do l[i] = i end all(l, function() return fs.read('/dev/zero', { max = 60000000 }) end, { limit = 500 })"
    ),
    .run("a large directory", "while true do pcall(fs.list, '/proc') pcall(fs.list, '/proc/self/task') end"),
    .run("event data kept", "local t = {} for i = 1, 200 do emit('kept', ('x'):rep(900000)) end"),
  ]

  // MARK: Fan-out

  static let fanOut: [HostAttack] = [
    .run(
      "branches without end",
      "local l = {} for i = 1, 200000 do l[i] = i end all(l, function() sleep('1h') end, { limit = 200000 })"),
    .run(
      "branches that loop",
      "local l = {} for i = 1, 1000 do l[i] = i end all(l, function() while true do end end, { limit = 1000 })"),
    .run(
      "all inside all", "local function f(n) if n > 0 then all({ 1, 2, 3, 4 }, function() f(n - 1) end) end end f(12)"),
    .run(
      "any inside any",
      "local function f(n) any({ 1, 2, 3, 4 }, function() if n > 0 then f(n - 1) end sleep('1h') end) end f(8)"),
    .run(
      "branches that fail",
      "local l = {} for i = 1, 20000 do l[i] = i end while true do all(l, function() error(('x'):rep(10000)) end) end"),
    .run(
      "branches that wait",
      "local l = {} for i = 1, 1000 do l[i] = i end all(l, function() return #wait('wide').data end, { limit = 1000 })"),
    .run("emits to those", "sleep(0.3) for i = 1, 20 do emit('wide', ('x'):rep(1000000)) end"),
    .load(
      "listeners",
      "for i = 1, 500 do job('listener' .. i) { on = 'wide', state = 'run', timeout = '2s', run = function(ctx) return #ctx.event.data end } end"
    ),
    .load(
      "a circle of events",
      "job 'ping' { on = 'ping', run_at_start = true, timeout = '2s', run = function() print('a circle of events begins') for i = 1, 3 do emit('ping', i) end end }"
    ),
    .run("emits without end", "while true do emit('nobody', { 1, 2, 3 }) end"),
    .run("runs without end", fields: "max_instances = 3,", "while true do jobs.run('runs without end') end"),
    .run("runs of another", "while true do pcall(jobs.run, 'ping') end"),
  ]

  // MARK: Quotas

  static let quotas: [HostAttack] = [
    .run(
      "dynamic schedules",
      "local i = 0 while true do i = i + 1 jobs.schedule('dynamic schedules', { at = '2099-01-01', id = 's' .. i }) end"
    ),
    .run(
      "schedules that are due",
      "local i = 0 while true do i = i + 1 jobs.schedule('schedules that are due', { at = time.now(), id = 'd' .. i }) end"
    ),
    .run(
      "schedules that come and go",
      "while true do jobs.schedule('schedules that come and go', { every = '1h', id = 'x' }) jobs.unschedule('x') end"),
    .run("log lines", "while true do log.info('line') end"),
    .run("log bytes", "local s = ('x'):rep(1000000) while true do log.info(s) end"),
    .run("log fields", "local f = {} for i = 1, 10000 do f['k' .. i] = i end while true do log.info('f', f) end"),
    .run("kv bytes", "local v = ('x'):rep(900000) for i = 1, 1000 do pcall(kv.set, 'b' .. i, v) end"),
    .run("metric series", "local i = 0 while true do i = i + 1 metric.counter('c' .. i, 1) end"),
    .run(
      "metric labels", "local i = 0 while true do i = i + 1 metric.gauge('g', i, { l = ('x'):rep(100000) .. i }) end"),
    .run("others' metrics", "while true do metric.gauge('canary_total', 1) metric.counter('canary_total', 1) end"),
    .run("results of megabytes", "return ('x'):rep(20 << 20)"),
    .run("progress without end", "while true do ctx:progress(('x'):rep(100000)) end"),
    .load("asks for all memory", "job 'greedy memory' { memory = '100GB', run = print }"),
    .load("asks for all time", "job 'greedy time' { timeout = '10000d', run = print }"),
    .load(
      "failures with retries",
      "job 'retries' { run_at_start = true, retry = { max = 1000000, base = '1ms' }, timeout = '2s', run = function() print('failures with retries begins') error('again') end }"
    ),
    .load(
      "every millisecond", "for i = 1, 20 do job('ms' .. i) { every = '1ms', timeout = '2s', run = function() end } end"
    ),
  ]

  // MARK: Output

  private static let nasty = "\\27[2J\\27]0;x\\7\\r\\n2026-01-01 forged\\u{202E}\\u{2028}\\u{85}\\u{9B}31m\\127\\xff\\0"

  static let output: [HostAttack] = [
    .run("log of controls", "while true do log.info('\(nasty)') end"),
    .run("fields of controls", "log.info('f', { ['\(nasty)'] = '\(nasty)' })"),
    .run("errors of controls", "error('\(nasty)')"),
    .run("error tables of controls", "error { message = '\(nasty)', [1] = '\(nasty)' }"),
    .run("fail of controls", "ctx:fail('\(nasty)', { x = '\(nasty)' })"),
    .run("progress of controls", "ctx:progress('\(nasty)')"),
    .run("results of controls", "return { ['\(nasty)'] = '\(nasty)' }"),
    .run("event names of controls", "pcall(emit, '\(nasty)', '\(nasty)')"),
    .run(
      "schedule ids of controls",
      "pcall(jobs.schedule, 'schedule ids of controls', { at = '2099-01-01', id = '\(nasty)' })"),
    .run("chunk names of controls", "local f = load('error(\"x\")', '=\(nasty)') f()"),
    .run("metric names of controls", "pcall(metric.counter, '\(nasty)', 1, { ['\(nasty)'] = '\(nasty)' })"),
    .load("top level of controls", "error('\(nasty)')"),
    .load(
      "job names of controls",
      "pcall(job, { name = 'x\(nasty)', every = '1h', description = '\(nasty)', tags = { '\(nasty)' }, run = print }) error('\(nasty)')"
    ),
    .run("wide lines", "for i = 1, 100 do log.info(('\\u{202E}'):rep(5000)) end"),
  ]
}
