internal import Triggers

/// What `moondial init` writes for editors: types for the Lua language server (LuaLS, as in VS Code's and Neovim's Lua
/// extensions) and its settings. With them the editor completes the fields of a job, shows what they mean, and marks
/// misspelt ones.
///
/// What scripts call in a run has an entry each: what it does, an example, whether it waits (`@async`), what it takes
/// and returns. The page docs/lua-api/functions.md (``FunctionsPage``) and `moondial functions NAME` are made of these
/// entries; tests run each example, and hold the names and `@async` against the sandbox.
package enum EditorFiles {
  /// Where ``typeStubs`` goes, relative to the scripts directory.
  package static let typeStubsPath = "_types/moondial.d.lua"

  /// `.luarc.json` beside the scripts.
  package static let settings = """
    {
      "$schema": "https://raw.githubusercontent.com/LuaLS/vscode-lua/master/setting/schema.json",
      "runtime.version": "Lua 5.4",
      "runtime.path": ["lib/?.lua", "lib/?/init.lua"],
      "runtime.builtin": { "io": "disable", "debug": "disable", "package": "disable" },
      "workspace.library": ["_types"],
      "diagnostics.disable": ["lowercase-global"]
    }

    """

  /// `_types/moondial.d.lua`: the Lua API; its declaring part is written from the same tables that check scripts.
  package static var typeStubs: String {
    """
    ---@meta moondial
    -- Types for editors, written by `moondial init`. Nothing here runs.

    ---A duration: a text like "90s", "1h30m", "2d", "500ms", or a number of seconds.
    ---@alias moondial.Duration string|number

    ---A time: ISO 8601 like "2027-01-31", "2027-01-31 09:00", "2027-01-31T09:00:00+01:00", or seconds since 1970.
    ---@alias moondial.Time string|number

    ---A trigger value, as the constructors below return it.
    ---@class (exact) moondial.Trigger

    ---When and how often an unsuccessful attempt is tried again.
    ---@class (exact) moondial.Retry
    ---@field max? integer Retries after the first attempt. Default: 3.
    ---@field backoff? "fixed"|"linear"|"exponential" How the delay grows. Default: "exponential".
    ---@field base? moondial.Duration The first delay. Default: "1s".
    ---@field cap? moondial.Duration The longest delay. Default: "5m".
    ---@field jitter? boolean Draws each delay from the upper half of its length. Default: true.

    ---Files that a job is given when they are complete.
    ---@class (exact) moondial.Watch
    ---@field path string|string[] Patterns: `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any directories. Required.
    ---@field settle? moondial.Duration How long size and time must stay the same. Default: "2s".
    ---@field recursive? boolean Also in the directories below. Default: false.
    ---@field events? "created"|"changed"|("created"|"changed")[] What a file must have done. Default: both.
    ---@field existing? boolean Whether files that are there at first are given too. Default: true.
    ---@field batch? integer The most paths of one run. Default: 1000.

    \(EditorTypes.classes)

    ---@class (exact) moondial.Job
    \(fields(in: .job))

    ---@class (exact) moondial.JobDefaults
    \(fields(in: .scriptDefaults))

    ---Why an attempt failed.
    ---@class moondial.Error
    ---@field message string
    ---@field outcome "failed"|"timed_out"|"out_of_memory"|"crashed"|"stuck"
    ---@field final boolean Whether no attempt follows.
    ---@field file? string
    ---@field line? integer
    ---@field traceback? string
    ---@field data? any What `ctx:fail` or a thrown table gave.

    ---After which runs of another job.
    ---@class (exact) moondial.After
    ---@field job string Its name. Required.
    ---@field outcome? "succeeded"|"failed"|"any" Which of its runs count. Default: "succeeded".

    ---When all of several jobs have succeeded since the last run.
    ---@class (exact) moondial.AfterAll
    ---@field all string[] Their names. Required.

    ---What caused a run.
    ---@class moondial.Event
    ---@field name string The event's name; "after" when another job's run did, "watch" when files did.
    ---@field data any
    ---@field paths? string[] The files.
    ---@field job? string The other job.
    ---@field run? integer Its run.
    ---@field outcome? string How that ended.
    ---@field result? any What that returned.
    ---@field error? string The message of its error.
    ---@field runs? table<string, integer> Of a join: the run of each job.
    ---@field results? table<string, any> Of a join: what each of these runs returned.

    ---What can be asked for together, in `ctx:transaction` and `ctx.outbox`. Nothing of it returns a value but an update of
    ---the outbox.
    ---@class moondial.Changes
    ---@field kv { set: fun(key: string, value: any, options?: { ttl: moondial.Duration }), delete: fun(key: string), update: fun(key: string, change: (fun(value: any): any), options?: { ttl: moondial.Duration }): any }
    ---@field emit fun(name: string, data?: any)
    ---@field run fun(job: string, params?: table<string, any>)
    ---@field schedule fun(job: string, schedule: moondial.Schedule)
    ---@field unschedule fun(id: string)

    \(contextStubs)

    ---Declares a job: `job "name" { … }` or `job { name = "name", … }`.
    ---@param name string
    ---@return fun(fields: moondial.Job): string
    ---@overload fun(fields: moondial.Job): string
    ---@overload fun(name: string, fields: moondial.Job): string
    function job(name) end

    ---Sets defaults for the jobs of this script. Once, before its first job.
    ---@param defaults moondial.JobDefaults
    function job_defaults(defaults) end

    ---What `jobs.schedule` takes. It says when, and what it says otherwise than the job.
    ---@class (exact) moondial.Schedule
    ---@field id? string Its id; one is made when there is none.
    ---@field replace_existing? boolean A schedule that has this id gives way. Default: false, an error.
    \(fields(in: .schedule))

    \(jobsStubs)

    \(runsStubs)

    \(textStubs)

    \(filesStubs)

    \(programsStubs)

    \(networkStubs)

    \(EditorTypes.functions)
    """
  }

  private static func fields(in scope: JobField.Scope) -> String {
    JobField.allCases.filter { $0.isAllowed(in: scope) }.map { field in
      // `name` is given before the table as a rule, so only `run` must be in it.
      let mark = field == .run ? "" : "?"
      return "---@field \(field.rawValue)\(mark) \(field.luaType) \(field.summary)"
    }.joined(separator: "\n")
  }
}
