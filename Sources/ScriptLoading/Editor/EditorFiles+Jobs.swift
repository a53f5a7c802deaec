extension EditorFiles {
  /// The entries of jobs.
  static let jobsStubs = #"""
    ---The jobs of the host. In a run; each call but `list` waits until the store has it, and returns nil and why when it is refused.
    jobs = {}
    ---All jobs.
    ---```lua
    ---for _, job in ipairs(jobs.list()) do
    ---  if job.paused then log.info(job.name .. " is paused") end
    ---end
    ---```
    ---@return table[] jobs With `name`, `next_run_time`, `paused`, `running`, `schedules` and more.
    function jobs.list() end

    ---Asks for a run now; its number.
    ---```lua
    ---local run = assert(jobs.run("a", { full = true }))
    ---log.info("run " .. run)
    ---```
    ---@async
    ---@param name string
    ---@param params? table<string, any>
    ---@return integer? run, string? why
    function jobs.run(name, params) end

    ---Makes a schedule for a job, beside the job's own; returns its id.
    ---```lua
    ---local id = assert(jobs.schedule("a", { at = "2031-01-31 09:00", params = { to = "ann" } }))
    ---jobs.schedule("a", { every = "90s", id = "beat", replace_existing = true })
    ---```
    ---@async
    ---@param name string
    ---@param schedule moondial.Schedule
    ---@return string? id, string? why
    function jobs.schedule(name, schedule) end

    ---Takes a dynamic schedule away.
    ---```lua
    ---local id = assert(jobs.schedule("a", { at = "2031-01-31 09:00" }))
    ---assert(jobs.unschedule(id))
    ---```
    ---@async
    ---@param id string
    ---@return true?, string? why
    function jobs.unschedule(id) end

    ---Holds a job back until somebody resumes it.
    ---```lua
    ---assert(jobs.pause("a", "the server is being moved"))
    ---```
    ---@async
    ---@param name string
    ---@param reason? string Kept and shown until it is resumed.
    ---@return true?, string? why
    function jobs.pause(name, reason) end

    ---Lets a paused job go on.
    ---```lua
    ---jobs.pause("a")
    ---assert(jobs.resume("a"))
    ---```
    ---@async
    ---@param name string
    ---@return true?, string? why
    function jobs.resume(name) end
    """#
}
