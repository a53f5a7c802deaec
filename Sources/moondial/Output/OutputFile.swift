internal import Glibc

/// A file that a command writes as a whole. It is opened before there is anything to write, so that a place that does
/// not do is said at once.
struct OutputFile: ~Copyable {
  private let path: String
  private let descriptor: Int32

  /// - Parameter isNew: there must be no such file yet; otherwise an old one is replaced.
  init(_ path: String, isNew: Bool) throws(CommandFailure) {
    self.path = path
    // Safe: the path is a C string for the length of the call.
    descriptor = unsafe open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (isNew ? O_EXCL : 0), 0o644)
    guard descriptor >= 0 else {
      throw CommandFailure(
        errno == EEXIST
          ? "\(path) exists already: remove it or choose another name" : "cannot write \(path): \(Self.reason())")
    }
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Once.
  func write(_ text: String) throws(CommandFailure) {
    // What is no plain file has no length.
    _ = ftruncate(descriptor, 0)
    let bytes = Array(text.utf8)
    var written = 0
    while written < bytes.count {
      // Safe: the rest of the array lies within it, and is valid for this closure.
      let count = unsafe bytes.withUnsafeBytes { buffer in
        unsafe Glibc.write(descriptor, buffer.baseAddress! + written, buffer.count - written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else { throw CommandFailure("cannot write \(path): \(Self.reason())") }
      written += count
    }
  }

  private static func reason() -> String {
    // Safe: strerror returns a C string of its own for a known errno; copied at once.
    unsafe String(cString: strerror(errno))
  }
}
