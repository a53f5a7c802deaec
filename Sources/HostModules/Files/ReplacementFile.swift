internal import FileWatching
internal import Glibc
internal import HTTPTransfer
internal import JobModel

/// A file that is being written beside the one whose place it is to take: readers see the old content or the new one.
/// Whoever lets go of it before `commit` leaves nothing behind.
///
/// Threading: one thread at a time. `begin` and `commit` block.
final class ReplacementFile: @unchecked Sendable {
  // @unchecked: see above.
  let file: OpenedFile
  private let place: FileLocation
  private let temporary: [UInt8]
  private var isDone = false

  private init(_ file: OpenedFile, _ place: FileLocation, temporary: [UInt8]) {
    self.file = file
    self.place = place
    self.temporary = temporary
  }

  deinit { discard() }

  static func begin(_ place: FileLocation) -> Result<ReplacementFile, FileFailure> {
    FileActions.formerFile(place).flatMap { former in
      let temporary = FileActions.temporaryName(place.name)
      // Safe: the name is terminated. Nobody may open the file before its mode is right.
      let descriptor = unsafe temporary.withTerminated { name in
        unsafe openat(
          place.directory.descriptor, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
          former == nil ? 0o666 : 0o600)
      }
      guard descriptor >= 0 else { return .failure(.system(.current)) }
      if let former {
        // Not to be allowed to is no failure: the content counts.
        if former.st_uid != geteuid() || former.st_gid != getegid() {
          _ = fchown(descriptor, former.st_uid, former.st_gid)
        }
        _ = fchmod(descriptor, former.st_mode & 0o777)
      }
      return .success(ReplacementFile(OpenedFile(descriptor), place, temporary: temporary))
    }
  }

  /// On disk, and then in its place.
  func commit() -> Result<Void, FileFailure> {
    guard fsync(file.descriptor) == 0 else { return .failure(.system(.current)) }
    // Safe: both names are terminated and outlive the call.
    let isMoved = unsafe temporary.withTerminated { from in
      unsafe place.name.withTerminated { to in
        unsafe renameat(place.directory.descriptor, from, place.directory.descriptor, to) == 0
      }
    }
    guard isMoved else { return .failure(.system(.current)) }
    isDone = true
    // Some file systems refuse that; then they promise it otherwise.
    _ = fsync(place.directory.descriptor)
    return .success(())
  }

  /// It is not to be. Whoever says so before an answer is given leaves nothing to be seen after it.
  func discard() {
    guard !isDone else { return }
    isDone = true
    // Safe: the name is terminated.
    _ = unsafe temporary.withTerminated { unsafe unlinkat(place.directory.descriptor, $0, 0) }
  }
}

extension FileActions {
  /// A regular file, open for reading, and its size.
  static func openForReading(_ place: FileLocation) -> Result<(file: OpenedFile, size: Int), FileFailure> {
    // Safe: the name is terminated. Not to wait for the writer of a pipe.
    let descriptor = unsafe place.name.withTerminated { name in
      unsafe openat(place.directory.descriptor, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY)
    }
    guard descriptor >= 0 else { return .failure(.system(.current)) }
    let file = OpenedFile(descriptor)
    var status = stat()
    // Safe: the struct outlives the call.
    guard unsafe fstat(descriptor, &status) == 0 else { return .failure(.system(.current)) }
    guard status.st_mode & S_IFMT == S_IFREG else { return .failure(.text("is no file")) }
    return .success((file, Int(status.st_size)))
  }

  /// The content of a small file, such as a certificate.
  static func readWhole(_ place: FileLocation, limit: Int) -> Result<[UInt8], FileFailure> {
    read(place, limit: limit, upTo: limit).flatMap { found -> Result<[UInt8], FileFailure> in
      if case .value(let bytes) = found { return .success(bytes) }
      return .failure(.text("has more than \(limit) bytes"))
    }
  }
}
