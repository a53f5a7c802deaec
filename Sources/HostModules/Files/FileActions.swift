internal import FileWatching
internal import Glibc
internal import JobModel
internal import ScriptRuntime

/// What `fs` does with a place, blocking: called on the blocking pool.
enum FileActions {
  struct Entry: Sendable {
    var name: [UInt8]
    var kind: String
  }
  struct Status: Sendable {
    var kind: String
    var size: Int64
    /// Nanoseconds since 1970.
    var modified: Int64
  }

  /// The whole file, if it has at most `bytes` bytes; of a larger one only how large.
  static func read(_ location: FileLocation, limit: Int, upTo bytes: Int) -> Result<Sized<[UInt8]>, FileFailure> {
    // Not to wait for the writer of a pipe; the kind is looked at before anything is read.
    open(location, O_RDONLY | O_NONBLOCK | O_NOFOLLOW).flatMap { file in
      switch file.status() {
      case .failure(let error): return .failure(.system(error))
      case .success(let status):
        guard status.kind == "file" else { return .failure(.text("is a \(status.kind), not a file")) }
        guard status.size <= limit else {
          return .failure(
            .text("has \(status.size) bytes, more than the limit of \(limit): read it with { max = bytes }"))
        }
        let size = Int(status.size)
        guard size <= bytes else { return .success(.larger(size)) }
        // Files in /proc say 0 and have more; others may have grown.
        return file.read(upTo: min(limit, bytes), expecting: size).flatMap { content in
          if let content { return .success(.value(content)) }
          if bytes >= limit { return .failure(.text("has more than the limit of \(limit) bytes")) }
          return .success(.larger(min(limit, 2 * bytes)))
        }
      }
    }
  }

  /// Replaces the file as a whole: readers see the old or the new content, also after a power cut. A new file gets the
  /// mode that the umask leaves it; one that was there keeps its own, and its owner where this process may give it
  /// away.
  static func write(_ location: FileLocation, _ bytes: [UInt8]) -> Result<Void, FileFailure> {
    let temporary = temporaryName(location.name)
    let former: stat?
    switch formerFile(location) {
    case .success(let status): former = status
    case .failure(let failure): return .failure(failure)
    }
    // Nobody may open the file before its mode is right.
    let made = open(
      FileLocation(directory: location.directory, name: temporary), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
      former == nil ? 0o666 : 0o600)
    return made.flatMap { file in
      if let former { file.become(like: former) }
      let result = file.write(bytes).flatMap { file.flush() }.flatMap { () -> Result<Void, FileFailure> in
        // Safe: both names are terminated and outlive the call.
        let isMoved = unsafe temporary.withTerminated { from in
          unsafe location.name.withTerminated { to in
            unsafe renameat(location.directory.descriptor, from, location.directory.descriptor, to) == 0
          }
        }
        return isMoved ? .success(()) : .failure(.system(.current))
      }
      switch result {
      case .success:
        // The new name is on disk when its directory is. Some file systems refuse that; then they promise it otherwise.
        _ = fsync(location.directory.descriptor)
        return .success(())
      case .failure(let failure):
        // Safe: as above.
        _ = unsafe temporary.withTerminated { unsafe unlinkat(location.directory.descriptor, $0, 0) }
        return .failure(failure)
      }
    }
  }

  /// `.NAME.NUMBER~`, which no watch takes for a file. A name has at most 255 bytes, so of a long one its beginning.
  static func temporaryName(_ name: [UInt8]) -> [UInt8] {
    [UInt8(ascii: ".")] + name.prefix(200) + Array(".\(UInt64.random(in: .min ... .max))~".utf8)
  }

  /// The regular file that a name has so far; nil when it has none. A link is replaced, not followed.
  static func formerFile(_ location: FileLocation) -> Result<stat?, FileFailure> {
    var former = stat()
    // Safe: the struct outlives the call, and the name is terminated.
    let exists = unsafe location.name.withTerminated { name in
      unsafe fstatat(location.directory.descriptor, name, &former, AT_SYMLINK_NOFOLLOW) == 0
    }
    guard exists else { return .success(nil) }
    switch former.st_mode & S_IFMT {
    case S_IFDIR: return .failure(.text("is a directory"))
    case S_IFREG: return .success(former)
    default: return .success(nil)
    }
  }

