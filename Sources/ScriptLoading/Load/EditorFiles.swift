internal import Triggers

/// What `moondial init` writes for editors: types for the Lua language server (LuaLS, as in VS Code's and Neovim's Lua
/// extensions) and its settings. With them the editor completes the fields of a job, shows what they mean, and marks
/// misspelt ones.
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

    ---What a run knows about itself. All methods take a colon.
    ---@class moondial.Context
    ---@field id integer The run's number.
    ---@field job string
    ---@field attempt integer 1, or more after retries.
    ---@field attempts_left integer Attempts that may follow this one, by `retry`.
    ---@field missed integer Fire times that were coalesced into this run.
    ---@field scheduled_at number Seconds since 1970: when it was due.
    ---@field started_at number Seconds since 1970: when this attempt began.
    ---@field event? moondial.Event What caused the run: an event, another job's run, or files.
    ---@field params table<string, any>
    ---@field schedule? string The id of the dynamic schedule that the run is of.
    ---@field process integer The host's process id.
    ---@field outbox moondial.Changes What lands with the run's success, and is dropped with a failed attempt.
    ---@field thread integer The id of the thread that runs it now; it may be another one after a wait.
    local Context = {}
    ---Seconds until the attempt's timeout; nil without one.
    ---@return number?
    function Context:deadline() end
    ---Whether the run should end soon: it was cancelled, or the host is stopping. A run that looks gets time to end by itself.
    ---@return boolean
    function Context:cancelled() end
    ---Ends the attempt and asks for another one. Use it as `return ctx:retry(err)`.
    ---@param err? any A text, or an error such as `http` answers.
    ---@param delay? moondial.Duration
    function Context:retry(err, delay) end
    ---Ends the run as failed, with data for whoever reads the history.
    ---@param message string
    ---@param data? any
    function Context:fail(message, data) end
    ---@param progress number|string A fraction from 0 to 1, or a few words.
    function Context:progress(progress) end
    ---Does something once, however often the run is repeated: its result is stored before this returns, and a run that
    ---comes by again gets the stored one. What answers nil and a reason is not stored.
    ---@async
    ---@param name string One of its own for each step of a run.
    ---@param body fun(): any, any
    ---@return any result, any reason
    function Context:step(name, body) end
    ---Parks the run: its state goes, and it is executed again from its start, where steps that are done answer at once.
    ---@async
    ---@param duration moondial.Duration
    function Context:sleep(duration) end
    ---Changes values, events, runs and schedules together: all of it is committed, once, or nothing. The function does not
    ---wait; what it returns is the result, and comes again when the run comes by again.
    ---@async
    ---@param body fun(tx: moondial.Changes): any, any
    ---@return any result, any reason
    function Context:transaction(body) end
    ---Parks the run until a time.
    ---@async
    ---@param time number|string Seconds since 1970, or ISO 8601.
    function Context:sleep_until(time) end
    ---Parks the run until an event; its data, true if it has none, or nil and "timeout".
    ---@async
    ---@param event string
    ---@param timeout? moondial.Duration Without one it waits for ever.
    ---@return any data, "timeout"?
    function Context:wait_for(event, timeout) end

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

    ---The jobs of the host. In a run; each call but `list` waits until the store has it, and returns nil and why when it is refused.
    jobs = {}
    ---@return table[] jobs With `name`, `next_run_time`, `paused`, `running`, `schedules` and more.
    function jobs.list() end
    ---@param name string
    ---@param params? table<string, any>
    ---@return integer? run, string? why
    function jobs.run(name, params) end
    ---Makes a schedule for a job, beside the job's own; returns its id.
    ---@param name string
    ---@param schedule moondial.Schedule
    ---@return string? id, string? why
    function jobs.schedule(name, schedule) end
    ---Takes a dynamic schedule away.
    ---@param id string
    ---@return true?, string? why
    function jobs.unschedule(id) end
    ---@param name string
    ---@param reason? string Kept and shown until it is resumed.
    ---@return true?, string? why
    function jobs.pause(name, reason) end
    ---@param name string
    ---@return true?, string? why
    function jobs.resume(name) end

    \(moduleStubs)
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
