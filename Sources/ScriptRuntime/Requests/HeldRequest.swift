internal import Lua

/// A request whose work can be given up: `release` ends what `begin` has started. Both are called at most once; `begin` on the
/// run's worker, `release` on any thread, and not after an answer.
package final class HeldRequest: HostRequest, @unchecked Sendable {
  // @unchecked: immutable.
  private let start: @Sendable (HeldRequest) -> Void
  private let giveUp: @Sendable () -> Void

  package init(begin: @escaping @Sendable (HeldRequest) -> Void, release: @escaping @Sendable () -> Void) {
    start = begin
    giveUp = release
  }

  package override func begin() { start(self) }
  package override func release() { giveUp() }
}
