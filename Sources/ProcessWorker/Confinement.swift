internal import CLinux
internal import Glibc
internal import ProcessFrames
internal import ScriptRuntime

/// The bounds that a worker puts on itself when it knows for which script it works. None of them can be taken back, and
/// they hold for everything that it starts.
enum Confinement {
  /// A bound that was asked for and cannot be had.
  struct Impossible: Error {
    let message: String
  }

  /// Where programs, libraries and their settings lie: to be read and executed.
  private static let system = ["/usr", "/lib", "/lib64", "/lib32", "/bin", "/sbin", "/opt", "/etc"]
  /// What programs look at to know the machine.
  private static let machine = ["/proc", "/sys", "/run/systemd/resolve", "/run/resolvconf", "/var/lib/ca-certificates"]
  private static let devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]

  /// Before there is a second thread.
  ///
  /// - Returns: a sentence for each bound that this kernel does not have.
  static func enter(_ binding: WorkerBinding, _ grants: Grants) throws(Impossible) -> [String] {
    if binding.hasNamespaces, !linux_enter_namespaces() {
      throw Impossible(
        message: "namespaces = true, and the kernel gives this user none: leave it out, or allow them "
          + "(kernel.unprivileged_userns_clone, user.max_user_namespaces)")
    }
    // New namespaces, like a new user, take back that it dies with its host.
    guard linux_die_with(binding.host) else { throw Impossible(message: "the host is gone") }
    linux_inherit_orphans()
    var notes: [String] = []
    if !enterLandlock(grants) {
      notes.append("the kernel has no Landlock: files and signals are bounded by the user only")
    }
    if !linux_refuse_calls() {
      notes.append("the kernel, or this processor, has no seccomp filter: a program may leave its process group")
    }
    return notes
  }

  /// Files that may be started though they lie elsewhere; of a pattern the directory before its first star.
  private static func programs(_ granted: Grants.Names) -> [String] {
    guard case .some(let patterns) = granted else { return [] }
    return patterns.compactMap { pattern in
      guard pattern.hasPrefix("/") else { return nil }
      guard let star = pattern.firstIndex(of: "*") else { return pattern }
      let before = pattern[..<star]
      guard let slash = before.lastIndex(of: "/"), slash != before.startIndex else { return nil }
      return String(before[..<slash])
    }
  }

  /// False where the kernel has no Landlock.
  private static func enterLandlock(_ grants: Grants) -> Bool {
    var roots: [Grants.FileRoot]?
    if case .below(let granted) = grants.files { roots = granted }
    let rules = linux_landlock_begin(roots != nil)
    guard rules >= 0 else { return false }
    defer { close(rules) }
    if let roots {
      for path in system { _ = unsafe linux_landlock_allow(rules, path, LINUX_MAY_EXECUTE) }
      for path in machine { _ = unsafe linux_landlock_allow(rules, path, LINUX_MAY_READ) }
      for path in devices { _ = unsafe linux_landlock_allow(rules, path, LINUX_MAY_WRITE) }
      for root in roots {
        // One that is not there yet cannot be allowed, and nothing below it can be opened.
        _ = unsafe linux_landlock_allow(rules, root.path, root.isWritable ? LINUX_MAY_WRITE : LINUX_MAY_READ)
        if grants.exec == .any { _ = unsafe linux_landlock_allow(rules, root.path, LINUX_MAY_EXECUTE) }
      }
      for path in programs(grants.exec) { _ = unsafe linux_landlock_allow(rules, path, LINUX_MAY_EXECUTE) }
    }
    return linux_landlock_enter(rules)
  }
}
