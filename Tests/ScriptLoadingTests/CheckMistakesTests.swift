import ScriptFixtures
import Testing

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

/// One mistake in a script, and what `check` says about it.
struct Mistake: Sendable, CustomTestStringConvertible {
  let script: String
  let messages: [String]
  init(_ script: String, _ messages: String...) {
    self.script = script
    self.messages = messages
  }
  var testDescription: String { script }
}

@Suite("every mistake in a script is one sentence with its place")
struct CheckMistakesTests {
  private static func field(_ field: String, _ messages: String...) -> Mistake {
    var mistake = Mistake("job \"x\" { \(field), run = print }")
    mistake = Mistake(mistake.script, all: messages.map { "a.lua:1: job \"x\": \($0)" })
    return mistake
  }

  @Test(
    "in a field of a job",
    arguments: [
      // Names of fields
      field("crom = '* * * * *'", "unknown field \"crom\"; did you mean \"cron\"?"),
      field("timout = 5", "unknown field \"timout\"; did you mean \"timeout\"?"),
      field("func = print", "unknown field \"func\": the field is run"),
      field("interval = 5", "unknown field \"interval\": the field is every, as in every = \"90s\""),
      field("retries = 3", "unknown field \"retries\": write retry = { max = 3 }"),
      field("zzqqzz = 3", "unknown field \"zzqqzz\""),
      field("[1] = 'y'", "the job's table has a value without a name (\"y\"); write name = value"),
      field("[true] = 'y'", "the job's table has the key true, which is not a name"),
      field("group = 'db'", "there is no group \"db\"; add groups = { db = { max = 1 } } to moondial.lua"),
      field(
        "rate = '1/s'",
        "rate \"1/s\": expected a number at \"s\": write a duration like \"90s\", \"1h30m\", \"2d\" or \"500ms\""),
      field("watch = '/in/'", "watch \"/in/\": it names a directory; write /in/* for the files in it"),
      field("watch = {}", "watch has no path; write watch = { path = \"/srv/in/*.csv\" }"),
      field("watch = 7", "watch must be a path like \"/srv/in/*.csv\" or a list of them, not 7"),
      field("watch = { '/in/*', '/in/[a' }", "watch \"/in/[a\": a [ has no ]; write [[] for the character itself"),
      field(
        "watch = '/**/*.csv'",
        "watch \"/**/*.csv\": it would search the whole machine; begin with the name of a directory"),
      field("watch = '~/in/*'", "watch \"~/in/*\": ~ has no meaning here; write the whole path"),
      field(
        "watch = 'in/a**'",
        "watch \"in/a**\": ** stands for whole directories; write it between slashes, as in /srv/**/*.csv"),
      field("watch = 'in/{a,b'", "watch \"in/{a,b\": a { has no }; write [{] for the character itself"),
      field("watch = 'in/[z-a]'", "watch \"in/[z-a]\": [z-a] is backwards: write [a-z]"),
      field("watch = { path = 'in/*', settel = 2 }", "unknown field \"watch.settel\"; did you mean \"settle\"?"),
      field("watch = { pattern = 'in/*' }", "unknown field \"watch.pattern\"; the field is path"),
      field(
        "watch = { path = 'in/*', settle = 'soon' }",
        "watch.settle: expected a number at \"soon\": write a duration like \"90s\", \"1h30m\", \"2d\" or \"500ms\""),
      field(
        "watch = { path = 'in/*', events = 'creatd' }",
        "watch.events must be \"created\" or \"changed\", not \"creatd\"; did you mean \"created\"?"),
      field(
        "watch = { path = 'in/*', events = 'deleted' }",
        "watch.events cannot have \"deleted\": a job is given files, and that one is gone; write \"created\" or \"changed\""
      ),
      field("watch = { path = 'in/*', batch = 0 }", "watch.batch must be 1 to 10000, not 0"),
      // Types
      field("description = 5", "description must be a string, not 5"),
      field("tags = 5", "tags must be a string or a list of them, not 5"),
      field("tags = { 'a', 5 }", "tags[2] must be a string, not 5"),
      field("on = { '' }", "on must be an event's name, not \"\""),
      field("after = { x = 'y' }", "unknown field \"after.x\"; it has job and outcome, or all"),
      field("enabled = 'yes'", "enabled must be true or false, not \"yes\""),
      field("recover = 1", "recover must be true or false, not 1"),
      field("on_error = 'mail'", "on_error must be a function, not \"mail\""),
      field("params = 'a'", "params must be a table of named fields like { region = \"eu\" }, not \"a\""),
      field("params = { 1, 2 }", "params must be a table of named fields like { region = \"eu\" }, not a list"),
      // Durations
      field("timeout = {}", "timeout must be a duration like \"90s\" or a number of seconds, not a table"),
      field("timeout = '5 minutes'", "timeout: \"5 minutes\" has spaces in it: write 5m"),
      field("timeout = '5q'", "timeout: unknown unit \"q\" in \"5q\": use w, d, h, m, s, ms, us or ns"),
      field("timeout = 0", "timeout must be at least 1ms, not 0"),
      field("timeout = true", "timeout must be a duration like \"90s\" or a number of seconds, not true"),
      field("jitter = '-3s'", "jitter must be at least 0s, not \"-3s\""),
      field("misfire_grace_time = -1", "misfire_grace_time must be at least 0s, not -1"),
      field(
        "debounce = 'soon', on = 'e'",
        "debounce: expected a number at \"soon\": write a duration like \"90s\", \"1h30m\", \"2d\" or \"500ms\""),
      // Numbers
      field("priority = 101", "priority must be -100 to 100, not 101"),
      field("priority = 1.5", "priority must be a whole number, not 1.5"),
      field("max_instances = 0", "max_instances must be 1 to 100000, not 0"),
      field("max_instances = 'three'", "max_instances must be a whole number, not \"three\""),
      field("limit = 0, every = 1", "limit must be at least 1, not 0"),
      field("catch_up_max = -1", "catch_up_max must be 1 to 1000000, not -1"),
      // Sizes
      field("memory = 'lots'", "memory must be a size like \"64MB\", not \"lots\""),
      field("memory = 64", "memory must be 1MB to 16GB, not 64"),
      field("memory = '64KB'", "memory must be 1MB to 16GB, not \"64KB\""),
      // Words
      field(
        "overlap = 'skp'",
        "overlap must be \"skip\", \"queue\", \"queue_one\" or \"replace\", not \"skp\"; did you mean \"skip\"?"),
      field("overlap = true", "overlap must be \"skip\", \"queue\", \"queue_one\" or \"replace\", not true"),
      field("state = 'none'", "state must be \"job\" or \"run\", not \"none\""),
      field("coalesce = 'last'", "coalesce must be true, false, \"latest\", \"earliest\" or \"all\", not \"last\""),
      // Retry
      field(
        "retry = 'often'", "retry must be a table like { max = 3, base = \"2s\" } or a number of retries, not \"often\""
      ),
      field("retry = { mx = 3 }", "unknown field \"retry.mx\"; did you mean \"max\"?"),
      field("retry = { max = 'a' }", "retry.max must be a whole number, not \"a\""),
      field(
        "retry = { backoff = 'double' }",
        "retry.backoff must be \"fixed\", \"linear\" or \"exponential\", not \"double\""),
      field("retry = { base = '1m', cap = '1s' }", "retry.cap is shorter than retry.base; no delay can be both"),
      field("retry = { 3 }", "retry has a value without a name (3); write name = value"),
      // Places
      field("executor = 'fast'", "there is no executor \"fast\"; moondial.lua has \"default\""),
      field("executor = 'defualt'", "there is no executor \"defualt\"; did you mean \"default\"?"),
      field("store = 'shared'", "there is no store \"shared\"; moondial.lua has \"default\""),
      field("timezone = 'Europe/Berln'", "timezone: no time zone \"Europe/Berln\"; did you mean Europe/Berlin?"),
      field("timezone = 2", "timezone must be the name of a time zone like \"Europe/Berlin\", not 2"),
      field("dst = 'skip'", "dst is a table like { gap = \"skip\", overlap = \"both\" }, not a string"),
      field("dst = { gap = 'jump' }", "dst.gap is \"shift\" or \"skip\", not \"jump\""),
      // When
      field("cron = '61 3 * * *'", "cron \"61 3 * * *\": minute 61 is outside 0-59"),
      field("cron = '0 0 30 2 *'", "cron \"0 0 30 2 *\": day 30 never comes in month 2"),
      field("every = '0s'", "every \"0s\": an interval is at least 1 ms, not 0s"),
      field(
        "at = 'tomorrow'",
        "at \"tomorrow\": expected 4 digits for the year: write it like 2027-01-31, 2027-01-31 09:00 or 2027-01-31T09:00:00+01:00"
      ),
      field(
        "trigger = '0 3 * * *'",
        "trigger must be a trigger value like cron \"0 3 * * *\" or any_of { … }, not \"0 3 * * *\""),
      field("cron = every '5m'", "cron holds a trigger made by every; write trigger = … for it"),
      field(
        "at = '2026-07-01', end_date = '2026-06-30'",
        "its trigger can never fire; change it, or leave it out for a job that runs only when asked"),
      field(
        "every = '1m', start_date = '2027-01-02', end_date = '2027-01-01'",
        "end_date is before start_date, so it can never fire; swap them"),
      field(
        "every = '1m', start_date = {}",
        "start_date must be a time like \"2027-01-31 09:00\" or seconds since 1970, not a table"),
      field(
        "every = '1m', end_date = 'never'",
        "end_date \"never\": expected 4 digits for the year: write it like 2027-01-31, 2027-01-31 09:00 or 2027-01-31T09:00:00+01:00"
      ),
      // Several at once, in the order of names
      field(
        "timout = 5, priority = 500, cron = '61 * * * *'", "priority must be -100 to 100, not 500",
        "unknown field \"timout\"; did you mean \"timeout\"?", "cron \"61 * * * *\": minute 61 is outside 0-59"),
    ])
  func inAField(_ mistake: Mistake) throws {
    let found = try LoadFixture().problems(mistake.script)
    #expect(found == mistake.messages)
  }

