internal import Basics
internal import Executors
internal import Lua
internal import Synchronization

/// A run that waits for a child. Killing the run kills the child.
///
/// Subclasses override `command()` (on the blocking pool) and `ended`.
package class ChildRequest: HostRequest, @unchecked Sendable {
  // @unchecked: constants and a locked struct.
  private struct State {
    var number: Int?
    var timedOut = false
  }
  /// Why there is no child: an error in the script, `nil` and a sentence, or an answer that has been given already.
  package enum NoChild: Error { case raise(String), refuse(String), answered }

  package final let room: AnswerReservation
  package final let services: HostServices
  private let limit: Int
  private let until: Int64
  private let children: ChildProcesses
  private let state = Mutex(State())

  /// - Parameters:
  ///   - limit: bytes of standard output, and of standard error, that are kept.
  ///   - until: monotonic nanoseconds at which the child is told to end.
  package init(
    _ room: AnswerReservation, limit: Int, until: Int64, _ children: ChildProcesses, _ services: HostServices
  ) {
    self.room = room
    self.limit = limit
    self.until = until
    self.children = children
    self.services = services
  }

  /// What to execute. Called on the blocking pool.
  package func command() -> Result<ChildCommand, NoChild> { .failure(.answered) }

  /// The child has ended, or there was none after all. Completes the request.
  package func ended(_ result: Result<ChildResult, ChildFailure>, timedOut: Bool) {}

  package final override func begin() {
    let isTaken = services.blockingPool.run { [self] in launch() }
    if !isTaken { complete(refusing: services.blockingPool.refusal) }
  }

  private func launch() {
    guard isOpen else { return }
    let command: ChildCommand
    switch self.command() {
    case .success(let found): command = found
    case .failure(.raise(let message)):
      complete(raising: message)
      return
    case .failure(.refuse(let message)):
      complete(refusing: message)
      return
    case .failure(.answered): return
    }
    let output = OutputRoom(room: room, wake: wake)
    let number = children.start(command, limit: limit, room: output) { [self] result in
      ended(result, timedOut: state.withLock { $0.timedOut })
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

  package final override var expiry: Int64 { until }

  /// Out of time: the answer comes when the child has ended.
  package final override func expire() {
    let number = state.withLock { state in
      state.timedOut = true
      return state.number
    }
    if let number { children.end(number) }
  }

  package final override func release() {
    if let number = state.withLock({ $0.number }) { children.abandon(number) } else { room.release() }
  }
}
