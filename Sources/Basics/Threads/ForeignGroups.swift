internal import Glibc
internal import Synchronization

/// The process groups among this process's children whose programs nobody vouches for: worker processes of untrusted
/// code. They have the user of their host, so that a file's mode keeps nothing from them; who has something to keep
/// asks here.
///
/// One list for the process, as the kernel's groups are: whoever starts such a group adds it before its code begins.
///
/// Threading: any thread.
package enum ForeignGroups {
  private struct State: Sendable {
    var groups: Set<Int32> = []
    var hasHadAny = false
  }
  private static let state = Mutex(State())

  package static func add(_ group: Int32) {
    state.withLock { state in
      state.groups.insert(group)
      state.hasHadAny = true
    }
  }

  /// All of it has ended, and its number may become another's.
  package static func remove(_ group: Int32) { state.withLock { _ = $0.groups.remove(group) } }

  /// Whether a process may belong to one of them: it does, or it is gone and might have. Those that cannot leave their
  /// group are all found; a process of another PID namespace (0) is none of ours.
  package static func mayHave(_ process: Int32) -> Bool {
    let (groups, hasHadAny) = state.withLock { ($0.groups, $0.hasHadAny) }
    guard hasHadAny, process > 0 else { return false }
    let group = getpgid(process)
    return group < 0 || groups.contains(group)
  }
}
