internal import Glibc

/// Files that only their owner may read or write, mode 0600: a store holds what scripts were given and what they said,
/// and often secrets among it.
///
/// The mode is set on the file itself and not left to the umask or the directory: state directories are made by
/// packages, units and people, with any mode.
enum PrivateFile {
  private static let mode: mode_t = 0o600

  /// Makes an empty file, unless there is one, and takes the rights of others away from one that is there. What cannot
  /// be made is left to whoever opens it next, who says why.
  ///
  /// By name, never through a descriptor of a file that is there: SQLite's locks on a file are the process's, and go
  /// when any descriptor of it is closed.
  ///
  /// - Returns: nil, or why others keep their rights.
  @discardableResult
  static func make(_ path: String) -> String? {
    // Safe: the path is passed as a C string for the length of the call.
    let descriptor = unsafe open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode)
    guard descriptor >= 0 else { return restrict(path) }
    // A umask can only have taken away more.
    fchmod(descriptor, mode)
    close(descriptor)
    return nil
  }

  /// Takes the rights of others away from a file that is there.
  static func restrict(_ path: String) -> String? {
    var status = stat()
    // Safe: writes that one struct; the path as above.
    guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o077 != 0 else {
      return nil
    }
    if unsafe chmod(path, mode) == 0 { return nil }
    let cause = SQLiteFailure.text(of: errno)
    return "\(path): others may read it (mode \(String(status.st_mode & 0o777, radix: 8))), and that cannot be changed "
      + "(\(cause)): have its owner chmod it to 600"
  }

  /// The same for a file that is open already, and only for this.
  static func restrict(descriptor: Int32) {
    var status = stat()
    // Safe: writes that one struct. Whoever does not own it leaves it as it is.
    if unsafe fstat(descriptor, &status) == 0, status.st_mode & 0o777 != mode { fchmod(descriptor, mode) }
  }

  /// Everything that belongs to the store at `path`. SQLite gives the other two the mode of the database when it makes
  /// them.
  ///
  /// - Returns: a sentence for each file that others may read.
  static func restrictStore(_ path: String) -> [String] {
    [make(path), restrict(path + "-wal"), restrict(path + "-shm")].compactMap { $0 }
  }
}
