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

  static func module(_ children: ChildProcesses) -> LuaModule {
    let exec = LuaFunction.host("exec", as: "exec") { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let words = try words(call, arguments)
      let services = run.services
      let grants = services.grants(run.script)
      guard grants.exec != .none else { throw refusal(words[0], nil, run.script, arguments) }
      let options = try arguments.options(
        call, 2, ["timeout", "cwd", "env", "stdin", "max_output"], bytes: run.answers.largestAnswer)
      let limit = try options.size("max_output", of: run, standard: outputLimit)
      let timeout = try options.duration("timeout")
      let directory = try options.bytes("cwd") ?? [UInt8(ascii: ".")]
      guard !directory.isEmpty, !directory.contains(0) else {
        throw arguments.misuse("cwd is not empty and has no zero byte")
      }
      let command = ChildCommand(
        program: words[0], arguments: words, environment: try environment(options, run, grants, arguments),
        directory: PlainPath.absolute(directory, from: Array(services.baseDirectory.utf8)),
        input: try options.bytes("stdin"))
      // One room for what goes in and what comes out.
      let room = try arguments.hold(command.input?.count ?? 0, for: call)
      let until = timeout.map { services.monotonic.now.advanced(byNanoseconds: $0).nanoseconds } ?? .max
      let finder = ProgramFinder(
        searchPath: services.environment("PATH") ?? ProgramFinder.defaultPath, base: services.baseDirectory)
      let script = run.script
      let request = ExecRequest(command, room, limit: limit, until: until, children, services) { word in
        // Looking for the program is file work, and what it is decides whether it is granted.
        let file = finder.file(word)
        if case .some(let patterns) = grants.exec, !finder.allows(word, file, patterns) {
          return .failure(.raise(refusal(word, file, script, arguments).message))
        }
        guard let file, file.isExecutable else { return .failure(.refuse(missing(word, services))) }
        return .success(file.path)
      }
      return call.suspend(request)
    }
    return LuaModule("", functions: [exec])
  }

  private static func missing(_ word: [UInt8], _ services: HostServices) -> String {
    let place = word.contains(PlainPath.slash) ? "" : " in \(services.environment("PATH") ?? ProgramFinder.defaultPath)"
    return "there is no program \"\(text(word))\" that may be executed\(place)"
  }

  private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

  /// The sentence for a program that is not granted. What it is called in truth stands in it, once that is known.
  private static func refusal(
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

  private static func words(_ call: borrowing LuaCall, _ arguments: Arguments) throws(Misuse) -> [[UInt8]] {
    guard call.type(1) == .table, case .table(let table) = try arguments.value(call, 1), table.isSequence else {
      throw arguments.misuse(
        "expected a list of words as argument 1, like { \"ls\", \"-l\" }; there is no shell that would split a line")
    }
    var words: [[UInt8]] = []
    for (index, value) in table.array.enumerated() {
      switch value {
      case .string(let text): words.append(text.bytes)
      case .integer(let number): words.append(Array(String(number).utf8))
      case .number(let number): words.append(Array(String(number).utf8))
      default: throw arguments.misuse("word \(index + 1) of the command is \(value.typeName), expected a string")
      }
      if words[index].contains(0) { throw arguments.misuse("word \(index + 1) of the command contains a zero byte") }
    }
    guard let program = words.first, !program.isEmpty else { throw arguments.misuse("the command is empty") }
    return words
  }

  private static func environment(
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
