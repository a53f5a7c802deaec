extension EditorFiles {
  /// The second half of the types of what exists in a run.
  static let dataModuleStubs = """
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

    ---Sends a notice to a target of `notify` in moondial.lua.
    ---@async
    ---@param target string
    ---@param subject string
    ---@param options? { text: string?, fields: table<string, any>? }
    ---@return true? ok, { kind: string, message: string }? err
    function notify(target, subject, options) end
    """
}
