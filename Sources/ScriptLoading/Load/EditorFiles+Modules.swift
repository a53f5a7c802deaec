extension EditorFiles {
  /// Types of what exists in a run: the modules of the host. A test holds them against the sandbox, so that none is
  /// forgotten.
  static let moduleStubs = """
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

    ---@class moondial.ExecResult
    ---@field code integer 128 + n after signal n.
    ---@field signal? integer
    ---@field stdout string
    ---@field stderr string
    ---@field timed_out boolean
    ---@field truncated boolean
    ---@field stdout_omitted integer Bytes that are missing.
    ---@field stderr_omitted integer

    ---Runs a program without a shell and waits for its end. Needs the grant `exec`.
    ---@param command (string|number)[]
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

    ---A database that is open until it is closed, or the run has ended.
    ---@class moondial.Database
    local Database = {}
    ---All rows, as tables by column; NULL is left out.
    ---@async
    ---@param sql string One statement.
    ---@param values? any[]|table<string, any> For `?`, or for `:name`.
    ---@param options? { max: integer? } Bytes that the rows may take. Default: 16 MB.
    ---@return table<string, any>[]? rows, moondial.SQLiteError? err
    function Database:query(sql, values, options) end
    ---The first row, or nil.
    ---@async
    ---@param sql string
    ---@param values? any[]|table<string, any>
    ---@return table<string, any>? row, moondial.SQLiteError? err
    function Database:first(sql, values) end
    ---@async
    ---@param sql string
    ---@param values? any[]|table<string, any>
    ---@return { changes: integer, last_id: integer }? done, moondial.SQLiteError? err
    function Database:run(sql, values) end
    ---What `body` does lands as a whole, or, when it fails or answers nil and why, not at all.
    ---@async
    ---@generic T
    ---@param body fun(db: moondial.Database): T?, any
    ---@return T? value, any err
    function Database:transaction(body) end
    function Database:close() end

    ---SQLite databases in files below the directories of the grant `fs`.
    sqlite = {}
    ---@async
    ---@param path string
    ---@param options? { read_only: boolean?, create: boolean?, busy_timeout: moondial.Duration? }
    ---@return moondial.Database? db, moondial.SQLiteError? err
    function sqlite.open(path, options) end

    ---@class (exact) moondial.Mail
    ---@field server string `HOST` or `HOST:PORT`. Required.
    ---@field security? "starttls"|"tls"|"none" Default: "tls" with port 465, else "starttls".
    ---@field verify? boolean Whether the certificate is. Default: true.
    ---@field ca? string A file of authorities, instead of the system's.
    ---@field user? string
    ---@field password? string
    ---@field from string `ann@example.org` or `Ann <ann@example.org>`. Required.
    ---@field to? string|string[]
    ---@field cc? string|string[]
    ---@field bcc? string|string[]
    ---@field reply_to? string
    ---@field subject? string
    ---@field text? string
    ---@field html? string
    ---@field headers? table<string, string>
    ---@field attachments? { path: string?, content: string?, name: string?, type: string? }[]
    ---@field timeout? moondial.Duration Default: "1m".

    mail = {}
    ---Sends a message to a mail server (SMTP). Needs the grant `mail`.
    ---@async
    ---@param message moondial.Mail
    ---@return true?, { kind: string, message: string }? err
    function mail.send(message) end

    ---@class (exact) moondial.CSVOptions
    ---@field header? boolean|string[] `true`: the first row has the names; or the names. Rows are then tables by name.
    ---@field delimiter? string One character. Default: ",".
    ---@field quote? string|false One character. Default: '"'.
    ---@field escape? string One character, such as a backslash.
    ---@field comment? string Lines that begin with it are left out.
    ---@field trim? boolean Spaces around fields are left out.
    ---@field ragged? boolean Rows may have fewer or more fields than the header.
    ---@field eol? string Of `encode`. Default: CR and LF.
    ---@field quote_all? boolean Of `encode`.
    ---@field safe? boolean Of `encode`: what a spreadsheet would take for a formula gets a ' before it.

    ---Comma-separated values (RFC 4180) and their relatives.
    csv = {}
    ---@param text string
    ---@param options? moondial.CSVOptions
    ---@return table[]? rows, string? why
    function csv.decode(text, options) end
    ---@param rows table[]
    ---@param options? moondial.CSVOptions
    ---@return string
    function csv.encode(rows, options) end
    ---Rows one by one, of a text or of a function that answers pieces of one, such as `fs.chunks(path)`.
    ---@param source string|fun(): string?
    ---@param options? moondial.CSVOptions
    ---@return fun(): table?, integer? A row and the line that it begins on.
    function csv.rows(source, options) end

    ---@class (exact) moondial.TemplateOptions
    ---@field escape? "html"|"url"|"json"|"shell"|"sql"|"csv"|"none" Default: "html".
    ---@field missing? "error"|"empty" What a name without a value does. Default: "error".

    ---Text with holes: `{{name}}`, `{{a.b}}`, `{{name | url}}`, `{{{raw}}}`, `{{#list}} … {{/list}}`, `{{^empty}} … {{/empty}}`, `{{! comment}}`.
    template = {}
    ---@param text string
    ---@param values? table
    ---@param options? moondial.TemplateOptions
    ---@return string
    function template.render(text, values, options) end
    ---@param text string
    ---@param options? moondial.TemplateOptions
    ---@return fun(values?: table): string
    function template.compile(text, options) end

    ---@class (exact) moondial.HTTPOptions
    ---@field headers? table<string, string|number|boolean|string[]>
    ---@field query? table<string, string|number|boolean|(string|number|boolean)[]> Added to the URL's, escaped.
    ---@field body? string The content as it is.
    ---@field json? any The content, as JSON.
    ---@field form? table<string, string|number|boolean|(string|number|boolean)[]> The content, as of a form.
    ---@field multipart? table<string|integer, string|number|boolean|moondial.HTTPPart> The content, in parts.
    ---@field body_file? string The content is this file's. Needs the grant `fs`.
    ---@field save_to? string The answer's content goes into this file. Needs the grant `fs`.
    ---@field max? integer Bytes that the answer may have. Default: 16 MB, and 1 GB with `save_to`.
    ---@field timeout? moondial.Duration Of the whole call, with redirects and retries. Default: "1m".
    ---@field connect_timeout? moondial.Duration Of each connection. Default: "10s".
    ---@field first_byte_timeout? moondial.Duration From the end of the request to the beginning of the answer.
    ---@field redirects? integer|false How many are followed. Default: 10.
    ---@field retry? integer|{ max: integer?, base: moondial.Duration?, cap: moondial.Duration? } Attempts after the first one. Default: none.
    ---@field auth? { user: string, password: string? } Basic authentication.
    ---@field bearer? string
    ---@field verify? boolean Whether certificates are. Default: true.
    ---@field ca? string A file of authorities, instead of the system's.
    ---@field cert? string A file with the client's certificate.
    ---@field key? string A file with its key, when that is not in `cert`.
    ---@field key_password? string
    ---@field decompress? boolean Default: true.
    ---@field cookies? boolean Whether those of the run are sent and kept. Default: false.
    ---@field version? "1.1"|"2"|"2-plain"

    ---@class (exact) moondial.HTTPPart
    ---@field name? string Where the parts are a list.
    ---@field content? string|number|boolean
    ---@field file? string
    ---@field filename? string
    ---@field type? string

    ---@class moondial.HTTPResponse
    ---@field status integer
    ---@field ok boolean Whether the status is from 200 to 299.
    ---@field headers table<string, string> Names in any spelling; `set-cookie` is a list.
    ---@field body? string nil with `save_to`.
    ---@field url string Where the answer came from.
    ---@field version string
    ---@field attempts integer
    ---@field redirects integer
    ---@field json fun(self: moondial.HTTPResponse): any, string?

    ---@class moondial.HTTPError Reads as its message.
    ---@field kind "denied"|"dns"|"connect"|"connect_timeout"|"first_byte_timeout"|"timeout"|"tls"|"proxy"|"protocol"|"closed"|"encoding"|"too_large"|"redirect"|"file"|"stopped"|"failed"
    ---@field message string
    ---@field url string
    ---@field attempts integer

    ---Requests to other hosts. Needs the grant `http`.
    http = {}
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.get(url, options) end
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.head(url, options) end
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.post(url, options) end
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.put(url, options) end
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.patch(url, options) end
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.delete(url, options) end
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.options(url, options) end
    ---@async
    ---@param method string
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.request(method, url, options) end

    env = {}
    ---A variable of the host's environment. Needs the grant `env`.
    ---@param name string
    ---@param default? any
    ---@return any
    function env.get(name, default) end

    ---A secret: a file, a variable, or what the host's command says. Needs the grant `secret`; the value is hidden in the log
    ---and the history.
    ---@param name string
    ---@return string? value, string? why
    function secret(name) end

    """
}
