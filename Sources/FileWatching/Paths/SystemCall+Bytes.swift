internal import Glibc

/// Calls for paths that need not be text.
extension SystemCall {
  /// Whether `path` is a file that may be executed.
  package static func isExecutable(_ path: [UInt8]) -> Bool {
    var status = stat()
    // Safe: the path is terminated and outlives the calls; the struct is a local one.
    return unsafe path.withTerminated { path in
      unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
  }

  /// The absolute path without links that `path` leads to; nil when it leads nowhere.
  package static func realPath(_ path: [UInt8]) -> [UInt8]? {
    unsafe path.withTerminated { path in
      // Safe: with no buffer given the call allocates the answer, terminated, which is copied and freed here.
      guard let resolved = unsafe realpath(path, nil) else { return nil }
      defer { unsafe free(resolved) }
      return unsafe Array(UnsafeRawBufferPointer(start: resolved, count: strlen(resolved)))
    }
  }
}
