internal import JobModel
internal import Lua
internal import Synchronization

/// The globals that a script's newest good version assigns anywhere: reading one of them before is no mistake.
///
/// One object for all versions of a script, so that a helper function more does not change jobs that have nothing to do
/// with it. Any thread may ask.
package final class DeclaredGlobals: Sendable {
  private let names = Mutex<Set<String>>([])

  package init() {}

  package func replace(with new: Set<String>) { names.withLock { $0 = new } }

  package var all: [String] { names.withLock { $0.sorted() } }

  package func contains(_ name: String) -> Bool { names.withLock { $0.contains(name) } }
}
