internal import Synchronization

/// Orders that were posted and are not answered: each is answered once, at the latest when the host ends.
///
/// Threading: any thread.
final class PendingOrders: Sendable {
  private struct State {
    var next = 0
    var failures: [Int: @Sendable (ControlError) -> Void] = [:]
    var isOver = false
  }
  private let state = Mutex(State())

  static let stopping = ControlError(.unavailable, "the host is stopping")

  /// - Parameter fail: how it is answered if the host ends first.
  /// - Returns: its number; nil: the host has ended.
  func add(_ fail: @escaping @Sendable (ControlError) -> Void) -> Int? {
    state.withLock { state in
      guard !state.isOver else { return nil }
      state.next += 1
      state.failures[state.next] = fail
      return state.next
    }
  }

  /// - Returns: false, when it was answered already.
  func take(_ number: Int) -> Bool { state.withLock { $0.failures.removeValue(forKey: number) != nil } }

  /// Whether nothing is taken any more.
  var isOver: Bool { state.withLock { $0.isOver } }

  func end() {
    let left = state.withLock { state in
      defer { state.failures = [:] }
      state.isOver = true
      return Array(state.failures.values)
    }
    for fail in left { fail(Self.stopping) }
  }
}
