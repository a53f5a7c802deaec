internal import Basics

/// Something that a test opens once, and that threads wait for.
package final class Gate: Sendable {
  private let state = Monitor(false)

  package init() {}

  package var isOpen: Bool { state.withLock { $0 } }

  package func open() { state.change { $0 = true } }

  /// False when it did not open for longer than any machine needs (``patience``).
  @discardableResult
  package func wait() -> Bool { state.wait(until: monotonicNow() + patience) { $0 ? true : nil } ?? false }
}

/// Hang guard of every wait, in nanoseconds: far beyond what any machine needs, so that no test measures time.
package let patience: Int64 = 60_000_000_000
