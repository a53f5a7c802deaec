internal import Synchronization

/// Whether what runs should end soon because its host does. Any thread.
package final class WindDown: Sendable {
  private let flag = Atomic(false)

  package init() {}

  package var isOn: Bool { flag.load(ordering: .acquiring) }

  /// Twice is fine.
  package func turnOn() { flag.store(true, ordering: .releasing) }
}
