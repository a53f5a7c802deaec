extension EditorFiles {
  /// Where ``testStubs`` goes, relative to the scripts directory.
  package static let testStubsPath = "_types/moondial_test.d.lua"

  /// The types of `*_test.lua`.
  package static let testStubs = """
    ---@meta moondial_test
    -- Types for editors, written by `moondial init`. Nothing here runs.

    ---A run of a test's host that has ended.
    ---@class moondial.TestedRun
    ---@field id integer
    ---@field job string
    ---@field outcome string
    ---@field cause string
    ---@field result? any
    ---@field error? { message: string, file: string?, line: integer?, data: any }
    ---@field params? any
    ---@field event? moondial.Event
    ---@field attempts integer
    ---@field missed integer
    ---@field scheduled_at number Seconds since 1970.
    ---@field started_at? number
    ---@field finished_at? number
    ---@field at string `scheduled_at` as ISO 8601 in the job's zone.
    ---@field duration number Seconds of the test's time.
    ---@field log moondial.TestedLine[]

    ---@class moondial.TestedLine
    ---@field level string
    ---@field message string
    ---@field fields? table<string, any>
    ---@field job? string
    ---@field run? integer

    ---What a test can do: its host, its clock, its checks. All methods take a colon.
    ---@class moondial.Test
    ---@field dir string The test's own directory.
    local Test = {}
    ---Time passes, and what falls due runs at its instant.
    ---@async
    ---@param duration moondial.Duration
    ---@return moondial.TestedRun[] runs Those that have ended meanwhile.
    function Test:advance(duration) end
    ---@async
    ---@param time moondial.Time
    ---@return moondial.TestedRun[] runs
    function Test:advance_to(time) end
    ---Runs a job now; time passes until it has ended, with its retries and waits.
    ---@async
    ---@param job string
    ---@param options? { params: any, within: moondial.Duration? }
    ---@return moondial.TestedRun run
    function Test:run(job, options) end
    ---@async
    ---@param event string
    ---@param data? any
    ---@return moondial.TestedRun[] runs
    function Test:emit(event, data) end
    ---Files that the job watches for are complete.
    ---@async
    ---@param job string
    ---@param paths string[]
    ---@return moondial.TestedRun[] runs
    function Test:files(job, paths) end
    ---Answers for a function that reaches the world: "http.get", "http", "exec", "mail.send", "secret", "env.get", "fs.read", …
    ---@param name string
    ---@param answer any A function that gets what the job gave, or a value for each call.
    ---@param options? { takes: moondial.Duration? }
    function Test:fake(name, answer, options) end
    ---@param name string
    function Test:unfake(name) end
    ---@param name string
    ---@return any[][] calls What each call of a fake gave.
    function Test:calls(name) end
    ---@return number seconds Since 1970.
    function Test:now() end
    ---@param job string
    ---@param count? integer
    ---@return string[] times ISO 8601, in the job's zone.
    function Test:next(job, count) end
    ---@param job? string
    ---@return moondial.TestedRun[] runs All that have ended.
    function Test:runs(job) end
    ---@param job? string
    ---@return moondial.TestedLine[] lines
    function Test:logs(job) end
    ---@param job string A job of the script whose value it is.
    ---@param key string
    ---@return any
    function Test:kv_get(job, key) end
    ---@param job string
    ---@param key string
    ---@param value any
    function Test:kv_set(job, key, value) end
    ---@generic T
    ---@param got T
    ---@param want any
    ---@param message? string
    ---@return T
    function Test:equal(got, want, message) end
    ---@generic T
    ---@param value T
    ---@param message? string
    ---@return T
    function Test:ok(value, message) end
    ---@param got number
    ---@param want number
    ---@param within number
    ---@param message? string
    function Test:near(got, want, within, message) end
    ---@param text string
    ---@param pattern string
    ---@param message? string
    function Test:match(text, pattern, message) end
    ---@param body fun()
    ---@param pattern? string
    ---@return any err
    function Test:raises(body, pattern) end
    ---@param message? string
    function Test:fail(message) end

    ---Declares a test, in a file whose name ends in `_test.lua`. `moondial test` runs it.
    ---@param name string
    ---@param options { at: string?, jobs: string[]?, timeout: moondial.Duration?, memory: string? }
    ---@param body fun(t: moondial.Test)
    ---@overload fun(name: string, body: fun(t: moondial.Test))
    function test(name, options, body) end

    """
}