  /// Adds to the end in one write, so that lines of several runs do not mix.
  static func append(_ location: FileLocation, _ bytes: [UInt8], flushing: Bool) -> Result<Void, FileFailure> {
    open(location, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o666).flatMap { file in
      file.write(bytes).flatMap { flushing ? file.flush() : .success(()) }
    }
  }

  /// What an entry takes beside its name, on its way to a script.
  private static let entryOverhead = 400

  /// The entries of a directory, by name, if they take at most `room` bytes; of more only that there are more.
  static func list(_ location: FileLocation, limit: Int, upTo room: Int) -> Result<Sized<[Entry]>, FileFailure> {
    open(location, O_RDONLY | O_DIRECTORY | O_NOFOLLOW).flatMap { file in
      // Safe: the duplicate is owned by the stream, which closes it.
      guard let stream = unsafe fdopendir(dup(file.descriptor)) else { return .failure(.system(.current)) }
      defer { unsafe _ = closedir(stream) }
      var entries: [Entry] = []
      var size = 0
      // Safe: a record is valid until the next call, and its name is terminated; it is read in place, because the
      // record can be shorter than the struct that declares it.
      while let entry = unsafe readdir(stream) {
        let name = unsafe UnsafeRawPointer(entry).advanced(by: MemoryLayout<dirent>.offset(of: \.d_name)!)
        let bytes = unsafe Array(
          UnsafeRawBufferPointer(start: name, count: strlen(name.assumingMemoryBound(to: CChar.self))))
        if bytes == [46] || bytes == [46, 46] { continue }
        let kind: String =
          switch unsafe Int32(entry.pointee.d_type) {
          case Int32(DT_REG): "file"
          case Int32(DT_DIR): "directory"
          case Int32(DT_LNK): "link"
          default: "other"
          }
        size += bytes.count + entryOverhead
        if size > room {
          guard room < limit else { return .failure(.text("has more entries than fit into \(limit) bytes of memory")) }
          return .success(.larger(min(limit, 2 * room)))
        }
        entries.append(Entry(name: bytes, kind: kind))
      }
      return .success(.value(entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }))
    }
  }

  /// What there is under the place's name; nil when nothing is.
  static func status(_ location: FileLocation) -> Result<Status?, FileFailure> {
    var status = stat()
    // Safe: the struct outlives the call; the name is terminated.
    let isThere = unsafe location.name.withTerminated { name in
      unsafe fstatat(location.directory.descriptor, name, &status, AT_SYMLINK_NOFOLLOW) == 0
    }
    guard isThere else {
      return errno == ENOENT ? .success(nil) : .failure(.system(.current))
    }
    return .success(Status(status))
  }

  /// Removes a file, a link or an empty directory. False when there was nothing.
  static func remove(_ location: FileLocation) -> Result<Bool, FileFailure> {
    // Safe: the name is terminated.
    unsafe location.name.withTerminated { name in
      if unsafe unlinkat(location.directory.descriptor, name, 0) == 0 { return .success(true) }
      if errno == EISDIR || errno == EPERM {
        if unsafe unlinkat(location.directory.descriptor, name, AT_REMOVEDIR) == 0 { return .success(true) }
      }
      return errno == ENOENT ? .success(false) : .failure(.system(.current))
    }
  }

  /// Gives a file, a link or a directory another name, and another directory. What has that name gives way as a whole.
  static func rename(_ location: FileLocation, to new: FileLocation) -> Result<Void, FileFailure> {
    let (from, to) = (location.directory.descriptor, new.directory.descriptor)
    // Safe: both names are terminated and outlive the call.
    let isMoved = unsafe location.name.withTerminated { name in
      unsafe new.name.withTerminated { unsafe renameat(from, name, to, $0) == 0 }
    }
    guard isMoved else {
      if errno == EXDEV {
        return .failure(.text("and its new name are on two file systems: read it, write it there, and remove it here"))
      }
      return .failure(.system(.current))
    }
    // The names are on disk when their directories are. Some file systems refuse that; then they promise it otherwise.
    _ = fsync(to)
    _ = fsync(from)
    return .success(())
  }

  /// Makes a directory; one that is there is fine.
  static func makeDirectory(_ location: FileLocation) -> Result<Void, FileFailure> {
    if location.name == FileLocation.itself { return .success(()) }
    // Safe: the name is terminated.
    let isMade = unsafe location.name.withTerminated { unsafe mkdirat(location.directory.descriptor, $0, 0o777) == 0 }
    if isMade { return .success(()) }
    guard errno == EEXIST else { return .failure(.system(.current)) }
    return status(location).flatMap {
      $0?.kind == "directory" ? .success(()) : .failure(.text("exists and is no directory"))
    }
  }

  private static func open(_ location: FileLocation, _ flags: Int32, _ mode: mode_t = 0) -> Result<
    OpenedFile, FileFailure
  > {
    // Safe: the name is terminated.
    let descriptor = unsafe location.name.withTerminated { name in
      unsafe openat(location.directory.descriptor, name, flags | O_CLOEXEC | O_NOCTTY, mode)
    }
    return descriptor >= 0 ? .success(OpenedFile(descriptor)) : .failure(.system(.current))
  }
}

