internal import Glibc

/// The directory that holds the database and other state: made when it is missing, for its owner only.
package struct StateDirectory: Sendable {
  package let path: String

  /// Makes the directory when it is missing. Blocks on the file system.
  ///
  /// - Parameter kind: what it is, for messages.
  package init(making path: String, as kind: String = "state directory") throws(HostError) {
    self.path = path
    let advice = kind == "state directory" ? "name another one (--state DIR)" : "name another one"
    guard !path.isEmpty else { throw HostError(.usage, "the name of the \(kind) is empty: \(advice)") }
    var prefix = path.hasPrefix("/") ? "/" : ""
    for component in path.split(separator: "/") {
      prefix += prefix.isEmpty || prefix.hasSuffix("/") ? String(component) : "/" + component
      // Safe: the path is passed as a C string for the call only.
      if unsafe mkdir(prefix, 0o700) == 0 {
        // A umask may have taken the owner's own rights away.
        _ = unsafe chmod(prefix, 0o700)
      } else if errno != EEXIST {
        // Safe: strerror returns a C string of its own for a known errno; copied at once.
        throw HostError(
          "cannot make the \(kind) \(path): \(unsafe String(cString: strerror(errno))); \(advice)"
        )
      }
    }
    guard case .file = FileKind(path) else { return }
    throw HostError("the \(kind) \(path) is a file: \(advice)")
  }

  /// The path of a file in it; an absolute name stays as it is.
  package func file(_ name: String) -> String { name.hasPrefix("/") ? name : path + "/" + name }
}

/// Whether something is a directory, or a file.
package enum FileKind: Sendable {
  case directory, file, missing

  /// Looks at the disk.
  package init(_ path: String) {
    var status = stat()
    // Safe: fills the local struct; on failure it is not read.
    guard unsafe stat(path, &status) == 0 else {
      self = .missing
      return
    }
    self = status.st_mode & S_IFMT == S_IFDIR ? .directory : .file
  }
}
