extension EditorFiles {
  /// The entries of json, hash, csv and template.
  static let textStubs = #"""
    json = {}
    ---@type lightuserdata What JSON's `null` is in a table.
    json.null = nil
    ---A value as JSON; keys are sorted.
    ---```lua
    ---assert(json.encode({ b = { 1, 2 }, a = true }) == '{"a":true,"b":[1,2]}')
    ---```
    ---@param value any
    ---@param options? { pretty: boolean? }
    ---@return string
    function json.encode(value, options) end

    ---Reads JSON; nil and why, with line and column, for what is none.
    ---```lua
    ---assert(json.decode('{"x": [1, 2.5]}').x[2] == 2.5)
    ---local value, why = json.decode("{")
    ---assert(value == nil and why)
    ---```
    ---@param text string
    ---@return any value, string? why
    function json.decode(text) end

    ---Says of an empty table that it is a list.
    ---```lua
    ---assert(json.encode(json.array({})) == "[]")
    ---```
    ---@generic T: table
    ---@param list T An empty table that is a list.
    ---@return T
    function json.array(list) end

    ---Says of an empty table that it is an object.
    ---```lua
    ---assert(json.encode(json.object({})) == "{}")
    ---```
    ---@generic T: table
    ---@param fields T An empty table that is an object.
    ---@return T
    function json.object(fields) end

    hash = {}
    ---SHA-256.
    ---```lua
    ---assert(hash.sha256("abc"):sub(1, 8) == "ba7816bf")
    ---```
    ---@param bytes string
    ---@return string hexadecimal
    function hash.sha256(bytes) end

    ---SHA-512.
    ---```lua
    ---assert(#hash.sha512("abc") == 128)
    ---```
    ---@param bytes string
    ---@return string hexadecimal
    function hash.sha512(bytes) end

    ---MD5. Against accidents and for old protocols, not against people.
    ---```lua
    ---assert(hash.md5("") == "d41d8cd98f00b204e9800998ecf8427e")
    ---```
    ---@param bytes string
    ---@return string hexadecimal
    function hash.md5(bytes) end

    ---CRC-32, as gzip and PNG have it.
    ---```lua
    ---assert(hash.crc32("123456789") == 3421780262)
    ---```
    ---@param bytes string
    ---@return integer
    function hash.crc32(bytes) end

    ---Whether two strings are equal, in a time that does not tell where they differ.
    ---```lua
    ---local signature = hash.hmac("key", "body")
    ---assert(hash.equal(signature, hash.hmac("key", "body")))
    ---```
    ---@param a string
    ---@param b string
    ---@return boolean
    function hash.equal(a, b) end

    ---Random bytes, fit for keys.
    ---```lua
    ---local key = hash.hex(hash.random(16))
    ---assert(#key == 32)
    ---```
    ---@param count integer Up to 1 MB.
    ---@return string bytes Fit for keys.
    function hash.random(count) end

    ---HMAC-SHA-256, for signatures.
    ---```lua
    ---local signature = hash.hmac("key", "what is signed")
    ---assert(#signature == 64)
    ---```
    ---@param key string
    ---@param bytes string
    ---@return string hexadecimal HMAC-SHA-256.
    function hash.hmac(key, bytes) end

    ---Bytes in hexadecimal.
    ---```lua
    ---assert(hash.hex("moon") == "6d6f6f6e")
    ---```
    ---@param bytes string
    ---@return string
    function hash.hex(bytes) end

    ---Bytes from hexadecimal.
    ---```lua
    ---assert(hash.unhex("6d6f6f6e") == "moon")
    ---```
    ---@param text string
    ---@return string? bytes, string? why
    function hash.unhex(text) end

    ---Bytes in base64.
    ---```lua
    ---assert(hash.base64("moon") == "bW9vbg==")
    ---```
    ---@param bytes string
    ---@return string
    function hash.base64(bytes) end

    ---Bytes from base64.
    ---```lua
    ---assert(hash.unbase64("bW9vbg==") == "moon")
    ---assert(hash.unbase64("?") == nil)
    ---```
    ---@param text string
    ---@return string? bytes, string? why
    function hash.unbase64(text) end

    ---A random UUID (version 4).
    ---```lua
    ---log.info("request " .. hash.uuid())
    ---```
    ---@return string
    function hash.uuid() end

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
    ---Rows of a text.
    ---```lua
    ---local rows = csv.decode("name,age\nann,41\n", { header = true })
    ---assert(rows[1].age == "41")
    ---local none, why = csv.decode('a,"b')
    ---assert(none == nil and why)
    ---```
    ---@param text string
    ---@param options? moondial.CSVOptions
    ---@return table[]? rows, string? why
    function csv.decode(text, options) end

    ---Rows as text.
    ---```lua
    ---assert(csv.encode({ { "x", "y,z" } }, { eol = "\n" }) == 'x,"y,z"\n')
    ---```
    ---@param rows table[]
    ---@param options? moondial.CSVOptions
    ---@return string
    function csv.encode(rows, options) end

    ---Rows one by one, of a text or of a function that answers pieces of one, such as `fs.chunks(path)`.
    ---```lua
    ---for row, line in csv.rows("a\n\nb") do
    ---  log.info(line .. ": " .. tostring(row[1]))
    ---end
    ---```
    ---@param source string|fun(): string?
    ---@param options? moondial.CSVOptions
    ---@return fun(): table?, integer? A row and the line that it begins on.
    function csv.rows(source, options) end

    ---@class (exact) moondial.TemplateOptions
    ---@field escape? "html"|"url"|"json"|"shell"|"sql"|"csv"|"none" Default: "html".
    ---@field missing? "error"|"empty" What a name without a value does. Default: "error".

    ---Text with holes: `{{name}}`, `{{a.b}}`, `{{name | url}}`, `{{{raw}}}`, `{{#list}} … {{/list}}`, `{{^empty}} … {{/empty}}`, `{{! comment}}`.
    template = {}
    ---Fills a template once.
    ---```lua
    ---assert(template.render("Dear {{name}},", { name = "Ann & Bob" }) == "Dear Ann &amp; Bob,")
    ---```
    ---@param text string
    ---@param values? table
    ---@param options? moondial.TemplateOptions
    ---@return string
    function template.render(text, values, options) end

    ---A template as a function, for many uses.
    ---```lua
    ---local link = template.compile("https://example.org/?q={{q}}", { escape = "url" })
    ---assert(link({ q = "a b" }) == "https://example.org/?q=a%20b")
    ---```
    ---@param text string
    ---@param options? moondial.TemplateOptions
    ---@return fun(values?: table): string
    function template.compile(text, options) end
    """#
}
