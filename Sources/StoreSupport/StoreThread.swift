internal import Basics
internal import CLinux
package import JobModel

/// A thread of a store: one that blocks in the kernel (fsync), which a thread of Swift's cooperative pool must not. It
/// takes no signals: a handler of the host has no business on a stack that is inside a database library.
package final class StoreThread: Sendable {
  private let thread: NamedThread
  private let hasJoined = Monitor(false)

  /// - Throws: when the system has no thread to give.
  package init(name: String, _ body: @escaping @Sendable () -> Void) throws(StoreError) {
    do {
      thread = try NamedThread(name) {
        // Commits are what claimed runs wait for: they must not queue behind the scripts that use the processors.
        linux_run_first()
        linux_take_short_turns()
        body()
      }
    } catch {
      throw StoreError(.io, "\(error)")
    }
  }

  /// Whether the caller is this thread.
  package var isCurrent: Bool { thread.isCurrent }

  /// Waits for the closure to return; later calls return at once. Not from the thread itself.
  package func join() {
    precondition(!isCurrent, "a store cannot be closed from one of its own completions")
    hasJoined.withLock { done in
      guard !done else { return }
      thread.join()
      done = true
    }
  }
}
