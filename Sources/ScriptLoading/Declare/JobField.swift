/// Every field of a job's table: its name, its type as the editor's stubs say it, where it may be written, and what it
/// means.
///
/// The decoder switches over these cases and the stubs and the reference are written from this table, so a field cannot
/// be in one of them only.
package enum JobField: String, CaseIterable, Sendable {
  case name, run, description, tags, params
  case cron, every, at, calendar, trigger, on, after, watch
  case timezone, dst
  case startDate = "start_date"
  case endDate = "end_date"
  case jitter, limit, debounce
  case runAtStart = "run_at_start"
  case coalesce
  case catchUpMax = "catch_up_max"
  case misfireGraceTime = "misfire_grace_time"
  case maxInstances = "max_instances"
  case overlap, priority
  case timeout, memory, retry, recover, state
  case executor, store, enabled
  case onNodes = "on_nodes"
  case onError = "on_error"
  case onFailure = "on_failure"
  case onSuccess = "on_success"
  case group, rate

  /// Field by name, for every key of every table.
  package static let named: [String: JobField] = Dictionary(uniqueKeysWithValues: allCases.map { ($0.rawValue, $0) })

  /// Where a table of fields is written.
  package enum Scope: Sendable, Hashable {
    /// `job "name" { … }`
    case job
    /// `job_defaults { … }` in a script.
    case scriptDefaults
    /// `job_defaults = { … }` in moondial.lua.
    case hostDefaults
    /// `jobs.schedule("name", { … })` in a run.
    case schedule
  }

  /// Whether the field may be written there. What names a job, or says when it runs, belongs to one job.
  package func isAllowed(in scope: Scope) -> Bool {
    switch (scope, self) {
    case (.job, _): true
    case (.schedule, let field): field.isForSchedules
    case (_, .name), (_, .run), (_, .description), (_, .params): false
    case (_, .cron), (_, .every), (_, .at), (_, .calendar), (_, .trigger), (_, .limit): false
    case (_, .on), (_, .after), (_, .watch): false
    case (.hostDefaults, .onError), (.hostDefaults, .onFailure), (.hostDefaults, .onSuccess): false
    default: true
    }
  }

  /// Whether a dynamic schedule may say it; everything else belongs to the job.
  private var isForSchedules: Bool {
    switch self {
    case .cron, .every, .at, .calendar, .trigger, .timezone, .dst, .startDate, .endDate, .jitter, .coalesce,
      .misfireGraceTime,
      .maxInstances, .priority, .params:
      true
    default: false
    }
  }

  /// The names that may be written in `scope`, in the order of this table.
  package static func names(in scope: Scope) -> [String] {
    allCases.filter { $0.isAllowed(in: scope) }.map(\.rawValue)
  }

  /// The type in LuaLS's notation.
  package var luaType: String {
    switch self {
    case .name, .description, .timezone, .executor, .store: "string"
    case .group, .rate: "string|false"
    case .run: "fun(ctx: moondial.Context): any"
    case .onError, .onFailure: "fun(ctx: moondial.Context, err: moondial.Error)"
    case .onSuccess: "fun(ctx: moondial.Context, result: any)"
    case .tags, .on, .onNodes: "string|string[]"
    case .after: "string|moondial.After|(string|moondial.After)[]|moondial.AfterAll"
    case .watch: "string|string[]|moondial.Watch"
    case .params: "table<string, any>"
    case .cron: "string|string[]|moondial.CronTable"
    case .every: "moondial.Duration"
    case .at: "moondial.Time|moondial.Time[]"
    case .calendar: "table"
    case .trigger: "moondial.Trigger|moondial.Trigger[]"
    case .dst: "{ gap: \"shift\"|\"skip\"|nil, overlap: \"first\"|\"last\"|\"both\"|nil }"
    case .startDate, .endDate: "moondial.Time"
    case .jitter: "moondial.Duration"
    case .debounce, .misfireGraceTime, .timeout: "moondial.Duration|false"
    case .limit, .catchUpMax, .maxInstances, .priority: "integer"
    case .runAtStart, .recover, .enabled: "boolean"
    case .coalesce: "boolean|\"latest\"|\"earliest\"|\"all\""
    case .overlap: "\"skip\"|\"queue\"|\"queue_one\"|\"replace\""
    case .memory: "string|integer"
    case .retry: "integer|false|moondial.Retry"
    case .state: "\"job\"|\"run\""
    }
  }

  /// What it means, in one line.
  package var summary: String {
    switch self {
    case .name: "The job's name, unique among all scripts; the same as `job \"name\" { … }`."
    case .run: "What the job does. Its result, if it is JSON-like, is the run's result. Required."
    case .description: "A sentence for people: shown in lists."
    case .tags: "Words to find the job by."
    case .params: "What `ctx.params` holds unless a run is given other values: named fields, JSON-like."
    case .cron: "Fires by a cron expression (`\"0 3 * * mon-fri\"`), several of them, or a table of fields."
    case .every: "Fires at a fixed rate (`\"90s\"`), first one interval after the job was first seen."
    case .at: "Fires once at a time (`\"2027-01-31 09:00\"`), or at each of several."
    case .calendar: "Fires after whole months, weeks or days on the calendar (`{ months = 1, hour = 6 }`)."
    case .trigger: "Any trigger value; several triggers in one job fire whenever one of them does."
    case .on: "Runs when one of these events is emitted."
    case .after: "Runs after each successful run of these jobs, or as `outcome` or `all` say."
    case .timezone: "IANA name of the zone whose clocks the triggers read. Default: the script's, then the host's."
    case .dst: "What happens to times that clock changes skip (`gap`) or repeat (`overlap`)."
    case .startDate: "The first instant at which a trigger may fire, inclusive."
    case .endDate: "The last instant at which a trigger may fire, inclusive; a date alone includes its day."
    case .jitter: "Each start is delayed by up to this much, always by the same amount for the same fire time."
    case .limit: "Fires after which the schedule ends."
    case .debounce: "Events (`on`) that follow each other within this time become one run, after the last."
    case .runAtStart: "Also runs once when the host starts. Default: false."
    case .coalesce:
      "Many missed fire times become one run: `true` or `\"latest\"` (default), `\"earliest\"`, or `false`."
    case .catchUpMax: "With `coalesce = false`, at most this many of the latest missed fire times run. Default: 1000."
    case .misfireGraceTime: "A run that is later than this is not started. Default: false, a late run still runs."
    case .maxInstances: "Runs of this job at the same time. Default: 1."
    case .overlap: "What becomes of a fire while `max_instances` runs are active. Default: `\"skip\"`."
    case .priority:
      "-100 to 100; of the runs that wait for a worker, higher ones start first; once they are claimed, those above 0 "
        + "have every other turn at a worker, and those below 0 come when nothing else waits. Default: 0."
    case .timeout: "Each attempt is stopped after this time, waiting included. Default: false, none."
    case .memory: "The most memory the job's Lua state may use (`\"64MB\"`)."
    case .retry: "Unsuccessful attempts are repeated: a number of times, or a table. Default: false."
    case .recover: "Runs again what a crash of the host interrupted. Default: false."
    case .state: "`\"job\"` keeps the job's Lua state between runs (default), `\"run\"` gives each run a fresh one."
    case .executor: "Which executor of moondial.lua runs it. Default: `\"default\"`."
    case .store: "Which store of moondial.lua keeps its schedule and history. Default: `\"default\"`."
    case .onNodes: "Runs only on hosts that have this label (`node.labels`), of several labels all. Default: any host."
    case .enabled: "Whether its schedule runs. Default: true."
    case .onError: "Called in the job's state after each attempt that failed."
    case .onFailure: "Called once, after the last attempt, when it failed."
    case .onSuccess: "Called in the job's state after a run that succeeded."
    case .watch: "Runs with the files that match a pattern (`\"in/*.csv\"`) when they are complete: `ctx.event.paths`."
    case .group: "The group of moondial.lua whose `max` and `rate` it shares with other jobs."
    case .rate: "At most so many starts in any such time (`\"10/1m\"`), retries included; others wait."
    }
  }

  /// What to write instead of names that other schedulers, or other places, have for something.
  package static let advice: [String: String] = [
    "id": "the field is name",
    "func": "the field is run",
    "fn": "the field is run",
    "handler": "the field is run",
    "callback": "the field is run",
    "command": "write run = function() exec({ … }) end",
    "cmd": "write run = function() exec({ … }) end",
    "schedule": "the field is cron, every, at, calendar or trigger",
    "interval": "the field is every, as in every = \"90s\"",
    "seconds": "write every = \"90s\"",
    "minutes": "write every = \"5m\"",
    "hours": "write every = \"2h\"",
    "days": "write every = \"1d\", or a cron expression for a time of day",
    "date": "the field is at",
    "run_date": "the field is at",
    "next_run_time": "write start_date to begin later, or run_at_start = true to run at once",
    "replace_existing": "a job of a script always replaces its former version",
    "tz": "the field is timezone",
    "time_zone": "the field is timezone",
    "zone": "the field is timezone",
    "retries": "write retry = { max = 3 }",
    "max_retries": "write retry = { max = 3 }",
    "backoff": "write retry = { max = 3, backoff = \"exponential\" }",
    "args": "write params = { name = value }",
    "kwargs": "write params = { name = value }",
    "jobstore": "the field is store",
    "concurrency": "the field is max_instances",
    "max_concurrency": "the field is max_instances",
    "rate_limit": "the field is rate, as in rate = \"10/1m\"",
    "throttle": "the field is rate, as in rate = \"10/1m\"",
    "pool": "the field is group; moondial.lua says groups = { db = { max = 2 } }",
    "nodes": "the field is on_nodes",
    "node": "the field is on_nodes",
    "labels": "the field is on_nodes",
    "queue": "the field is group; moondial.lua says groups = { db = { max = 2 } }",
    "memory_limit": "the field is memory",
    "disabled": "write enabled = false",
    "depends_on": "the field is after",
    "needs": "the field is after",
    "event": "the field is on",
    "files": "write watch = \"in/*.csv\"",
    "path": "write watch = \"in/*.csv\"",
    "settle": "write watch = { path = \"in/*.csv\", settle = \"2s\" }",
    "weekday": "write cron = { day_of_week = \"mon-fri\", hour = 9, minute = 0 }",
    "hour": "write cron = { hour = 9, minute = 0 }",
    "minute": "write cron = { minute = 0 }",
  ]
}
