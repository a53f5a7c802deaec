internal import Glibc

/// The file-system calls of the scan, with their results as values. All pointers of this folder are in this file.
package enum SystemCall {
  /// The kernel's words for `errno`: `Permission denied`.
  package static func message(for errno: Int32) -> String {
    var buffer = [CChar](repeating: 0, count: 128)
    // Safe: the call writes a terminated text of at most `count` bytes into the buffer, which outlives the copy made
    // here.
    return unsafe buffer.withUnsafeMutableBufferPointer { buffer in
      guard let start = buffer.baseAddress, unsafe strerror_r(errno, start, buffer.count) == 0 else {
        return "error \(errno)"
      }
      return unsafe String(cString: start)
    }
  }

  /// What `path` names. Following links, unless told otherwise.
  package static func status(of path: String, followingLinks: Bool = true) -> Result<FileStatus, Errno> {
    var status = stat()
    // Safe: `status` outlives the call, which writes that one struct; the path is passed as a terminated copy.
    let result = unsafe followingLinks ? stat(path, &status) : lstat(path, &status)
    return result == 0 ? .success(FileStatus(status)) : .failure(.current)
  }

  /// What the entry `name` of an open directory is. A link is a link.
  package static func status(of name: [UInt8], in directory: OpenDirectory) -> Result<FileStatus, Errno> {
    var status = stat()
    // Safe: as above; the name is terminated.
    let result = unsafe name.withTerminated { name in
      unsafe fstatat(directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW)
    }
    return result == 0 ? .success(FileStatus(status)) : .failure(.current)
  }

  /// The directory that `path` names, and its entries except `.` and `..`, in no order. An entry that comes or goes
  /// meanwhile may be missing.
  ///
  /// - Parameter most: entries after so many are not read.
  package static func list(
    _ path: String, most: Int = .max
  ) -> Result<(DirectoryIdentity, [DirectoryEntry]), Errno> {
    listing(path, findingPath: false, most: most).map { ($0.identity, $0.entries) }
  }

  /// The same, and where the directory really is.
  package static func listing(
    _ path: String, findingPath: Bool = true, most: Int = .max
  ) -> Result<DirectoryListing, Errno> {
    // Safe: the path is passed as a terminated copy.
    let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { return .failure(.current) }
    var status = stat()
    // Safe: as in `status(of:)`.
    guard unsafe fstat(descriptor, &status) == 0, let stream = unsafe fdopendir(descriptor) else {
      let error = Errno.current
      close(descriptor)
      return .failure(error)
    }
    // Safe: the stream is open, and nobody uses it afterwards. It owns the descriptor and closes it.
    defer { unsafe _ = closedir(stream) }
    let place = findingPath ? self.path(ofOpen: descriptor) ?? resolve(path) : nil
    // One that was removed has no place, and no entries.
    if findingPath, status.st_nlink == 0 { return .failure(Errno(code: ENOENT)) }
    var entries: [DirectoryEntry] = []
    while entries.count < most {
      // The only way to tell the end from a failure.
      errno = 0
      guard let entry = unsafe readdir(stream) else {
        let error = Errno.current
        if error.code != 0 { return .failure(error) }
        break
      }
      // Safe: the record is valid until the next `readdir`; its name is terminated and read in place, since the record
      // is shorter than the struct that declares it.
      let name = unsafe UnsafeRawPointer(entry).advanced(by: MemoryLayout<dirent>.offset(of: \.d_name)!)
      let bytes = unsafe UnsafeRawBufferPointer(start: name, count: strlen(name.assumingMemoryBound(to: CChar.self)))
      if unsafe bytes.first == UInt8(ascii: "."), unsafe bytes.count == 1 || (bytes.count == 2 && bytes[1] == bytes[0])
      {
        continue
      }
      unsafe entries.append(DirectoryEntry(name: Array(bytes), kind: .init(type: Int32(entry.pointee.d_type))))
    }
    return .success(
      DirectoryListing(
        path: place, identity: DirectoryIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)),
        entries: entries))
  }

  /// The path of what is open, without links, as the kernel knows it at this moment; nil where there is no /proc.
  package static func path(ofOpen descriptor: Int32) -> String? {
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    // Safe: the call writes at most `count` bytes into the array, which outlives it; the path is passed as a terminated
    // copy.
    let count = unsafe buffer.withUnsafeMutableBytes { buffer in
      unsafe readlink(
        "/proc/self/fd/\(descriptor)", buffer.baseAddress!.assumingMemoryBound(to: CChar.self), buffer.count)
    }
    guard count > 0, count < buffer.count else { return nil }
    return String(validating: buffer[..<count], as: UTF8.self)
  }

  /// The absolute path without links that `path` leads to, or `nil` when it leads nowhere.
  package static func resolve(_ path: String) -> String? {
    // Safe: with no buffer given the call allocates the answer, terminated, which is copied and freed here.
    guard let resolved = unsafe realpath(path, nil) else { return nil }
    defer { unsafe free(resolved) }
    return unsafe String(validatingCString: resolved)
  }

  /// The working directory, or `/` when it is gone.
  package static var workingDirectory: String {
    // Safe: as in `resolve`.
    guard let path = unsafe getcwd(nil, 0) else { return "/" }
    defer { unsafe free(path) }
    return unsafe String(cString: path)
  }

  /// Blocks the thread for `duration`, shorter only when a signal arrives.
  package static func pause(_ duration: Duration) {
    let (seconds, attoseconds) = duration.components
    var time = timespec(tv_sec: Int(seconds), tv_nsec: Int(attoseconds / 1_000_000_000))
    // Safe: the call reads one struct, which outlives it.
    unsafe _ = nanosleep(&time, nil)
  }
}

