extension EditorFiles {
  /// The entries of exec, env and secret.
  static let programsStubs = #"""
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
    ---```lua
    ---local r = assert(exec({ "sh", "-c", "echo out; exit 3" }, { timeout = "10s" }))
    ---assert(r.code == 3 and r.stdout == "out\n")
    ---local piped = assert(exec({ { "printf", "b\\na\n" }, { "sort" } }))
    ---assert(piped.stdout == "a\nb\n")
    ---```
    ---@async
    ---@param command (string|number)[]|(string|number)[][]
    ---@param options? moondial.ExecOptions
    ---@return moondial.ExecResult? result, string? why
    function exec(command, options) end

    env = {}
    ---A variable of the host's environment. Needs the grant `env`.
    ---```lua
    ---local home = env.get("HOME", "/")
    ---assert(home)
    ---```
    ---@param name string
    ---@param default? any
    ---@return any
    function env.get(name, default) end

    ---A secret: a file, a variable, or what the host's command says. Needs the grant `secret`; the value is hidden in the log
    ---and the history.
    ---```lua
    ---local token, why = secret("api_token")
    ---if not token then log.warn(why) end
    ---```
    ---@async
    ---@param name string
    ---@return string? value, string? why
    function secret(name) end
    """#
}
