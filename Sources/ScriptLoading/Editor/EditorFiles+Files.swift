extension EditorFiles {
  /// The entries of fs and sqlite.
  static let filesStubs = #"""
    ---Files below the directories of the grant `fs`.
    fs = {}
    ---The content of a file, up to 16 MB unless told.
    ---```lua
    ---fs.write("note.txt", "milk")
    ---assert(fs.read("note.txt") == "milk")
    ---local bytes, why = fs.read("absent.txt")
    ---assert(bytes == nil and why)
    ---```
    ---@async
    ---@param path string
    ---@param options? { max: integer? }
    ---@return string? bytes, string? why
    function fs.read(path, options) end

    ---Replaces the file as a whole.
    ---```lua
    ---assert(fs.write("report.txt", "all is well\n"))
    ---```
    ---@async
    ---@param path string
    ---@param bytes string
    ---@return true?, string? why
    function fs.write(path, bytes) end

    ---Writes at the end of a file, which is made when it is not there.
    ---```lua
    ---fs.append("events.log", "began\n")
    ---fs.append("events.log", "ended\n", { sync = true })
    ---assert(fs.read("events.log") == "began\nended\n")
    ---```
    ---@async
    ---@param path string
    ---@param bytes string
    ---@param options? { sync: boolean? }
    ---@return true?, string? why
    function fs.append(path, bytes, options) end

    ---What is in a directory.
    ---```lua
    ---fs.mkdir("in")
    ---fs.write("in/a.csv", "1")
    ---assert(fs.list("in")[1].name == "a.csv")
    ---```
    ---@async
    ---@param path string
    ---@return { name: string, kind: string }[]? entries, string? why
    function fs.list(path) end

    ---What a path is; nil and why where nothing is.
    ---```lua
    ---fs.write("a.txt", "123")
    ---assert(fs.stat("a.txt").size == 3)
    ---```
    ---@async
    ---@param path string
    ---@return { kind: string, size: integer, modified: number }? status, string? why
    function fs.stat(path) end

    ---Removes a file or an empty directory; false when nothing was there.
    ---```lua
    ---fs.write("old.txt", "")
    ---assert(fs.remove("old.txt"))
    ---assert(fs.remove("old.txt") == false)
    ---```
    ---@async
    ---@param path string
    ---@return boolean? removed, string? why
    function fs.remove(path) end

    ---Another name, also in another directory. What has it gives way as a whole.
    ---```lua
    ---fs.write("draft.txt", "x")
    ---assert(fs.rename("draft.txt", "final.txt"))
    ---```
    ---@async
    ---@param path string
    ---@param new string
    ---@return true?, string? why
    function fs.rename(path, new) end

    ---Makes a directory.
    ---```lua
    ---assert(fs.mkdir("archive/2027"))
    ---```
    ---@async
    ---@param path string With its parents.
    ---@return true?, string? why
    function fs.mkdir(path) end

    ---Copies a file; the new one is there as a whole.
    ---```lua
    ---fs.write("from.txt", "12")
    ---assert(fs.copy("from.txt", "to.txt") == 2)
    ---```
    ---@async
    ---@param from string
    ---@param to string
    ---@return integer? bytes, string? why
    function fs.copy(from, to) end

    ---Gives a file or directory another place; between file systems a file is copied.
    ---```lua
    ---fs.write("in.csv", "1")
    ---fs.mkdir("done")
    ---assert(fs.move("in.csv", "done/in.csv"))
    ---```
    ---@async
    ---@param from string
    ---@param to string
    ---@return true?, string? why
    function fs.move(from, to) end

    ---The paths that match a pattern.
    ---```lua
    ---fs.write("a.csv", "")
    ---assert(fs.glob("*.csv")[1] == "a.csv")
    ---```
    ---@async
    ---@param pattern string `*`, `?`, `[a-z]`, `{a,b}`, and `**` for any directories.
    ---@return string[]? paths, string? why Sorted.
    function fs.glob(pattern) end

    ---A file or directory that is gone when the run has ended.
    ---```lua
    ---local path = assert(fs.temp({ suffix = ".csv" }))
    ---fs.write(path, "1,2\n")
    ---```
    ---@async
    ---@param options? { directory: string?, suffix: string?, kind: "file"|"directory"? }
    ---@return string? path, string? why
    function fs.temp(options) end

    ---The lines of a file, without their ends, read as they are needed.
    ---```lua
    ---fs.write("names.txt", "ann\nbob\n")
    ---local n = 0
    ---for line in fs.lines("names.txt") do n = n + #line end
    ---assert(n == 6)
    ---```
    ---@async
    ---@param path string
    ---@return fun(): string?, integer?
    function fs.lines(path) end

    ---A file in pieces of 64 KB.
    ---```lua
    ---fs.write("data.csv", "a,b\n1,2\n")
    ---for row in csv.rows(fs.chunks("data.csv"), { header = true }) do
    ---  assert(row.b == "2")
    ---end
    ---```
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
    ---Opens a database, which is made when it is not there.
    ---```lua
    ---local db = assert(sqlite.open("orders.db"))
    ---db:run("CREATE TABLE orders (id INTEGER PRIMARY KEY, sum REAL)")
    ---db:run("INSERT INTO orders (sum) VALUES (?)", { 12.5 })
    ---assert(db:first("SELECT sum FROM orders WHERE id = :id", { id = 1 }).sum == 12.5)
    ---db:close()
    ---```
    ---@async
    ---@param path string
    ---@param options? { read_only: boolean?, create: boolean?, busy_timeout: moondial.Duration? }
    ---@return moondial.Database? db, moondial.SQLiteError? err
    function sqlite.open(path, options) end
    """#
}
