import Synchronization

/// A value that is made when it is first asked for. The description of the interface takes ten milliseconds, and most
/// hosts are never asked for it.
///
/// Threading: any thread; one makes it, the others wait for that.
final class Once<Value: Sendable>: Sendable {
  private enum State: Sendable {
    case unmade(@Sendable () -> Value)
    case made(Value)
  }
  private let state: Mutex<State>

  /// - Parameter make: must not ask for the value itself.
  init(_ make: @escaping @Sendable () -> Value) { state = Mutex(.unmade(make)) }

  var value: Value {
    state.withLock { state in
      switch state {
      case .made(let value): return value
      case .unmade(let make):
        let value = make()
        state = .made(value)
        return value
      }
    }
  }
}
