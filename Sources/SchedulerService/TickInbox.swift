import JobModel
import Scheduling
import Synchronization

/// What other threads hand to the scheduler between two ticks of its loop.
///
/// Threading: `enter` from any thread; `take` and `goToSleep` on the loop's.
final class TickInbox: Sendable {
  struct Contents: Sendable {
    var reports: [RunReport] = []
    var commands: [(command: ServiceTick.Command, whenDurable: (@Sendable (StoreError?) -> Void)?)] = []
    var stores: [(store: Int, error: StoreError?)] = []
    var outboxes: [(run: RunToken, result: Result<TransactionAnswer, StoreError>)] = []
    /// Whether `wake` was called since the last tick began.
    fileprivate var isAwake = true
    fileprivate var isEmpty: Bool { reports.isEmpty && commands.isEmpty && stores.isEmpty && outboxes.isEmpty }
  }

  private let contents = Mutex(Contents())
  private let wake: @Sendable () -> Void

  /// - Parameter wake: ends the loop's sleep; called at most once between two ticks.
  init(wake: @escaping @Sendable () -> Void) { self.wake = wake }

  func enter(_ change: (inout Contents) -> Void) {
    let mustWake = contents.withLock { contents in
      change(&contents)
      defer { contents.isAwake = true }
      return !contents.isAwake
    }
    if mustWake { wake() }
  }

  /// Exchanges what came for `taken`, whose arrays are empty and have room.
  func take(into taken: inout Contents) {
    contents.withLock { contents in
      swap(&contents, &taken)
      contents.isAwake = true
    }
  }

  /// - Returns: false when something came in meanwhile.
  func goToSleep() -> Bool {
    contents.withLock { contents in
      guard contents.isEmpty else { return false }
      contents.isAwake = false
      return true
    }
  }
}
