import ScriptLoading
import Synchronization

/// Passes on the configurations that reloads bring, to somebody who is made after the one who tells.
///
/// Threading: any thread.
final class ConfigurationRelay: Sendable {
  private let receiver = Mutex<(@Sendable (HostConfiguration) -> Void)?>(nil)

  func attach(_ receiver: @escaping @Sendable (HostConfiguration) -> Void) {
    self.receiver.withLock { $0 = receiver }
  }

  func tell(_ configuration: HostConfiguration) { receiver.withLock { $0 }?(configuration) }
}
