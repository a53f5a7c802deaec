internal import Chronology
internal import FileWatching
internal import HTTPTransfer
internal import Lua
internal import ScriptRuntime

/// The programs that a call of `exec` names, with their options: everything but where the programs lie, which is file
/// work.
struct ExecDraft: Sendable {
  let commands: [ChildCommand]
  /// Bytes of standard output, and of standard error, that are kept.
  let limit: Int
  /// Monotonic nanoseconds; `.max`: never.
  let until: Int64
  let services: HostServices
  private let grants: Grants
  private let finder: ProgramFinder
  private let script: ScriptPath
  private let arguments: Arguments
  /// What the first of them reads.
  private let inputFile: ScriptLocation?

  init(_ call: borrowing LuaCall, _ stages: [[[UInt8]]], _ arguments: Arguments) throws(Misuse) {
    let run = try arguments.run(call)
    services = run.services
    script = run.script
    grants = services.grants(script)
    self.arguments = arguments
    guard grants.exec != .none else { throw ExecModule.refusal(stages[0][0], nil, script, arguments) }
    let options = try arguments.options(
      call, 2, ["timeout", "cwd", "env", "stdin", "max_output"], bytes: run.answers.largestAnswer)
    limit = try options.size("max_output", of: run, standard: ExecModule.outputLimit)
    let timeout = try options.duration("timeout")
    let directory = try options.bytes("cwd") ?? [UInt8(ascii: ".")]
    guard !directory.isEmpty, !directory.contains(0) else {
      throw arguments.misuse("cwd is not empty and has no zero byte")
    }
    guard directory.count <= Arguments.nameBytes else {
      throw arguments.misuse("cwd has at most \(Arguments.nameBytes) bytes, this one has \(directory.count)")
    }
    var input: [UInt8]?
    if case .table(let table)? = options.reader?.field("stdin")?.value {
      guard table.array.isEmpty, table.others.isEmpty, table.fields.count == 1,
        case .string(let path)? = table["file"]
      else {
        throw arguments.misuse("options.stdin: expected a text, or { file = \"a path\" }")
      }
      inputFile = try ScriptLocation(path.bytes, writing: false, run, arguments)
    } else {
      inputFile = nil
      input = try options.bytes("stdin")
    }
    let environment = try ExecModule.environment(options, run, grants, arguments)
    let place = PlainPath.absolute(directory, from: Array(services.baseDirectory.utf8))
    commands = stages.enumerated().map { index, words in
      ChildCommand(
        program: words[0], arguments: words, environment: environment, directory: place,
        input: index == 0 ? input : nil)
    }
    until = timeout.map { run.services.monotonic.now.advanced(byNanoseconds: $0).nanoseconds } ?? .max
    finder = ProgramFinder(
      searchPath: services.environment("PATH") ?? ProgramFinder.defaultPath, base: services.baseDirectory)
  }

  /// A command of these with its program's path, and the file that it reads, if it is the first. Blocking: what a
  /// program is decides whether it is granted.
  func resolved(_ command: ChildCommand) -> Result<ChildCommand, ChildRequest.NoChild> {
    let word = command.program
    let file = finder.file(word)
    if case .some(let patterns) = grants.exec, !finder.allows(word, file, patterns) {
      return .failure(.raise(ExecModule.refusal(word, file, script, arguments).message))
    }
    guard let file, file.isExecutable else { return .failure(.refuse(ExecModule.missing(word, services))) }
    var found = command
    found.program = file.path
    guard let inputFile, command == commands[0] else { return .success(found) }
    switch inputFile.find(.followed) {
    case .failure(.leadsOut(let message)): return .failure(.raise("\(arguments.function): \(message)"))
    case .failure(.failed(let message)): return .failure(.refuse(message))
    case .success(let place):
      switch FileActions.openForReading(place) {
      case .failure(let failure): return .failure(.refuse(failure.message(inputFile.written)))
      case .success(let opened):
        guard let own = ChildFile(duplicating: opened.file.descriptor) else {
          return .failure(.refuse("the host has no descriptor left for \(inputFile.written)"))
        }
        found.inputFile = own
        return .success(found)
      }
    }
  }
}
