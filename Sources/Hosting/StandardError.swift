internal import Glibc
internal import Synchronization

/// Standard error, written whole lines at a time.
package enum StandardError {
  /// Colours only where a person looks.
  package static let isTerminal = isatty(STDERR_FILENO) == 1

  private static let lock = Mutex(())

  /// One line. Any thread; blocks as long as the reader does.
  package static func line(_ text: String) {
    lock.withLock { _ in
      var text = text + "\n"
      text.withUTF8 { bytes in
        var written = 0
        while written < bytes.count {
          // Safe: the slice lies within `bytes`, which is valid for this closure.
          let count = unsafe write(STDERR_FILENO, bytes.baseAddress! + written, bytes.count - written)
          if count < 0, errno == EINTR { continue }
          // A closed pipe or a full disk: there is nobody left to tell.
          guard count > 0 else { return }
          written += count
        }
      }
    }
  }
}
