internal import Glibc

/// Reading small files without Foundation.
enum FileBytes {
  /// The bytes of the file at `path`, or `nil` when it cannot be read, is no regular file, or is larger than `limit`.
  static func read(_ path: String, limit: Int) -> [UInt8]? {
    // Safe: the path is a C string for the length of the call.
    let descriptor = unsafe open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var status = stat()
    // Safe: `status` lives across the call, which writes that one struct.
    guard unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
      // Safe: the call writes at most `count` bytes into a buffer of that size.
      let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        return nil
      }
      if count == 0 { return bytes }
      bytes += chunk[..<count]
      if bytes.count > limit { return nil }
    }
  }

  /// The names in the directory at `path`, without those that begin with a dot; empty when it cannot be read.
  static func entries(_ path: String) -> [(name: String, isDirectory: Bool)] {
    guard let stream = unsafe opendir(path) else { return [] }
    // Safe: `stream` is open until the closing brace, and an entry is used before the next one is read.
    defer { unsafe closedir(stream) }
    var entries: [(name: String, isDirectory: Bool)] = []
    while let entry = unsafe readdir(stream) {
      let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { field in
        unsafe field.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
      }
      if name.hasPrefix(".") { continue }
      var isDirectory = unsafe entry.pointee.d_type == UInt8(DT_DIR)
      if unsafe entry.pointee.d_type == UInt8(DT_LNK) || entry.pointee.d_type == UInt8(DT_UNKNOWN) {
        var status = stat()
        // Safe: as above, one struct.
        isDirectory = unsafe stat(path + "/" + name, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
      }
      entries.append((name, isDirectory))
    }
    return entries
  }

  /// Whether there is anything at `path`, be it a link to nothing.
  static func exists(_ path: String) -> Bool {
    var status = stat()
    // Safe: `status` lives across the call, which writes that one struct.
    return unsafe lstat(path, &status) == 0
  }

  /// Where the symbolic link at `path` points, or `nil` when it is none.
  static func linkTarget(_ path: String) -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    // Safe: the call writes at most `count` bytes into a buffer of that size.
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      unsafe readlink(path, bytes.baseAddress!.assumingMemoryBound(to: CChar.self), bytes.count)
    }
    return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
  }
}

/// What tells that a file was replaced or rewritten: device, inode, size and modification time.
struct FileStamp: Sendable, Hashable {
  private let device: UInt
  private let inode: UInt
  private let size: Int
  private let modifiedSeconds: Int
  private let modifiedNanoseconds: Int

  /// The stamp of the file at `path` (of what a link points to), or `nil` when there is none.
  init?(path: String) {
    var status = stat()
    // Safe: `status` lives across the call, which writes that one struct.
    guard unsafe stat(path, &status) == 0 else { return nil }
    device = UInt(status.st_dev)
    inode = UInt(status.st_ino)
    size = Int(status.st_size)
    modifiedSeconds = status.st_mtim.tv_sec
    modifiedNanoseconds = status.st_mtim.tv_nsec
  }
}
