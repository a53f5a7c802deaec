internal import Basics
internal import FileWatching
internal import Lua

/// A run that waits for the program that it asked for.
package final class ExecRequest: ChildRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let wanted: ChildCommand
  private let find: @Sendable (ChildCommand) -> Result<ChildCommand, NoChild>

  /// - Parameter find: the command with the path of its program, and the file that it reads. Called on the blocking
  ///   pool.
  package init(
    _ wanted: ChildCommand, _ room: AnswerReservation, limit: Int, until: Int64, _ children: ChildProcesses,
    _ services: HostServices, find: @escaping @Sendable (ChildCommand) -> Result<ChildCommand, NoChild>
  ) {
    self.wanted = wanted
    self.find = find
    super.init(room, limit: limit, until: until, children, services)
  }

  package override func command() -> Result<ChildCommand, NoChild> { find(wanted) }

  package override func ended(_ result: Result<ChildResult, ChildFailure>, timedOut: Bool) {
    switch result {
    case .failure(let failure): complete(refusing: message(failure))
    case .success(let result):
      complete(
        building: room.handingOver { call in
          // One by one, so that the output is not copied once more.
          call.push(result.code)
          call.push(result.output.bytes)
          call.push(result.errors.bytes)
          call.push(timedOut)
          call.push(result.output.isTruncated || result.errors.isTruncated)
          call.push(result.output.omitted)
          call.push(result.errors.omitted)
          if let signal = result.signal { call.push(signal) } else { call.pushNil() }
          call.pushRecord([
            "code", "stdout", "stderr", "timed_out", "truncated", "stdout_omitted", "stderr_omitted", "signal",
          ])
          return .results(1)
        })
    }
  }

  private func message(_ failure: ChildFailure) -> String {
    Self.message(failure, program: wanted.program, directory: wanted.directory)
  }

  /// Why a program was not started: one sentence.
  package static func message(_ failure: ChildFailure, program: [UInt8], directory: [UInt8]) -> String {
    let program = String(decoding: program, as: UTF8.self)
    switch failure {
    case .program(let error), .machine(let error):
      return "cannot start \"\(program)\": \(SystemCall.message(for: error.code))"
    case .directory(let error):
      return "cannot start \"\(program)\" in the directory \(String(decoding: directory, as: UTF8.self)): "
        + SystemCall.message(for: error.code)
    }
  }
}
