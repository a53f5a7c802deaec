internal import Basics
internal import Chronology
internal import FileWatching
internal import Lua
internal import ScriptRuntime

/// `exec({ "program", "argument", … }, { timeout, cwd, env, stdin, max_output })`: runs a program and waits for its
/// end, without a shell and without holding a worker.
enum ExecModule {
  /// Bytes of standard output, and of standard error, that are kept unless `max_output` says otherwise.
  static let outputLimit = 1 << 20
  /// What a child gets of the host's environment; more only through `env`.
  static let inherited = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"]

  /// What pipelines need comes before what has it.
  static func modules(_ children: ChildProcesses) -> [LuaModule] {
    let exec = LuaFunction.host("exec", as: "exec") { call, arguments throws(Misuse) in
      let words = try words(call, 1, arguments)
      let draft = try ExecDraft(call, [words], arguments)
      // One room for what goes in and what comes out.
      let room = try arguments.hold(draft.commands[0].input?.count ?? 0, for: call)
      let request = ExecRequest(
        draft.commands[0], room, limit: draft.limit, until: draft.until, children, draft.services
      ) { command in draft.resolved(command) }
      return call.suspend(request)
    }
    return [
      LuaModule.lazy("__exec", ["run"], natives: pipelines(children), source: LuaModule.guarding + source),
      LuaModule("", functions: [exec], prelude: prelude),
    ]
  }

  // MARK: Pipelines, and lines as they come

  /// Lua, since the functions that are given lines are.
  private static let prelude = """
    local g = ...
    local plain, late, type = g.exec, g.__exec.run, type
    g.__exec = nil
    function g.exec(words, options)
      if type(words) == "table" and type(words[1]) == "table"
        or type(options) == "table" and (options.on_stdout ~= nil or options.on_stderr ~= nil)
      then
        return late(words, options)
      end
      return plain(words, options)
    end
    """

  private static let source = """
    local n = ...
    local start, more, shut, pairs, type, setmetatable = n.__start, n.__more, n.__close, pairs, type, setmetatable
    local levels = { debug = log.debug, info = log.info, warn = log.warn, error = log.error }
    local function teller(option, name)
      if option == nil or type(option) == "function" then return option end
      local level = levels[option]
      if not level then
        fail("exec: options." .. name .. ": expected a function, or a level of the log (debug, info, warn, error)")
      end
      return function(line) level(line) end
    end
    return { run = guard(function(words, options)
      local plain = {}
      for key, value in pairs(options or plain) do plain[key] = value end
      local out, err = teller(plain.on_stdout, "on_stdout"), teller(plain.on_stderr, "on_stderr")
      plain.on_stdout, plain.on_stderr = nil, nil
      local number, why = start(words, plain, out ~= nil, err ~= nil)
      if type(number) == "table" then
        -- The answer of a test.
        for line in (out and number.stdout or ""):gmatch "[^\\n]+" do out(line) end
        for line in (err and number.stderr or ""):gmatch "[^\\n]+" do err(line) end
        return number
      end
      if not number then return nil, why end
      local closer <close> = setmetatable({}, { __close = function() shut(number) end })
      while true do
        local lines, result, problem = more(number)
        if not lines then return result, problem end
        for i = 1, #lines do
          local line = lines[i]
          if line[2] then err(line[1]) else out(line[1]) end
        end
      end
    end) }
    """

  private static func pipelines(_ children: ChildProcesses) -> [LuaFunction] {
    [
      LuaFunction.host("__start", as: "exec") { call, arguments throws(Misuse) in
        try start(&call, arguments, children)
      },
      LuaFunction.host("__more", as: "exec") { call, arguments throws(Misuse) in
        let number = Int(clamping: call.integer(1) ?? 0)
        guard let waited = RunPipelines.of(try arguments.run(call))[number] else {
          throw arguments.misuse("the programs belong to another run")
        }
        return call.suspend(PipelineRequest(waited))
      },
      LuaFunction.host("__close", as: "exec") { call, arguments throws(Misuse) in
        RunPipelines.of(try arguments.run(call)).close(Int(clamping: call.integer(1) ?? 0))
        return .none
      },
    ]
  }

  /// Programs of one pipeline.
  private static let mostStages = 16

  /// `(words or lists of words, options, whether lines of standard output are wanted, and of standard error)`.
  private static func start(
    _ call: inout LuaCall, _ arguments: Arguments, _ children: ChildProcesses
  ) throws(Misuse) -> LuaReturn {
    let run = try arguments.run(call)
    let draft = try ExecDraft(call, try stages(call, arguments), arguments)
    let (out, err) = (call.bool(3) ?? false, call.bool(4) ?? false)
    let stream = out || err ? ChildStream(output: out, errors: err) : nil
    // What waits for the script counts from the beginning: it is bounded.
    let held = (draft.commands[0].input?.count ?? 0) + (stream == nil ? 0 : ChildStream.most)
    let first = try arguments.hold(held, for: call)
    let rooms = [first] + draft.commands.dropFirst().map { _ in run.answers.room() }
    let pipelines = RunPipelines.of(run)
    let pool = run.services.blockingPool
    let pipeline = ChildPipeline(draft.commands.count, children, stream: stream)
    return call.suspend(
      HeldRequest(
        begin: { request in
          let wake = request.wake
          let isTaken = pool.run {
            var commands: [ChildCommand] = []
            for command in draft.commands {
              switch draft.resolved(command) {
              case .success(let found): commands.append(found)
              case .failure(.raise(let message)):
                request.complete(raising: message)
                return
              case .failure(.refuse(let message)):
                request.complete(refusing: message)
                return
              case .failure(.answered): return
              }
            }
            let waited = ExecPipeline(
              pipeline: pipeline, names: draft.commands.map(\.program), directory: draft.commands[0].directory,
              rooms: rooms, until: draft.until)
            guard let number = pipelines.add(waited) else {
              request.complete(refusing: "a run has \(RunPipelines.most) of these under way at most")
              return
            }
            let problem = pipeline.start(
              commands, limit: draft.limit, rooms: rooms.map { OutputRoom(room: $0, wake: wake) })
            if let problem {
              pipelines.close(number)
              request.complete(refusing: problem)
            } else if !request.complete([.integer(Int64(number))]) {
              pipelines.close(number)
            }
          }
          if !isTaken { request.complete(refusing: pool.refusal) }
        }, release: { pipeline.abandon() }))
  }

