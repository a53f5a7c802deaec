internal import GRDB
internal import GRDBSQLite
internal import Glibc
internal import JobModel

/// Turns what SQLite reports about one file into a sentence that an operator can act on.
struct SQLiteFailure: Sendable {
  /// As the operator wrote it.
  let path: String

  func error(_ error: any Error) -> StoreError {
    if let error = error as? StoreError { return error }
    guard let error = error as? DatabaseError else { return StoreError(.io, "\(path): \(error)") }
    return self.error(
      code: error.extendedResultCode.rawValue, message: error.message ?? "", systemError: errno)
  }

  /// - Parameters:
  ///   - code: SQLite's result code, primary or extended.
  ///   - systemError: `errno` of the system call behind it, 0 when unknown. SQLite calls a write that the system
  ///     refused for want of room "full" only for ENOSPC; a quota and a file size limit look like any other I/O error.
  func error(code: Int32, message: String, systemError: Int32 = 0) -> StoreError {
    switch code & 0xff {
    case SQLITE_FULL: return full
    case SQLITE_IOERR:
      if [ENOSPC, EDQUOT, EFBIG].contains(systemError) { return full }
      if systemError == EROFS { return readOnly }
      let cause = systemError == 0 ? message : "\(message): \(Self.text(of: systemError))"
      return StoreError(
        .io, "\(path): the disk refuses (\(cause)): look at the kernel log, then check the file with `moondial doctor`")
    case SQLITE_READONLY, SQLITE_PERM: return readOnly
    case SQLITE_CANTOPEN, SQLITE_AUTH: return cannotOpen
    case SQLITE_CORRUPT:
      return StoreError(
        .corrupt,
        "\(path): the file is damaged (\(message)): restore it from a backup, or move it away together with its -wal "
          + "file to start empty"
      )
    case SQLITE_NOTADB:
      return StoreError(
        .corrupt, "\(path): this is not a SQLite database: name another file, or move this one away to start empty")
    case SQLITE_BUSY, SQLITE_LOCKED:
      return StoreError(
        .locked, "\(path): another process is writing to the file and does not finish: stop it and try again")
    case SQLITE_NOMEM: return StoreError(.io, "\(path): SQLite has no memory left")
    case SQLITE_TOOBIG:
      return StoreError(.io, "\(path): a value is larger than SQLite allows (1 GB): make the run's result smaller")
    default: return StoreError(.io, "\(path): \(message) (SQLite error \(code))")
    }
  }

  var full: StoreError {
    StoreError(
      .full, "\(path): no space is left for it: free some on its file system (or raise the quota); nothing was written")
  }

  var readOnly: StoreError {
    StoreError(
      .readOnly,
      "\(path): the file or its directory cannot be written by user \(geteuid()): change their owner or mode, or name "
        + "another place"
    )
  }

  var newer: StoreError {
    StoreError(
      .version,
      "\(path): written by a newer moondial than this one: install that version, or restore a backup from before the "
        + "upgrade"
    )
  }

  var foreign: StoreError {
    StoreError(.corrupt, "\(path): a SQLite database, but not a store of moondial's: name another file")
  }

  /// Says which of the many reasons for "unable to open database file" it is.
  var cannotOpen: StoreError {
    let directory = Self.directory(of: path)
    var status = stat()
    // Safe: `status` lives across the calls, which write that one struct.
    let closed = StoreError(
      .io, "\(path): user \(geteuid()) may not enter its directory: change the user, or the directory's owner or mode")
    guard unsafe stat(directory, &status) == 0 else {
      if errno == EACCES { return closed }
      return StoreError(.io, "\(path): there is no directory \(directory): create it, or name another place")
    }
    guard status.st_mode & S_IFMT == S_IFDIR else {
      return StoreError(.io, "\(path): \(directory) is a file: name another place")
    }
    if unsafe stat(path, &status) != 0, errno == EACCES { return closed }
    if unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
      return StoreError(.io, "\(path): this is a directory: name a file")
    }
    if unsafe stat(path, &status) != 0, errno == ENOENT, unsafe access(directory, W_OK) == 0 {
      return StoreError(
        .io, "\(path): there is no such file: name the store of a host, by default .moondial/moondial.db")
    }
    return readOnly
  }

  static func directory(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }

  static func text(of systemError: Int32) -> String {
    // Safe: the buffer is as long as it says; the POSIX variant fills it with a text that ends in a zero.
    unsafe withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { buffer in
      guard let start = buffer.baseAddress else { return "error \(systemError)" }
      return unsafe strerror_r(systemError, start, 256) == 0 ? unsafe String(cString: start) : "error \(systemError)"
    }
  }
}
