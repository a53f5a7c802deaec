extension EditorFiles {
  /// The entries of http, mail and notify.
  static let networkStubs = #"""
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
    ---```lua
    ---local ok, err = mail.send {
    ---  server = "smtp.example.org",
    ---  from = "host@example.org",
    ---  to = "ann@example.org",
    ---  subject = "Nightly report",
    ---  text = "All is well.",
    ---}
    ---if not ok then log.warn("not sent: " .. err.message) end
    ---```
    ---@async
    ---@param message moondial.Mail
    ---@return true?, { kind: string, message: string }? err
    function mail.send(message) end

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
    ---Asks for what is at an address.
    ---```lua
    ---local res, err = http.get("https://api.example.org/prices", { query = { of = "tea" }, timeout = "5s" })
    ---if not res then return ctx:retry(err) end
    ---if res.ok then log.info(res.body) end
    ---```
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.get(url, options) end

    ---As `get`, without the content.
    ---```lua
    ---local res = assert(http.head("https://api.example.org/archive.tar.gz"))
    ---log.info("size", { bytes = res.headers["content-length"] })
    ---```
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.head(url, options) end

    ---Hands something over.
    ---```lua
    ---local res = assert(http.post("https://api.example.org/orders", { json = { tea = 2 } }))
    ---assert(res.ok, res.status)
    ---```
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.post(url, options) end

    ---Replaces what is at an address.
    ---```lua
    ---assert(http.put("https://api.example.org/note", { body = "milk" }))
    ---```
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.put(url, options) end

    ---Changes a part of what is at an address.
    ---```lua
    ---assert(http.patch("https://api.example.org/orders/7", { json = { state = "sent" }, retry = 2 }))
    ---```
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.patch(url, options) end

    ---Removes what is at an address.
    ---```lua
    ---assert(http.delete("https://api.example.org/orders/7", { bearer = "word" }))
    ---```
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.delete(url, options) end

    ---Asks what may be done with an address.
    ---```lua
    ---assert(http.options("https://api.example.org/orders"))
    ---```
    ---@async
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.options(url, options) end

    ---Any method.
    ---```lua
    ---local res = assert(http.request("REPORT", "https://api.example.org/calendar", { body = "<x/>" }))
    ---log.info("answered", { status = res.status })
    ---```
    ---@async
    ---@param method string
    ---@param url string
    ---@param options? moondial.HTTPOptions
    ---@return moondial.HTTPResponse? response, moondial.HTTPError? err
    function http.request(method, url, options) end

    ---Sends a notice to a target of `notify` in moondial.lua.
    ---```lua
    ---local ok, err = notify("ops", "backup is late", { text = "the disk is full", fields = { free = 0 } })
    ---if not ok then log.warn(err.message) end
    ---```
    ---@async
    ---@param target string
    ---@param subject string
    ---@param options? { text: string?, fields: table<string, any>? }
    ---@return true? ok, { kind: string, message: string }? err
    function notify(target, subject, options) end
    """#
}
