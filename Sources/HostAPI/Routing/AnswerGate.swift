internal import Basics
internal import Synchronization

/// Lets only some long answers be made at a time. The others wait, in the order in which they came, so that a short
/// answer is never behind more than a few long ones, and what many clients ask for at once is never all in memory.
///
/// Threading: any thread; nobody holds one while it waits.
final class AnswerGate: Sendable {
  private struct State {
    var free: Int
    /// First come, first served; cancelled ones stay until they are met.
    var queue = Queue<Waiter>()
  }
  private let state: Mutex<State>

  init(most: Int) { state = Mutex(State(free: most)) }

  /// Does `body` when it may. Throws `CancellationError`, without doing it, when the task is cancelled before that.
  func pass<Answer>(_ body: () async throws -> Answer) async throws -> Answer {
    guard await enter() else { throw CancellationError() }
    defer { leave() }
    return try await body()
  }

  private func enter() async -> Bool {
    let waiter = Waiter()
    return await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        // Before anybody can meet it in the queue; one that is cancelled already is answered here.
        guard waiter.wait(continuation) else { return }
        let isIn = state.withLock { state in
          guard state.free == 0 else {
            state.free -= 1
            return true
          }
          state.queue.append(waiter)
          return false
        }
        // One that was cancelled in between has no use for it.
        if isIn, !waiter.answer(true) { leave() }
      }
    } onCancel: {
      waiter.cancel()
    }
  }

  private func leave() {
    while true {
      let next = state.withLock { state in
        let next = state.queue.popFirst()
        if next == nil { state.free += 1 }
        return next
      }
      guard let next, !next.answer(true) else { return }
    }
  }
}

/// Somebody who waits: answered once.
private final class Waiter: Sendable {
  private enum State {
    case new
    case waiting(CheckedContinuation<Bool, Never>)
    case over
  }
  private let state = Mutex(State.new)

  /// - Returns: false: it was cancelled before, and is answered.
  func wait(_ continuation: CheckedContinuation<Bool, Never>) -> Bool {
    let isCancelled = state.withLock { state in
      if case .over = state { return true }
      state = .waiting(continuation)
      return false
    }
    if isCancelled { continuation.resume(returning: false) }
    return !isCancelled
  }

  /// - Returns: false: it was answered before.
  func answer(_ isIn: Bool) -> Bool {
    let continuation = state.withLock { state -> CheckedContinuation<Bool, Never>? in
      defer { state = .over }
      guard case .waiting(let continuation) = state else { return nil }
      return continuation
    }
    continuation?.resume(returning: isIn)
    return continuation != nil
  }

  func cancel() { _ = answer(false) }
}
