internal import Glibc
internal import Synchronization

/// The Unix socket of a host: a file in its state directory that only its owner may open.
///
/// The file is made under another name, with its mode from the first moment on, and gets its own in one step: nobody
/// ever connects to half of it, and what a host that was killed has left is replaced. A host that answers there keeps
/// it.
final class SocketFile: Sendable {
  /// Why there is no socket: one sentence.
  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  /// A path of a Unix socket has at most 107 bytes (`sun_path` of unix(7)).
  static let longest = 107

  let path: String
  /// Bound and listening; whoever takes it closes it.
  let descriptor: Int32
  private let file: Identity
  private let isRemoved = Mutex(false)

  private struct Identity: Equatable, Sendable {
    var device: dev_t
    var inode: ino_t
  }

  /// Makes the file. Blocks on the disk, and for the answer of whoever listens there.
  init(at path: String) throws(Failure) {
    self.path = path
    let (directory, name) = SocketFile.split(path)
    // Safe: the path is passed as a C string for the call.
    let parent = unsafe open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
    guard parent >= 0 else { throw Failure(description: "\(directory) cannot be opened: \(SocketFile.reason())") }
    defer { close(parent) }
    // Through the directory's descriptor, so that the length of the path does not matter.
    let short = "/proc/self/fd/\(parent)/"
    guard !SocketFile.answers(short + name) else {
      throw Failure(description: "another host answers at \(path)")
    }
    let temporary = ".\(name).\(getpid())"
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
    guard descriptor >= 0 else { throw Failure(description: "there is no socket for \(path): \(SocketFile.reason())") }
    do throws(Failure) {
      // Before bind: it makes the file with this mode (sock_alloc_file and unix_bind of the kernel), and a umask only
      // takes away from it.
      guard fchmod(descriptor, 0o600) == 0 else { throw Failure(description: "\(path): \(SocketFile.reason())") }
      _ = unsafe unlinkat(parent, temporary, 0)
      guard unsafe SocketFile.withAddress(short + temporary, { unsafe bind(descriptor, $0, $1) }) == 0 else {
        throw Failure(description: "\(path) cannot be made: \(SocketFile.reason())")
      }
      guard listen(descriptor, 2_048) == 0, unsafe renameat(parent, temporary, parent, name) == 0 else {
        let reason = SocketFile.reason()
        _ = unsafe unlinkat(parent, temporary, 0)
        throw Failure(description: "\(path) cannot be made: \(reason)")
      }
    } catch {
      close(descriptor)
      throw error
    }
    self.descriptor = descriptor
    file = SocketFile.identity(of: path) ?? Identity(device: 0, inode: 0)
  }

  /// Removes the file, if it is still this one. Twice is fine.
  func remove() {
    let isFirst = isRemoved.withLock { isRemoved in
      defer { isRemoved = true }
      return !isRemoved
    }
    // Another host may have made one.
    guard isFirst, SocketFile.identity(of: path) == file else { return }
    _ = unsafe unlink(path)
  }

  // MARK: Parts

  /// Whether somebody accepts connections there.
  private static func answers(_ path: String) -> Bool {
    let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | O_CLOEXEC | O_NONBLOCK, 0)
    guard descriptor >= 0 else { return false }
    defer { close(descriptor) }
    if unsafe withAddress(path, { unsafe connect(descriptor, $0, $1) }) == 0 { return true }
    // Its queue is full: somebody is there.
    return errno == EAGAIN || errno == EINPROGRESS
  }

  /// Calls `body` with the address of a path; -1 when it is too long.
  private static func withAddress(
    _ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
  ) -> Int32 {
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    let bytes = Array(path.utf8)
    guard bytes.count <= longest, !bytes.contains(0) else {
      errno = ENAMETOOLONG
      return -1
    }
    // Safe: the bytes fit, by the check, and the rest of the field is zero; the pointer is used in the call only.
    return unsafe withUnsafeMutableBytes(of: &address) { raw in
      let start = MemoryLayout<sockaddr_un>.offset(of: \.sun_path)!
      for (index, byte) in bytes.enumerated() { unsafe raw[start + index] = byte }
      return unsafe body(
        raw.baseAddress!.assumingMemoryBound(to: sockaddr.self), socklen_t(MemoryLayout<sockaddr_un>.size))
    }
  }

  private static func identity(of path: String) -> Identity? {
    var status = stat()
    // Safe: fills the local struct; on failure it is not read.
    guard unsafe lstat(path, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK else { return nil }
    return Identity(device: status.st_dev, inode: status.st_ino)
  }

  private static func split(_ path: String) -> (directory: String, name: String) {
    guard let slash = path.lastIndex(of: "/") else { return (".", path) }
    let directory = String(path[..<slash])
    return (directory.isEmpty ? "/" : directory, String(path[path.index(after: slash)...]))
  }

  private static func reason() -> String {
    // Safe: strerror returns a C string of its own for a known errno; copied at once.
    unsafe String(cString: strerror(errno))
  }
}
