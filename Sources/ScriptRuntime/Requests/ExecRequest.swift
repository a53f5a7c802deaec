internal import Basics
internal import FileWatching
internal import Lua
internal import Synchronization

/// A run that waits for a child. Killing the run kills the child.
package final class ExecRequest: HostRequest, @unchecked Sendable {
  // @unchecked: constants and a locked struct.
  private struct State {
    var number: Int?
    var timedOut = false
  }
  /// Why a program is not run: an error in the script, or `nil` and a sentence.
  package enum Refusal: Error { case raise(String), refuse(String) }

  private let command: ChildCommand
  private let room: AnswerRoom
  private let find: @Sendable ([UInt8]) -> Result<[UInt8], Refusal>
  private let limit: Int
  private let until: Int64
  private let children: ChildProcesses
  private let services: HostServices
  private let state = Mutex(State())

  /// - Parameter find: the path of the program that a word means. Called on the blocking lane.
  package init(
    _ command: ChildCommand, _ room: AnswerRoom, limit: Int, until: Int64, _ children: ChildProcesses,
    _ services: HostServices,
    find: @escaping @Sendable ([UInt8]) -> Result<[UInt8], Refusal>
  ) {
    self.command = command
    self.room = room
    self.find = find
    self.limit = limit
    self.until = until
    self.children = children
    self.services = services
  }

  package override func begin() {
    let isTaken = services.lane.run { [self] in launch() }
    if !isTaken { complete(refusing: services.lane.refusal) }
  }

  private func launch() {
    guard isOpen else { return }
    var command = command
    switch find(command.program) {
    case .success(let path): command.program = path
    case .failure(.raise(let message)):
      complete(raising: message)
      return
    case .failure(.refuse(let message)):
      complete(refusing: message)
      return
    }
    let output = OutputRoom(room: room, wake: wake)
    let number = children.start(command, limit: limit, room: output) { [self] result in ended(result) }
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

  package override var expiry: Int64 { until }

  /// Out of time: the answer comes when the child has ended.
  package override func expire() {
    let number = state.withLock { state in
      state.timedOut = true
      return state.number
    }
    if let number { children.end(number) }
  }

  package override func release() {
    if let number = state.withLock({ $0.number }) { children.abandon(number) } else { room.release() }
  }

  private func ended(_ result: Result<ChildEnding, ChildFailure>) {
    switch result {
    case .failure(let failure): complete(refusing: message(failure))
    case .success(let ending):
      let timedOut = state.withLock { $0.timedOut }
      complete(
        building: room.handingOver { call in
          // One by one, so that the output is not copied once more.
          call.push(ending.code)
          call.push(ending.output.bytes)
          call.push(ending.errors.bytes)
          call.push(timedOut)
          call.push(ending.output.isTruncated || ending.errors.isTruncated)
          call.push(ending.output.omitted)
          call.push(ending.errors.omitted)
          if let signal = ending.signal { call.push(signal) } else { call.pushNil() }
          call.pushRecord([
            "code", "stdout", "stderr", "timed_out", "truncated", "stdout_omitted", "stderr_omitted", "signal",
          ])
          return .results(1)
        })
    }
  }

  private func message(_ failure: ChildFailure) -> String {
    let program = String(decoding: command.program, as: UTF8.self)
    switch failure {
    case .program(let error), .machine(let error):
      return "cannot start \"\(program)\": \(SystemCall.message(for: error.code))"
    case .directory(let error):
      return "cannot start \"\(program)\" in the directory \(String(decoding: command.directory, as: UTF8.self)): "
        + SystemCall.message(for: error.code)
    }
  }
}
