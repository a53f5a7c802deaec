internal import Basics
internal import FileWatching
internal import Glibc
internal import Synchronization

/// Programs that are started together, each reading what the one before writes, and what they came to: the part of
/// `exec` that lives longer than one wait of its run.
///
/// Whoever holds it may take lines as they come, and waits for the end. When nobody holds it any more, the programs are
/// told to end.
///
/// Threading: any thread.
package final class ChildPipeline: Sendable {
  package enum End: Sendable {
    /// How each of them ended, in their order.
    case ended([ChildResult], timedOut: Bool)
    /// That one could not be started; the others were ended.
    case failed(index: Int, ChildFailure)
  }

  private struct State: Sendable {
    /// Of those that were started; nil: not yet, or it could not be.
    var numbers: [Int?]
    var results: [ChildResult?]
    var failure: (index: Int, failure: ChildFailure)?
    var left: Int
    var timedOut = false
    var isAbandoned = false
    var whenOver: [@Sendable () -> Void] = []
  }
  private let state: Mutex<State>
  private let children: ChildProcesses
  /// nil: nobody wants lines.
  package let stream: ChildStream?

  package init(_ count: Int, _ children: ChildProcesses, stream: ChildStream?) {
    state = Mutex(
      State(
        numbers: Array(repeating: nil, count: count), results: Array(repeating: nil, count: count), left: count))
    self.children = children
    self.stream = stream
  }

  deinit { abandon() }

  /// Starts all of them.
  ///
  /// - Parameters:
  ///   - commands: with the first one's input. What lies between two is added here.
  ///   - rooms: one for each.
  /// - Returns: why they cannot be started, one sentence; nil: they are.
  package func start(_ commands: [ChildCommand], limit: Int, rooms: [OutputRoom]) -> String? {
    var commands = commands
    for index in commands.indices.dropLast() {
      guard let pipe = ChildFile.pipe() else {
        return "cannot start programs: \(SystemCall.message(for: errno))"
      }
      commands[index].outputFile = pipe.writing
      commands[index + 1].inputFile = pipe.reading
    }
    for (index, command) in commands.enumerated() {
      let number = children.start(
        command, limit: limit, room: rooms[index],
        stream: stream, isLast: index == commands.count - 1
      ) { [weak self] result in self?.ended(index, result) }
      guard let number else {
        abandon()
        return "the host cannot start programs now: it is stopping, or out of threads"
      }
      let mustEnd = state.withLock { state in
        state.numbers[index] = number
        return state.isAbandoned || state.failure != nil
      }
      if mustEnd { children.abandon(number) }
    }
    return nil
  }

  private func ended(_ index: Int, _ result: Result<ChildResult, ChildFailure>) {
    let (others, calls) = state.withLock { state -> ([Int], [@Sendable () -> Void]) in
      state.left -= 1
      var others: [Int] = []
      switch result {
      case .success(let result): state.results[index] = result
      case .failure(let failure):
        if state.failure == nil { state.failure = (index, failure) }
        others = state.numbers.enumerated().compactMap { $0 == index ? nil : $1 }
      }
      guard state.left == 0 else { return (others, []) }
      defer { state.whenOver = [] }
      return (others, state.whenOver)
    }
    for number in others { children.abandon(number) }
    guard state.withLock({ $0.left == 0 }) else { return }
    stream?.end()
    for call in calls { call() }
  }

  /// Their time is over: they are told to end.
  package func expire() {
    let numbers = state.withLock { state in
      state.timedOut = true
      return state.numbers.compactMap { $0 }
    }
    for number in numbers { children.end(number) }
  }

  /// Nobody wants them any more.
  package func abandon() {
    let numbers = state.withLock { state -> [Int] in
      guard !state.isAbandoned, state.left > 0 else { return [] }
      state.isAbandoned = true
      return state.numbers.compactMap { $0 }
    }
    for number in numbers { children.abandon(number) }
  }

  /// What all came to; nil, and `whenOver` is called later: some still run.
  package func result(
    whenOver: @escaping @Sendable () -> Void
  ) -> End? {
    state.withLock { state in
      guard state.left == 0 else {
        state.whenOver.append(whenOver)
        return nil
      }
      if let (index, failure) = state.failure { return .failed(index: index, failure) }
      return .ended(state.results.compactMap { $0 }, timedOut: state.timedOut)
    }
  }
}