  private static func stages(_ call: borrowing LuaCall, _ arguments: Arguments) throws(Misuse) -> [[[UInt8]]] {
    guard call.type(1) == .table, case .table(let table) = try arguments.value(call, 1),
      case .table? = table.array.first
    else { return [try words(call, 1, arguments)] }
    guard table.isSequence, table.array.count <= mostStages else {
      throw arguments.misuse("a pipeline is a list of at most \(mostStages) commands, each a list of words")
    }
    var stages: [[[UInt8]]] = []
    for (index, stage) in table.array.enumerated() {
      guard case .table(let list) = stage, list.isSequence else {
        throw arguments.misuse("command \(index + 1) of the pipeline is \(stage.typeName), expected a list of words")
      }
      stages.append(try words(list, " of command \(index + 1)", arguments))
    }
    return stages
  }

  // MARK: Words

  static func missing(_ word: [UInt8], _ services: HostServices) -> String {
    let place = word.contains(PlainPath.slash) ? "" : " in \(services.environment("PATH") ?? ProgramFinder.defaultPath)"
    return "there is no program \"\(text(word))\" that may be executed\(place)"
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// The sentence for a program that is not granted. What it is called in truth stands in it, once that is known.
  static func refusal(
    _ word: [UInt8], _ file: ProgramFile?, _ script: ScriptPath, _ arguments: Arguments
  ) -> Misuse {
    var what = "the program \(text(word))"
    var grant = text(word)
    if word.contains(PlainPath.slash), let file {
      grant = text(file.path)
      if file.path != word { what += " (\(text(file.path)))" }
      if file.target != file.path { what += ", which leads to \(text(file.target))" }
    }
    return arguments.misuse(Grants.refusal(of: what, to: script, grant: "exec = { \"\(grant)\" }"))
  }

  private static func words(
    _ call: borrowing LuaCall, _ index: Int, _ arguments: Arguments
  ) throws(Misuse) -> [[UInt8]] {
    guard call.type(index) == .table, case .table(let table) = try arguments.value(call, index), table.isSequence else {
      throw arguments.misuse(
        "expected a list of words as argument 1, like { \"ls\", \"-l\" }; there is no shell that would split a line")
    }
    return try words(table, " of the command", arguments)
  }

  private static func words(
    _ table: LuaTable, _ whose: String, _ arguments: Arguments
  ) throws(Misuse) -> [[UInt8]] {
    var words: [[UInt8]] = []
    for (index, value) in table.array.enumerated() {
      switch value {
      case .string(let text): words.append(text.bytes)
      case .integer(let number): words.append(Array(String(number).utf8))
      case .number(let number): words.append(Array(String(number).utf8))
      default: throw arguments.misuse("word \(index + 1)\(whose) is \(value.typeName), expected a string")
      }
      if words[index].contains(0) { throw arguments.misuse("word \(index + 1)\(whose) contains a zero byte") }
    }
    guard let program = words.first, !program.isEmpty else {
      throw arguments.misuse(
        whose == " of the command" ? "the command is empty" : "command\(whose.dropFirst(11)) of the pipeline is empty")
    }
    return words
  }

  static func environment(
    _ options: Options, _ run: RunContext, _ grants: Grants, _ arguments: Arguments
  ) throws(Misuse) -> [[UInt8]] {
    var variables: [(key: [UInt8], value: [UInt8])] = []
    let own = try options.byteStrings("env") ?? []
    for name in inherited.map({ Array($0.utf8) }) where !own.contains(where: { $0.key == name }) {
      if let value = run.services.environment(text(name)) { variables.append((name, Array(value.utf8))) }
    }
    for (name, value) in own {
      guard !name.isEmpty, !name.contains(UInt8(ascii: "=")), !name.contains(0), !value.contains(0) else {
        throw arguments.misuse("options.env: \"\(text(name))\" cannot be set: no = in names, no zero bytes")
      }
      try check(name, value, grants.execEnvironment, run.script, arguments)
      variables.append((name, value))
    }
    return variables.map { $0.key + [UInt8(ascii: "=")] + $0.value }
  }

  private static func check(
    _ name: [UInt8], _ value: [UInt8], _ granted: Grants.Names, _ script: ScriptPath, _ arguments: Arguments
  ) throws(Misuse) {
    let needsName = ProgramVariables.decide(name, value)
    switch granted {
    case .any: return
    case .none: break
    case .some(let patterns):
      let fits = patterns.contains { pattern in
        let pattern = Array(pattern.utf8)
        return needsName ? pattern == name : Grants.matches(name, pattern: pattern)
      }
      if fits { return }
    }
    let why = needsName ? " (it can make a program run others, so it needs its own name there, without *)" : ""
    throw arguments.misuse(
      Grants.refusal(
        of: "setting the variable \(text(name)) of a program\(why)", to: script,
        grant: "exec_env = { \"\(text(name))\" }"))
  }
}