enum FileFailure: Error {
  case system(Errno)
  /// A sentence that follows the path.
  case text(String)
  /// A path, which need not be the first one, leads nowhere.
  case other(String, FileLocationError)

  func message(_ path: String) -> String {
    switch self {
    case .system(let error): "\(path): \(SystemCall.message(for: error.code))"
    case .text(let text): "\(path) \(text)"
    case .other(let path, let error): error.message(path)
    }
  }
}

extension FileActions.Status {
  fileprivate init(_ status: stat) {
    kind =
      switch status.st_mode & S_IFMT {
      case S_IFREG: "file"
      case S_IFDIR: "directory"
      case S_IFLNK: "link"
      default: "other"
      }
    size = Int64(status.st_size)
    modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
  }
}

/// An open file; closed with the last reference.
private final class OpenedFile {
  let descriptor: Int32
  init(_ descriptor: Int32) { self.descriptor = descriptor }
  deinit { close(descriptor) }

  func status() -> Result<FileActions.Status, Errno> {
    var status = stat()
    // Safe: the struct outlives the call.
    return unsafe fstat(descriptor, &status) == 0 ? .success(FileActions.Status(status)) : .failure(.current)
  }

  /// Takes over the permissions of a file that it replaces, without the rights that the kernel takes from a file that
  /// is written (setuid, setgid), and its owner. Not to be allowed to is no failure: the content counts.
  func become(like former: stat) {
    if former.st_uid != geteuid() || former.st_gid != getegid() { _ = fchown(descriptor, former.st_uid, former.st_gid) }
    _ = fchmod(descriptor, former.st_mode & 0o777)
  }

  /// Everything; nil when there is more than `limit`.
  func read(upTo limit: Int, expecting size: Int) -> Result<[UInt8]?, FileFailure> {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(size)
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
      // Safe: the call writes inside the array, which outlives it.
      let count = unsafe Glibc.read(descriptor, &buffer, buffer.count)
      if count == 0 { return .success(bytes) }
      guard count > 0 else {
        if errno == EINTR { continue }
        return .failure(.system(.current))
      }
      guard bytes.count + count <= limit else { return .success(nil) }
      bytes += buffer[..<count]
    }
  }

  func write(_ bytes: [UInt8]) -> Result<Void, FileFailure> {
    var rest = bytes[...]
    while !rest.isEmpty {
      // Safe: the call reads inside the slice, which outlives it.
      let count = unsafe rest.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 {
        if errno == EINTR { continue }
        return .failure(.system(.current))
      }
      rest = rest.dropFirst(count)
    }
    return .success(())
  }

  func flush() -> Result<Void, FileFailure> { fsync(descriptor) == 0 ? .success(()) : .failure(.system(.current)) }
}