/// A number of `errno.h`.
package struct Errno: Error, Hashable, Sendable {
  package var code: Int32

  package init(code: Int32) { self.code = code }

  package static var current: Errno { Errno(code: errno) }
}

/// One name in a directory.
package struct DirectoryEntry: Sendable {
  package enum Kind: Sendable {
    case file, directory, link
    case other
    /// This file system does not say.
    case unknown

    package init(type: Int32) {
      switch type {
      case Int32(DT_REG): self = .file
      case Int32(DT_DIR): self = .directory
      case Int32(DT_LNK): self = .link
      case Int32(DT_UNKNOWN): self = .unknown
      default: self = .other
      }
    }
  }
  package var name: [UInt8]
  package var kind: Kind
}

/// A directory as it was found.
package struct DirectoryListing: Sendable {
  /// Where it really is, without links; nil when nobody can tell, as for a name that is not UTF-8.
  package var path: String?
  package var identity: DirectoryIdentity
  package var entries: [DirectoryEntry]
}

/// What a path names.
package struct FileStatus: Sendable {
  package enum Kind: Sendable { case file, directory, link, other }
  package var kind: Kind
  package var stamp: FileStamp

  init(_ status: stat) {
    switch status.st_mode & S_IFMT {
    case S_IFREG: kind = .file
    case S_IFDIR: kind = .directory
    case S_IFLNK: kind = .link
    default: kind = .other
    }
    stamp = FileStamp(
      device: UInt64(status.st_dev), inode: UInt64(status.st_ino), size: Int64(status.st_size),
      modified: Self.nanoseconds(status.st_mtim), changed: Self.nanoseconds(status.st_ctim))
  }

  /// Wraps where a damaged file system claims a year beyond 2262: a stamp is only compared for equality.
  private static func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}

/// A file open for reading; closed with the last reference.
package final class OpenFile {
  private let descriptor: Int32

  /// Opens `path`, following links. Never waits: a pipe without a writer opens at once.
  package static func open(_ path: String) -> Result<OpenFile, Errno> {
    // Safe: the path is passed as a terminated copy.
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
    return descriptor >= 0 ? .success(OpenFile(descriptor)) : .failure(.current)
  }

  private init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  package func status() -> Result<FileStatus, Errno> {
    var status = stat()
    // Safe: `status` outlives the call, which writes that one struct.
    return unsafe fstat(descriptor, &status) == 0 ? .success(FileStatus(status)) : .failure(.current)
  }

  /// The first `count` bytes, or all there are.
  package func read(_ count: Int) -> Result<[UInt8], Errno> {
    var failure: Errno?
    // Safe: each call writes inside the buffer, at `filled`, at most the `count - filled` bytes that remain; what it
    // says it wrote is what counts as initialized.
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
      while filled < count {
        let result = unsafe pread(descriptor, buffer.baseAddress! + filled, count - filled, off_t(filled))
        if result > 0 {
          filled += result
        } else if result == 0 {
          break
        } else if errno != EINTR {
          failure = .current
          break
        }
      }
    }
    if let failure { return .failure(failure) }
    return .success(bytes)
  }
}
