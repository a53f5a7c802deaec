internal import Basics
internal import Chronology
internal import Glibc
internal import JobModel

/// The right to schedule from one store file, held by one process at a time.
///
/// It is an open-file-description lock (fcntl `F_OFD_SETLK`, Linux 3.15) on a file beside the database. The kernel
/// gives it back when the holder's descriptor goes, however it died; unlike a POSIX lock it does not vanish when some
/// other code of the process closes the file, and unlike `flock` it can be asked about without being taken. The file is
/// never removed: removing it would let two processes lock two files of one name. Its text says who holds it, for
/// people.
///
/// The lock is the file's first byte. The bytes after it are for runs alongside the host: see `ExternalRunMarks`.
final class SchedulingLock: Sendable {
  /// Who holds a lock.
  struct Holder: Sendable, Equatable {
    var process: Int32
    var host: String
    var since: String
    /// Without the time.
    var who: String { "process \(process) on \(host)" }
    var description: String { "\(who), since \(since)" }
    /// nil: the text says none.
    var instant: Instant? { (try? ISO8601.parse(since))?.instant(in: .utc) }
  }

  private let descriptor: Int32

  static func path(forStore path: String) -> String { path + ".lock" }

  /// Takes the lock of the store at `path`, or throws `.locked` with who has it.
  init(store path: String, now: Instant, failure: SQLiteFailure) throws(StoreError) {
    let lockPath = Self.path(forStore: path)
    // Safe: the path is passed as a C string for the length of the call.
    descriptor = unsafe open(lockPath, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw [EACCES, EPERM, EROFS].contains(errno)
        ? failure.readOnly : errno == ENOSPC ? failure.full : failure.cannotOpen
    }
    PrivateFile.restrict(descriptor: descriptor)
    var wanted = Self.writeLock(onByte: 0)
    // Safe: `wanted` lives across the call, which only reads it.
    guard unsafe fcntl(descriptor, Self.setLock, &wanted) == 0 else {
      let cause = errno
      let holder = Self.text(of: descriptor)
      Glibc.close(descriptor)
      guard cause == EAGAIN || cause == EACCES else {
        throw StoreError(
          .io, "\(lockPath): cannot be locked (\(SQLiteFailure.text(of: cause))): keep the store on a local disk")
      }
      throw StoreError(
        .locked,
        "\(path): another host schedules from this store (\(holder?.description ?? "it has just started")): stop it, "
          + "or name another store"
      )
    }
    let text = "\(getpid())\n\(ProcessPlace.machine)\n\(now)\n"
    ftruncate(descriptor, 0)
    // The text only informs people, so a full disk does not stop a host that holds the lock.
    _ = unsafe text.utf8CString.withUnsafeBufferPointer { unsafe pwrite(descriptor, $0.baseAddress, $0.count - 1, 0) }
  }

  /// Gives the lock back. Unlocks before closing: a child that is just being started (between fork and exec) shares the
  /// open file description, and would keep the lock a moment longer.
  func release() {
    var unlocked = Self.writeLock(onByte: 0)
    unlocked.l_type = Int16(F_UNLCK)
    // Safe: `unlocked` lives across the call, which only reads it.
    _ = unsafe fcntl(descriptor, Self.setLock, &unlocked)
    Glibc.close(descriptor)
  }

  /// Who schedules from the store at `path` at this moment; nil when nobody does. Takes nothing.
  static func holder(ofStore path: String) -> Holder? {
    let descriptor = unsafe open(Self.path(forStore: path), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return nil }
    defer { Glibc.close(descriptor) }
    guard isLocked(byte: 0, of: descriptor) else { return nil }
    return text(of: descriptor) ?? Holder(process: 0, host: "an unknown host", since: "just now")
  }

  // `F_OFD_GETLK` and `F_OFD_SETLK` of <fcntl.h>, which shows them only to _GNU_SOURCE. They are 36 and 37 on all of
  // Linux.
  private static let getLock: Int32 = 36
  fileprivate static let setLock: Int32 = 37

  /// `l_pid` must be 0 for this kind of lock. Bytes beyond the end of a file can be locked like any other.
  fileprivate static func writeLock(onByte byte: Int64) -> flock {
    var lock = flock()
    lock.l_type = Int16(F_WRLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = Int(byte)
    lock.l_len = 1
    return lock
  }

  /// Whether somebody holds a write lock on that byte, seen from another open file description than theirs.
  fileprivate static func isLocked(byte: Int64, of descriptor: Int32) -> Bool {
    var asked = writeLock(onByte: byte)
    // A read lock would conflict with it, and a descriptor that is open for reading may ask for one.
    asked.l_type = Int16(F_RDLCK)
    // Safe: `asked` lives across the call, which writes that one struct.
    return unsafe fcntl(descriptor, getLock, &asked) == 0 && asked.l_type != Int16(F_UNLCK)
  }

  private static func text(of descriptor: Int32) -> Holder? {
    let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 512) { buffer, count in
      // Safe: reads at most the buffer's size into it.
      count = unsafe max(0, pread(descriptor, buffer.baseAddress, buffer.count, 0))
    }
    let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
    guard lines.count == 3, let process = Int32(lines[0]) else { return nil }
    return Holder(process: process, host: String(lines[1]), since: String(lines[2]))
  }
}

/// Says which runs belong to living processes alongside the host: each holds the byte of the lock file whose number is
/// the run's id, and the kernel lets go of it when the process ends. So a host that starts never ends, or repeats, a
/// run that is alive, and does end one whose process died.
final class ExternalRunMarks: Sendable {
  private let descriptor: Int32

  /// - Parameter path: of the store. Without a lock file (nobody ever scheduled) it is made.
  init(store path: String) {
    // Safe: the path is passed as a C string for the length of the call. If it fails, a host may take the run for a
    // dead one's.
    descriptor = unsafe open(SchedulingLock.path(forStore: path), O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
    if descriptor >= 0 { PrivateFile.restrict(descriptor: descriptor) }
  }

  /// Marks `run` as alive until this is closed.
  func mark(_ run: RunID) {
    var wanted = SchedulingLock.writeLock(onByte: run.number)
    // Safe: `wanted` lives across the call, which only reads it.
    _ = unsafe fcntl(descriptor, SchedulingLock.setLock, &wanted)
  }

  func close() { if descriptor >= 0 { Glibc.close(descriptor) } }

  /// The runs among `runs` whose process is alive alongside the host of the store at `path`.
  static func alive(among runs: [RunRecord], store path: String) -> Set<RunID> {
    let descriptor = unsafe open(SchedulingLock.path(forStore: path), O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { return [] }
    defer { Glibc.close(descriptor) }
    return Set(runs.map(\.id).filter { SchedulingLock.isLocked(byte: $0.number, of: descriptor) })
  }
}
