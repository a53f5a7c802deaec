extension EditorFiles {
  /// Types of what exists in a run: the modules of the host. A test holds them against the sandbox, so that none is
  /// forgotten.
  static let moduleStubs = hostModuleStubs + dataModuleStubs

  private static let hostModuleStubs = """
    ---Writes a line into the log and the history: a message, and fields that machines can read.
    log = {}
    ---@param message any
    ---@param fields? table<string, any>
    function log.debug(message, fields) end
    ---@param message any
    ---@param fields? table<string, any>
    function log.info(message, fields) end
    ---@param message any
    ---@param fields? table<string, any>
    function log.warn(message, fields) end
    ---@param message any
    ---@param fields? table<string, any>
    function log.error(message, fields) end

    ---Waits without holding a thread.
    ---@param duration moondial.Duration
    function sleep(duration) end

    ---The clock of the host, and times as text.
    time = {}
    ---@return number seconds Since 1970, with fractions.
    function time.now() end
    ---@return number seconds Of a clock that is never set.
    function time.monotonic() end
    ---@param at number Seconds since 1970.
    ---@param options? { zone: string?, format: string? } `format` has the letters of strftime.
    ---@return string
    function time.format(at, options) end
    ---@param text string
    ---@param options? { zone: string? }
    ---@return number? at, string? why
    function time.parse(text, options) end
    ---@return string[] names Of all time zones.
    function time.zones() end

    json = {}
    ---@type lightuserdata What JSON's `null` is in a table.
    json.null = nil
    ---@param value any
    ---@param options? { pretty: boolean? }
    ---@return string
    function json.encode(value, options) end
    ---@param text string
    ---@return any value, string? why
    function json.decode(text) end
    ---@generic T: table
    ---@param list T An empty table that is a list.
    ---@return T
    function json.array(list) end
    ---@generic T: table
    ---@param fields T An empty table that is an object.
    ---@return T
    function json.object(fields) end

    ---Durable values of this script.
    kv = {}
    ---@param key string
    ---@return any value
    function kv.get(key) end
    ---@param key string
    ---@param value any Like JSON; nil deletes.
    ---@param options? { ttl: moondial.Duration? }
    function kv.set(key, value, options) end
    ---@param key string
    function kv.delete(key) end
    ---@param prefix? string
    ---@param options? { limit: integer? }
    ---@return string[] keys Sorted.
    function kv.keys(prefix, options) end
    ---@param key string
    ---@param change fun(old: any): any Called again when another run was faster.
    ---@param options? { ttl: moondial.Duration? }
    ---@return any value
    function kv.update(key, change, options) end

    ---Starts the jobs that have `on = name`; returns when the event is in the store.
    ---@param name string
    ---@param data? any
    ---@return true?, string? why
    function emit(name, data) end

    ---Waits for the next event of that name; nil and "timeout" when there is none.
    ---@param name string
    ---@param timeout? moondial.Duration
    ---@return { name: string, data: any }? event, string? why
    function wait(name, timeout) end

    ---Calls `body` for each value, each call in a branch of its own, which wait at the same time.
    ---@generic T, R
    ---@param list T[]
    ---@param body fun(value: T, index: integer): R?, string?
    ---@param options? { limit: integer? } How many are under way at most. Default: 100.
    ---@return { ok: boolean, value: R?, error: any }[] results
    function all(list, body, options) end

    ---The first value that worked, and its index; nil and the errors when none did.
    ---@generic T, R
    ---@param list T[]
    ---@param body fun(value: T, index: integer): R?, string?
    ---@param options? { limit: integer? }
    ---@return R? value, integer|any[] index
    function any(list, body, options) end

    hash = {}
    ---@param bytes string
    ---@return string hexadecimal
    function hash.sha256(bytes) end
    ---@param bytes string
    ---@return string hexadecimal
    function hash.sha512(bytes) end
    ---Against accidents and for old protocols, not against people.
    ---@param bytes string
    ---@return string hexadecimal
    function hash.md5(bytes) end
    ---@param bytes string
    ---@return integer
    function hash.crc32(bytes) end
    ---Whether two strings are equal, in a time that does not tell where they differ.
    ---@param a string
    ---@param b string
    ---@return boolean
    function hash.equal(a, b) end
    ---@param count integer Up to 1 MB.
    ---@return string bytes Fit for keys.
    function hash.random(count) end
    ---@param key string
    ---@param bytes string
    ---@return string hexadecimal HMAC-SHA-256.
    function hash.hmac(key, bytes) end
    ---@param bytes string
    ---@return string
    function hash.hex(bytes) end
    ---@param text string
    ---@return string? bytes, string? why
    function hash.unhex(text) end
    ---@param bytes string
    ---@return string
    function hash.base64(bytes) end
    ---@param text string
    ---@return string? bytes, string? why
    function hash.unbase64(text) end
    ---@return string
    function hash.uuid() end

    ---Counters and gauges: `moondial metrics` shows them.
    metric = {}
    ---@param name string
    ---@param amount? number Default: 1.
    ---@param labels? table<string, string|number|boolean>
    ---@return true?, string? why
    function metric.counter(name, amount, labels) end
    ---@param name string
    ---@param value number
    ---@param labels? table<string, string|number|boolean>
    ---@return true?, string? why
    function metric.gauge(name, value, labels) end

    ---@class (exact) moondial.ExecOptions
    ---@field timeout? moondial.Duration
    ---@field cwd? string
    ---@field env? table<string, string|number|boolean> Needs the grant `exec_env`.
    ---@field stdin? string
    ---@field max_output? integer Bytes of each output that are kept. Default: 1 MB.
    ---@field on_stdout? "debug"|"info"|"warn"|"error"|fun(line: string) Is given each line as it comes.
    ---@field on_stderr? "debug"|"info"|"warn"|"error"|fun(line: string)

    ---@class moondial.ExecResult
    ---@field code integer 128 + n after signal n.
    ---@field signal? integer
    ---@field stdout string
    ---@field stderr string
    ---@field timed_out boolean
    ---@field truncated boolean
    ---@field stdout_omitted integer Bytes that are missing.
    ---@field stderr_omitted integer
    ---@field codes? integer[] Of a pipeline: the code of each program.

    ---Runs a program, or a pipeline of several, without a shell and waits for the end. Needs the grant `exec`.
    ---@async
    ---@param command (string|number)[]|(string|number)[][]
    ---@param options? moondial.ExecOptions
    ---@return moondial.ExecResult? result, string? why
    function exec(command, options) end

    ---Files below the directories of the grant `fs`.
    fs = {}
    ---@param path string
    ---@param options? { max: integer? }
    ---@return string? bytes, string? why
    function fs.read(path, options) end
    ---Replaces the file as a whole.
    ---@param path string
    ---@param bytes string
    ---@return true?, string? why
    function fs.write(path, bytes) end
    ---@param path string
    ---@param bytes string
    ---@param options? { sync: boolean? }
    ---@return true?, string? why
    function fs.append(path, bytes, options) end
    ---@param path string
    ---@return { name: string, kind: string }[]? entries, string? why
    function fs.list(path) end
    ---@param path string
    ---@return { kind: string, size: integer, modified: number }? status, string? why
    function fs.stat(path) end
    ---@param path string
    ---@return boolean? removed, string? why
    function fs.remove(path) end
    ---Another name, also in another directory. What has it gives way as a whole.
    ---@param path string
    ---@param new string
    ---@return true?, string? why
    function fs.rename(path, new) end
    ---@param path string With its parents.
    ---@return true?, string? why
    function fs.mkdir(path) end
    ---Copies a file; the new one is there as a whole.
    ---@async
    ---@param from string
    ---@param to string
    ---@return integer? bytes, string? why
    function fs.copy(from, to) end
    ---Gives a file or directory another place; between file systems a file is copied.
    ---@async
    ---@param from string
    ---@param to string
    ---@return true?, string? why
    function fs.move(from, to) end
    ---@async
    ---@param pattern string `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any directories.
    ---@return string[]? paths, string? why Sorted.
    function fs.glob(pattern) end
    ---A file or directory that is gone when the run has ended.
    ---@async
    ---@param options? { directory: string?, suffix: string?, kind: "file"|"directory"? }
    ---@return string? path, string? why
    function fs.temp(options) end
    ---The lines of a file, without their ends, read as they are needed.
    ---@async
    ---@param path string
    ---@return fun(): string?, integer?
    function fs.lines(path) end
    ---A file in pieces of 64 KB.
    ---@async
    ---@param path string
    ---@return fun(): string?
    function fs.chunks(path) end

    ---@class moondial.SQLiteError Reads as its message.
    ---@field kind "busy"|"constraint"|"read_only"|"full"|"corrupt"|"interrupted"|"denied"|"file"|"too_large"|"type"|"sql"|"stopped"
    ---@field message string


    """
}
