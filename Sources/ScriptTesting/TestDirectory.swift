internal import Glibc
internal import Hosting

/// A directory for one test, below the system's for temporary files.
struct TestDirectory {
  /// Absolute, without links.
  let path: String

  init() throws(HostError) {
    // Safe: getenv's text is copied at once; nobody changes the environment.
    let parent = unsafe getenv("TMPDIR").map { unsafe String(cString: $0) } ?? ""
    var template = Array(((parent.isEmpty ? "/tmp" : parent) + "/moondial-test.XXXXXX").utf8CString)
    // Safe: mkdtemp changes the letters of the zero-terminated array that it is given.
    let made = unsafe template.withUnsafeMutableBufferPointer { buffer -> String? in
      guard unsafe mkdtemp(buffer.baseAddress!) != nil, let whole = unsafe realpath(buffer.baseAddress!, nil) else {
        return nil
      }
      defer { unsafe free(whole) }
      return unsafe String(cString: whole)
    }
    guard let made else {
      throw HostError("a test needs a directory for temporary files: \(unsafe String(cString: strerror(errno)))")
    }
    path = made
  }

  /// Removes it with everything in it. What cannot be removed stays.
  func remove() {
    Self.remove(Array(path.utf8CString))
  }

  /// Links are removed and not followed. Names are bytes, and need not be text.
  private static func remove(_ path: [CChar]) {
    if unsafe unlink(path) == 0 { return }
    // Safe: `path` ends with a zero; readdir's entry is valid until the next call, and its name, which ends with a zero
    // within its 256 bytes, is copied at once.
    if let stream = unsafe opendir(path) {
      while let entry = unsafe readdir(stream) {
        let name = unsafe withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
          unsafe bytes.prefix { $0 != 0 }.map { CChar(bitPattern: $0) }
        }
        if name != [46], name != [46, 46] { remove(path.dropLast() + [47] + name + [0]) }
      }
      unsafe closedir(stream)
    }
    _ = unsafe rmdir(path)
  }
}