  @Test(
    "in the shape of a script",
    arguments: [
      Mistake("job \"x\" { every = 5 }", "a.lua:1: job \"x\": run is missing; add run = function(ctx) … end"),
      Mistake("job { run = print }", "a.lua:1: job: it has no name; write job \"name\" { … }"),
      Mistake("job \"\" { run = print }", "a.lua:1: job: it has no name; write job \"name\" { … }"),
      Mistake("job { name = 5, run = print }", "a.lua:1: job: name must be a string, not 5"),
      Mistake(
        "job 'x' { name = 'y', run = print }",
        "a.lua:1: job \"x\": it has a second name, \"y\"; remove name from its table"),
      Mistake("job ' x' { run = print }", "a.lua:1: job \" x\": its name begins or ends with a space"),
      Mistake("\n\njob 'x'", "a.lua:3: job \"x\" has no table; write job \"x\" { … }"),
      Mistake("job 'x' 'y'", "a.lua:1: job \"x\" needs a table, not \"y\"; write job \"name\" { … }"),
      Mistake("job(5)", "a.lua:1: job needs a table, not 5; write job \"name\" { … }"),
      Mistake("job()", "a.lua:1: job needs a table, not nil; write job \"name\" { … }"),
      Mistake(
        "job 'x' { run = print }\njob 'x' { run = print }",
        "a.lua:2: job \"x\" is declared twice, first at a.lua:1; give one of them another name"),
      Mistake("job 'x' { run = print", "a.lua:1: '}' expected near <eof>"),
      Mistake("local a = {}\nlocal b = a.b.c", "a.lua:2: attempt to index a nil value (field 'b')"),
      Mistake("job_defaults { max = 3 }\njob 'x' { run = print }", "a.lua:1: job_defaults: unknown field \"max\""),
      Mistake(
        "job_defaults { run = print }\njob 'x' { run = print }",
        "a.lua:1: job_defaults: run cannot be a default: it belongs to one job"),
      Mistake(
        "job_defaults 'x'\njob 'x' { run = print }",
        "a.lua:1: job_defaults needs a table, not \"x\"; write job_defaults { … }"),
      Mistake(
        "job 'x' { run = print }\njob_defaults { priority = 1 }",
        "a.lua:2: job_defaults comes after a job (a.lua:1); move it to the top of the script"),
      Mistake(
        "job_defaults { priority = 1 }\njob_defaults { priority = 2 }\njob 'x' { run = print }",
        "a.lua:2: job_defaults is called twice, first at a.lua:1; make it one table"),
      // A trigger in triggers, in use or not: once, at its own line.
      Mistake(
        "local t = cron '61 * * * *'\nlocal u = any_of { t, every '5s' }\njob 'x' { trigger = u, run = print }\njob 'y' { trigger = t, run = print }",
        "a.lua:1: cron \"61 * * * *\": minute 61 is outside 0-59"),
      Mistake(
        "local u = except(\n  any_of {\n    every '5s',\n    cron '61 * * * *' },\n  calendar_of { weekdays = 'sat' })",
        "a.lua:4: cron \"61 * * * *\": minute 61 is outside 0-59"),
      Mistake(
        "local t = every '5s'\njob 'x' {\n  trigger = any_of {\n    t,\n    only(t, t) }, run = print }",
        "a.lua:5: only(every \"5s\", every \"5s\"): expected a calendar, as calendar_of { weekdays = \"sat,sun\" } makes it"
      ),
      Mistake(
        "job 'a' { trigger = except(every '5s', calendar_of 'days/free.ics'), run = print }",
        "a.lua:1: calendar_of \"days/free.ics\": expected a table, not a string; write calendar_of { ics = \"days/free.ics\" }"
      ),
      Mistake(
        "local t =\n  cron '61 * * * *'\njob 'x' {\n  trigger = t, run = print }",
        "a.lua:2: cron \"61 * * * *\": minute 61 is outside 0-59"),
      Mistake(
        "local unused = every 'x'\njob 'x' { run = print }",
        "a.lua:1: every \"x\": expected a number at \"x\": write a duration like \"90s\", \"1h30m\", \"2d\" or \"500ms\""
      ),
      Mistake(
        "require 'net.retry'",
        "a.lua:1: module 'net.retry' not found: no file lib/net/retry.lua or lib/net/retry/init.lua in the scripts directory"
      ),
      Mistake(
        "job 'x' { after = 'y', run = print }",
        "a.lua:1: job \"x\": after names \"y\", but no job of that name is loaded; declare it or remove it from after"),
      Mistake(
        "job 'x' { after = 'x', run = print }",
        "a.lua:1: job \"x\" would wait for itself: \"x\" after \"x\"; remove one of them"),
      Mistake("error 'stop'", "a.lua:1: stop"),
      Mistake("error({})", "a.lua:1: error value {}"),
    ])
  func inTheShape(_ mistake: Mistake) throws {
    let found = try LoadFixture().problems(mistake.script)
    #expect(found == mistake.messages)
  }

