import JobModel
import Synchronization

/// Calls once, when all of several batches are durable or have failed.
final class DurableCountdown: Sendable {
  private let state: Mutex<(left: Int, error: StoreError?)>
  private let completion: @Sendable (StoreError?) -> Void

  init(_ count: Int, _ completion: @escaping @Sendable (StoreError?) -> Void) {
    state = Mutex((count, nil))
    self.completion = completion
  }

  func finish(_ error: StoreError?) {
    let (isLast, error) = state.withLock { state in
      state.left -= 1
      state.error = state.error ?? error
      return (state.left == 0, state.error)
    }
    if isLast { completion(error) }
  }
}
