internal import Glibc

/// Small files of the state directory, for their owner only: read whole, and replaced whole or not at all.
enum PlainFile {
  /// More than any script, calendar or index of 100,000 scripts is long.
  private static let mostBytes: Int64 = 64 << 20

  /// The bytes; nil when it cannot be read.
  static func read(_ path: String) -> [UInt8]? {
    // Safe here and below: paths are passed as C strings for the length of a call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    // Safe: writes that one struct.
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG,
      (0...mostBytes).contains(Int64(status.st_size))
    else { return nil }
    var isWhole = true
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
      while count < buffer.count {
        // Safe: what is read lies within the buffer.
        let got = unsafe Glibc.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
        if got < 0, errno == EINTR { continue }
        guard got > 0 else { break }
        count += got
      }
      isWhole = count == buffer.count
    }
    return isWhole ? bytes : nil
  }

  /// Writes a new file in its directory, brings it to the disk, and gives it the name. Answers why that failed.
  static func write(_ bytes: [UInt8], to path: String) -> String? {
    let partial = path + ".new"
    let descriptor = unsafe open(partial, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { return failure(partial) }
    // An umask may have taken more, an older file have had more.
    fchmod(descriptor, 0o600)
    var written = 0
    while written < bytes.count {
      // Safe: the slice lies within `bytes`.
      let count = unsafe bytes.withUnsafeBufferPointer {
        unsafe Glibc.write(descriptor, $0.baseAddress! + written, $0.count - written)
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        let failure = failure(partial)
        close(descriptor)
        remove(partial)
        return failure
      }
      written += count
    }
    let isSynced = fdatasync(descriptor) == 0
    close(descriptor)
    guard isSynced, unsafe rename(partial, path) == 0 else {
      let failure = failure(path)
      remove(partial)
      return failure
    }
    return nil
  }

  /// Answers why there is none afterwards.
  static func makeDirectory(_ path: String) -> String? {
    guard unsafe mkdir(path, 0o700) == 0 || errno == EEXIST else { return failure(path) }
    _ = unsafe chmod(path, 0o700)
    return nil
  }

  /// The names in a directory, without those that begin with a dot; empty when it cannot be read.
  static func names(in path: String) -> [String] {
    guard let stream = unsafe opendir(path) else { return [] }
    // Safe: the stream is open, and nobody uses it afterwards.
    defer { unsafe _ = closedir(stream) }
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
      // Safe: the record is valid until the next `readdir`, and its name ends in a zero.
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { start in
        unsafe String(cString: UnsafeRawPointer(start).assumingMemoryBound(to: CChar.self))
      }
      if !name.hasPrefix(".") { names.append(name) }
    }
    return names
  }

  /// A file that is not there is no failure; one that cannot be removed stays.
  static func remove(_ path: String) { _ = unsafe unlink(path) }

  private static func failure(_ path: String) -> String {
    // Safe: strerror returns a C string of its own for a known errno; copied at once.
    "\(path): \(unsafe String(cString: strerror(errno)))"
  }
}
