extension EditorFiles {
  /// The entries of log, sleep, time, kv, emit, wait, all, any and metric.
  static let runsStubs = #"""
    ---Writes a line into the log and the history: a message, and fields that machines can read.
    log = {}
    ---A line of level debug: `moondial run -v` shows it, the history keeps it.
    ---```lua
    ---log.debug("cache is warm", { entries = 12 })
    ---```
    ---@param message any
    ---@param fields? table<string, any>
    function log.debug(message, fields) end

    ---A line of level info.
    ---```lua
    ---log.info("copied", { files = 12, bytes = 48000 })
    ---```
    ---@param message any
    ---@param fields? table<string, any>
    function log.info(message, fields) end

    ---A line of level warn.
    ---```lua
    ---log.warn("the disk fills up", { free = "4 GB" })
    ---```
    ---@param message any
    ---@param fields? table<string, any>
    function log.warn(message, fields) end

    ---A line of level error. The run goes on; `error` or `ctx:fail` end it.
    ---```lua
    ---log.error("no answer from the server", { server = "db1" })
    ---```
    ---@param message any
    ---@param fields? table<string, any>
    function log.error(message, fields) end

    ---Waits without holding a thread.
    ---```lua
    ---sleep("5ms")
    ---sleep(0.005)   -- a number is seconds
    ---```
    ---@async
    ---@param duration moondial.Duration
    function sleep(duration) end

    ---The clock of the host, and times as text.
    time = {}
    ---The present.
    ---```lua
    ---log.info("it is " .. time.format(time.now()))
    ---```
    ---@return number seconds Since 1970, with fractions.
    function time.now() end

    ---For measuring how long something takes.
    ---```lua
    ---local began = time.monotonic()
    ---sleep("1ms")
    ---assert(time.monotonic() - began >= 0.001)
    ---```
    ---@return number seconds Of a clock that is never set.
    function time.monotonic() end

    ---A time as text, in the job's zone unless told.
    ---```lua
    ---assert(time.format(0, { zone = "Asia/Tokyo" }) == "1970-01-01T09:00:00+09:00")
    ---assert(time.format(0, { zone = "UTC", format = "%d.%m.%Y" }) == "01.01.1970")
    ---```
    ---@param at number Seconds since 1970.
    ---@param options? { zone: string?, format: string? } `format` has the letters of strftime.
    ---@return string
    function time.format(at, options) end

    ---Reads ISO 8601; nil and why for any other text.
    ---```lua
    ---assert(time.parse("1970-01-02", { zone = "UTC" }) == 86400)
    ---local at, why = time.parse("tomorrow")
    ---assert(at == nil and why)
    ---```
    ---@param text string
    ---@param options? { zone: string? }
    ---@return number? at, string? why
    function time.parse(text, options) end

    ---All time zones that the host knows.
    ---```lua
    ---assert(#time.zones() > 300)
    ---```
    ---@return string[] names Of all time zones.
    function time.zones() end

    ---Durable values of this script.
    kv = {}
    ---The value of a key; nil where there is none.
    ---```lua
    ---kv.set("last", { price = 12.5 })
    ---assert(kv.get("last").price == 12.5)
    ---```
    ---@async
    ---@param key string
    ---@return any value
    function kv.get(key) end

    ---Gives a key a value, and returns when that is as safe as the store makes it.
    ---```lua
    ---kv.set("seen", { "a", "b" }, { ttl = "1d" })
    ---```
    ---@async
    ---@param key string
    ---@param value any Like JSON; nil deletes.
    ---@param options? { ttl: moondial.Duration? }
    function kv.set(key, value, options) end

    ---Takes a key away.
    ---```lua
    ---kv.set("draft", 1)
    ---kv.delete("draft")
    ---assert(kv.get("draft") == nil)
    ---```
    ---@async
    ---@param key string
    function kv.delete(key) end

    ---The keys that there are.
    ---```lua
    ---kv.set("user/ann", 1)
    ---kv.set("user/bob", 2)
    ---assert(kv.keys("user/", { limit = 1 })[1] == "user/ann")
    ---```
    ---@async
    ---@param prefix? string
    ---@param options? { limit: integer? }
    ---@return string[] keys Sorted.
    function kv.keys(prefix, options) end

    ---Gives a key the value that `change` makes of the old one, so that no other run's change is lost.
    ---```lua
    ---local n = kv.update("count", function(old) return (old or 0) + 1 end)
    ---assert(n == 1)
    ---```
    ---@async
    ---@param key string
    ---@param change fun(old: any): any Called again when another run was faster.
    ---@param options? { ttl: moondial.Duration? }
    ---@return any value
    function kv.update(key, change, options) end

    ---Starts the jobs that have `on = name`; returns when the event is in the store.
    ---```lua
    ---emit("report.ready", { rows = 3 })
    ---```
    ---@async
    ---@param name string
    ---@param data? any
    ---@return true?, string? why
    function emit(name, data) end

    ---Waits for the next event of that name; nil and "timeout" when there is none.
    ---```lua
    ---local event, why = wait("approved", "5ms")
    ---if not event then log.info("nobody approved: " .. why) end
    ---```
    ---@async
    ---@param name string
    ---@param timeout? moondial.Duration
    ---@return { name: string, data: any }? event, string? why
    function wait(name, timeout) end

    ---Calls `body` for each value, each call in a branch of its own, which wait at the same time.
    ---```lua
    ---local out = all({ 3, 1, 2 }, function(n)
    ---  sleep(n / 1000)
    ---  if n == 2 then return nil, "no twos" end
    ---  return n * 10
    ---end, { limit = 2 })
    ---assert(out[1].value == 30 and out[3].error == "no twos")
    ---```
    ---@async
    ---@generic T, R
    ---@param list T[]
    ---@param body fun(value: T, index: integer): R?, string?
    ---@param options? { limit: integer? } How many are under way at most. Default: 100.
    ---@return { ok: boolean, value: R?, error: any }[] results
    function all(list, body, options) end

    ---The first value that worked, and its index; nil and the errors when none did.
    ---```lua
    ---assert(any({ 9, 1 }, function(n) sleep(n / 1000) return n end) == 1)
    ---```
    ---@async
    ---@generic T, R
    ---@param list T[]
    ---@param body fun(value: T, index: integer): R?, string?
    ---@param options? { limit: integer? }
    ---@return R? value, integer|any[] index
    function any(list, body, options) end

    ---Counters and gauges: `moondial metrics` shows them.
    metric = {}
    ---Adds to a counter.
    ---```lua
    ---metric.counter("orders_total", 3, { shop = "north" })
    ---```
    ---@param name string
    ---@param amount? number Default: 1.
    ---@param labels? table<string, string|number|boolean>
    ---@return true?, string? why
    function metric.counter(name, amount, labels) end

    ---Sets a gauge.
    ---```lua
    ---metric.gauge("queue_length", 17)
    ---```
    ---@param name string
    ---@param value number
    ---@param labels? table<string, string|number|boolean>
    ---@return true?, string? why
    function metric.gauge(name, value, labels) end
    """#
}
