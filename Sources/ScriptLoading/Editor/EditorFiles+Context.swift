extension EditorFiles {
  /// The entries of ctx.
  static let contextStubs = #"""
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
    ---```lua
    ---local left = ctx:deadline()
    ---if left and left < 5 then log.warn("little time is left") end
    ---```
    ---@return number?
    function Context:deadline() end

    ---Whether the run should end soon: it was cancelled, or the host is stopping. A run that looks gets time to end by itself.
    ---```lua
    ---for i = 1, 3 do
    ---  if ctx:cancelled() then return { done = i - 1 } end
    ---  sleep("1ms")
    ---end
    ---```
    ---@return boolean
    function Context:cancelled() end

    ---Ends the attempt and asks for another one. Use it as `return ctx:retry(err)`.
    ---```lua
    ---local ok, err = true, "busy"   -- of something that may fail
    ---if not ok then return ctx:retry(err, "30s") end
    ---```
    ---@param err? any A text, or an error such as `http` answers.
    ---@param delay? moondial.Duration
    function Context:retry(err, delay) end

    ---Ends the run as failed, with data for whoever reads the history.
    ---```lua
    ---local rows = 12
    ---if rows == 0 then ctx:fail("the table is empty", { table = "orders" }) end
    ---```
    ---@param message string
    ---@param data? any
    function Context:fail(message, data) end

    ---Shown in `moondial list` while the run goes on.
    ---```lua
    ---for i = 1, 4 do ctx:progress(i / 4) end
    ---ctx:progress("copying")
    ---```
    ---@param progress number|string A fraction from 0 to 1, or a few words.
    function Context:progress(progress) end

    ---Does something once, however often the run is repeated: its result is stored before this returns, and a run that
    ---comes by again gets the stored one. What answers nil and a reason is not stored.
    ---```lua
    ---local order = ctx:step("reserve", function() return { id = 7 } end)
    ---return ctx:step("pay", function() return { order = order.id } end)
    ---```
    ---@async
    ---@param name string One of its own for each step of a run.
    ---@param body fun(): any, any
    ---@return any result, any reason
    function Context:step(name, body) end

    ---Parks the run: its state goes, and it is executed again from its start, where steps that are done answer at once.
    ---```lua
    ---ctx:step("ask", function() return true end)
    ---ctx:sleep(0)   -- "3d" in real life
    ---```
    ---@async
    ---@param duration moondial.Duration
    function Context:sleep(duration) end

    ---Changes values, events, runs and schedules together: all of it is committed, once, or nothing. The function does not
    ---wait; what it returns is the result, and comes again when the run comes by again.
    ---```lua
    ---return ctx:transaction(function(tx)
    ---  tx.kv.update("balance", function(old) return (old or 100) - 30 end)
    ---  tx.emit("paid", { amount = 30 })
    ---  return 30
    ---end)
    ---```
    ---@async
    ---@param body fun(tx: moondial.Changes): any, any
    ---@return any result, any reason
    function Context:transaction(body) end

    ---Parks the run until a time.
    ---```lua
    ---ctx:sleep_until(time.now())   -- "2027-01-31 09:00" in real life
    ---```
    ---@async
    ---@param time number|string Seconds since 1970, or ISO 8601.
    function Context:sleep_until(time) end

    ---Parks the run until an event; its data, true if it has none, or nil and "timeout".
    ---```lua
    ---local answer, why = ctx:wait_for("approved", 0)   -- "3d" in real life
    ---if why == "timeout" then log.info("nobody answered") end
    ---```
    ---@async
    ---@param event string
    ---@param timeout? moondial.Duration Without one it waits for ever.
    ---@return any data, "timeout"?
    function Context:wait_for(event, timeout) end
    """#
}