  @Test(
    "in what a job's functions keep",
    arguments: [
      Mistake(
        "local co = coroutine.create(print)\njob 'x' { run = function() return co end }",
        "a.lua:2: job \"x\": upvalue 'co' of run: cannot keep a coroutine"),
      Mistake(
        "local t = every '1m'\njob 'x' { trigger = t, run = function() return t end }",
        "a.lua:2: job \"x\": upvalue 't' of run: cannot keep a userdata; make it inside the function that needs it"),
      Mistake(
        """
        local co = coroutine.create(print)
        local box = { inner = { co } }
        job 'x' { run = function() return co end }
        job 'y' { run = print }
        job 'z' { run = print, on_error = function() return box end }
        """,
        "a.lua:3: job \"x\": upvalue 'co' of run: cannot keep a coroutine",
        "a.lua:5: job \"z\": field [1] of field 'inner' of upvalue 'box' of on_error: cannot keep a coroutine"),
    ])
  func inWhatIsKept(_ mistake: Mistake) throws {
    let found = try LoadFixture().problems(mistake.script)
    #expect(found == mistake.messages)
  }

  @Test(
    "what is only odd is a note",
    arguments: [
      Mistake("local a = 1", "a.lua: note: it declares no job"),
      Mistake(
        "job 'x' { at = '2020-01-01', run = print }",
        "a.lua:1: note: job \"x\": 2020-01-01T00:00:00Z is in the past: it will not run then"),
      Mistake(
        "job 'x' { cron = '0 3 * * *', end_date = '2020-01-01', run = print }",
        "a.lua:1: note: job \"x\": its last fire time is over, so it runs only when asked"),
      Mistake(
        "job 'x' { start_date = '2027-01-01', run = print }",
        "a.lua:1: note: job \"x\": start_date has no effect, because the job has no cron, every, at, calendar or trigger"
      ),
      Mistake(
        "job 'x' { debounce = '1m', run = print }",
        "a.lua:1: note: job \"x\": debounce has no effect, because the job has no on"),
      Mistake(
        "local n = 0\njob 'x' { run = function() n = n + 1 end }\njob 'y' { run = function() n = n - 1 end }",
        "a.lua:3: note: job \"y\" and job \"x\" both assign the local \"n\", but each has a copy of its own; keep what they share in kv"
      ),
      Mistake(
        "job 'x' { cron = { day_of_week = 1, hour = 3 }, run = print }",
        "a.lua:1: note: job \"x\": day_of_week \"1\" means mon here: numbers count from Sunday, as in a crontab; write names to be clear"
      ),
    ])
  func notes(_ mistake: Mistake) throws {
    let generation = try LoadFixture().load(["a.lua": mistake.script])
    #expect(generation.problems.map(\.description) == mistake.messages)
    #expect(generation.errors.isEmpty)
  }
}

extension Mistake {
  fileprivate init(_ script: String, all messages: [String]) {
    self.script = script
    self.messages = messages
  }
}
