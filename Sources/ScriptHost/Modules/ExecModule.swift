internal import Chronology
internal import Executors
internal import Lua
internal import Synchronization

/// `exec({ "program", "argument", … }, { timeout, cwd, env, stdin, max_output })`: runs a program and waits for its
/// end, without a shell and without holding a worker.
enum ExecModule {
  /// Bytes of standard output, and of standard error, that are kept unless `max_output` says otherwise.
  static let outputLimit = 1 << 20
  /// What a child gets of the host's environment; more only through `env`.
  static let inherited = ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"]
  private static let defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

  static func module(_ children: ChildProcesses) -> LuaModule {
    let exec = LuaFunction.host("exec", as: "exec") { call, arguments throws(Misuse) in
      let run = try arguments.run(call)
      let words = try words(call, arguments)
      guard run.services.grants(run.script).exec.allows(words[0]) else {
        throw arguments.misuse(
          Grants.refusal(of: "the program \(words[0])", to: run.script, grant: "exec = { \"\(words[0])\" }"))
      }
      let options = try arguments.options(
        call, 2, ["timeout", "cwd", "env", "stdin", "max_output"], bytes: run.answers.largestAnswer)
      let limit = try options.bytes("max_output", of: run, standard: outputLimit)
      let timeout = try options.duration("timeout")
      let services = run.services
      let command = ChildCommand(
        program: words[0], arguments: words, environment: try environment(options, services, arguments),
        directory: PlainPath.absolute(try options.string("cwd") ?? ".", from: services.baseDirectory),
        input: try options.string("stdin").map { Array($0.utf8) })
      // One room for what goes in and what comes out.
      let room = try arguments.hold(command.input?.count ?? 0, for: call)
      let until = timeout.map { services.monotonic.now.advanced(byNanoseconds: $0).nanoseconds } ?? .max
      let path = services.environment("PATH") ?? defaultPath
      return call.suspend(ExecRequest(command, room, path: path, limit: limit, until: until, children, services))
    }
    return LuaModule("", functions: [exec])
  }

  private static func words(_ call: borrowing LuaCall, _ arguments: Arguments) throws(Misuse) -> [String] {
    guard call.type(1) == .table, case .table(let table) = try arguments.value(call, 1), table.isSequence else {
      throw arguments.misuse(
        "expected a list of words as argument 1, like { \"ls\", \"-l\" }; there is no shell that would split a line")
    }
    var words: [String] = []
    for (index, value) in table.array.enumerated() {
      switch value {
      case .string(let text): words.append(text.text)
      case .integer(let number): words.append(String(number))
      case .number(let number): words.append(String(number))
      default: throw arguments.misuse("word \(index + 1) of the command is \(value.typeName), expected a string")
      }
      if words[index].utf8.contains(0) {
        throw arguments.misuse("word \(index + 1) of the command contains a zero byte")
      }
    }
    guard let program = words.first, !program.isEmpty else { throw arguments.misuse("the command is empty") }
    return words
  }

  private static func environment(
    _ options: Options, _ services: HostServices, _ arguments: Arguments
  ) throws(Misuse) -> [String] {
    var variables: [(key: String, value: String)] = []
    let own = try options.strings("env") ?? []
    for name in inherited where !own.contains(where: { $0.key == name }) {
      if let value = services.environment(name) { variables.append((name, value)) }
    }
    for (name, value) in own {
      guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")), !name.utf8.contains(0), !value.utf8.contains(0)
      else {
        throw arguments.misuse("options.env: \"\(name)\" cannot be set: no = in names, no zero bytes")
      }
      variables.append((name, value))
    }
    return variables.map { "\($0.key)=\($0.value)" }
  }

  /// The program's file: as it is when it has a slash, else from the search path.
  static func find(_ program: String, in path: String, from directory: String) -> String? {
    if program.contains("/") {
      let file = PlainPath.absolute(program, from: directory)
      return ProcessCalls.isExecutable(file) ? file : nil
    }
    for place in path.split(separator: ":") where ProcessCalls.isExecutable("\(place)/\(program)") {
      return "\(place)/\(program)"
    }
    return nil
  }
}

/// A run that waits for a child. Killing the run kills the child.
private final class ExecRequest: HostRequest, @unchecked Sendable {
  // @unchecked: constants and a locked struct.
  private struct State {
    var number: Int?
    var timedOut = false
  }
  private let command: ChildCommand
  private let room: AnswerRoom
  private let path: String
  private let limit: Int
  private let until: Int64
  private let children: ChildProcesses
  private let services: HostServices
  private let state = Mutex(State())

  init(
    _ command: ChildCommand, _ room: AnswerRoom, path: String, limit: Int, until: Int64, _ children: ChildProcesses,
    _ services: HostServices
  ) {
    self.command = command
    self.room = room
    self.path = path
    self.limit = limit
    self.until = until
    self.children = children
    self.services = services
  }

  override func begin() {
    // Looking for the program is file work.
    let isTaken = services.lane.run { [self] in launch() }
    if !isTaken { complete(refusing: "the host is stopping") }
  }

  private func launch() {
    guard isOpen else { return }
    var command = command
    guard let program = ExecModule.find(command.program, in: path, from: command.directory) else {
      complete(
        refusing: "there is no program \"\(command.program)\" that may be executed"
          + (command.program.contains("/") ? "" : " in \(path)"))
      return
    }
    command.program = program
    let number = children.start(command, limit: limit, room: OutputRoom(room: room, wake: wake)) { [self] result in
      ended(result)
    }
    guard let number else {
      complete(refusing: "the host cannot start programs now: it is stopping, or out of threads")
      return
    }
    let isLate = state.withLock { state in
      state.number = number
      return state.timedOut
    }
    // The run was stopped, or its time was over, while the child was started.
    if !isOpen { children.abandon(number) } else if isLate { children.end(number) }
  }

  override var expiry: Int64 { until }

  /// Out of time: the answer comes when the child has ended.
  override func expire() {
    let number = state.withLock { state in
      state.timedOut = true
      return state.number
    }
    if let number { children.end(number) }
  }

  override func release() {
    if let number = state.withLock({ $0.number }) { children.abandon(number) } else { room.release() }
  }

  private func ended(_ result: Result<ChildEnding, Errno>) {
    switch result {
    case .failure(let error):
      complete(refusing: "cannot start \"\(command.program)\": \(SystemCall.message(for: error.code))")
    case .success(let ending):
      let timedOut = state.withLock { $0.timedOut }
      complete(
        building: room.handingOver { call in
          // One by one, so that the output is not copied once more.
          call.push(ending.code)
          call.push(ending.output)
          call.push(ending.errors)
          call.push(timedOut)
          call.push(ending.isTruncated)
          if let signal = ending.signal { call.push(signal) } else { call.pushNil() }
          call.pushRecord(["code", "stdout", "stderr", "timed_out", "truncated", "signal"])
          return .results(1)
        })
    }
  }
}
