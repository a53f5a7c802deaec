internal import GRDB
internal import Glibc
package import JobModel

extension SQLiteStore: BackupStore {
  /// Writes a consistent copy of the store to `path`, while a host goes on using it. The copy is a complete database
  /// (no -wal file belongs to it), on disk when this returns, and appears under its name at once or not at all.
  ///
  /// It holds one read snapshot, so commits go on, but the write-ahead log cannot begin anew before it is done. Blocks
  /// for as long as the disk takes.
  package func backup(to path: String) throws(StoreError) {
    let target = SQLiteFailure(path: path)
    // An empty path would leave the copy under the name ".partial".
    guard !path.isEmpty else { throw StoreError(.io, "the path of a backup is empty: name a new file") }
    // Safe here and below: paths are Swift strings, which the compiler passes as C strings for the length of a call.
    guard unsafe access(path, F_OK) != 0 else {
      throw StoreError(.io, "\(path): the file exists already: name another one, or remove it first")
    }
    let partial = path + ".partial"
    unsafe unlink(partial)
    let descriptor = unsafe Glibc.open(partial, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError(
        .io, "\(path) cannot be made: \(SQLiteFailure.text(of: errno)): name a file in another directory")
    }
    Glibc.close(descriptor)
    PrivateFile.make(partial)
    do {
      var configuration = Configuration()
      configuration.foreignKeysEnabled = false
      let copy = try DatabaseQueue(path: partial, configuration: configuration)
      // In one step: with several, a commit of another connection in between would start the copy over.
      try reader.pool.backup(to: copy)
      // The copy says "WAL" in its header like its original; as one file it is easier to carry and safe to open
      // read-only.
      try copy.writeWithoutTransaction { database in
        _ = try String.fetchOne(database, sql: "PRAGMA journal_mode = DELETE")
      }
      try copy.close()
      try sync(partial, target)
      guard unsafe rename(partial, path) == 0 else {
        throw StoreError(
          .io, "\(path): cannot be named so (\(SQLiteFailure.text(of: errno))): the copy is in \(partial)")
      }
      try sync(SQLiteFailure.directory(of: path), target)
    } catch {
      unsafe unlink(partial)
      unsafe unlink(partial + "-journal")
      throw target.error(error)
    }
  }

  private func sync(_ path: String, _ failure: SQLiteFailure) throws(StoreError) {
    let descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0, fsync(descriptor) == 0 else {
      let cause = errno
      if descriptor >= 0 { Glibc.close(descriptor) }
      throw StoreError(.io, "\(path): could not be brought to disk (\(SQLiteFailure.text(of: cause)))")
    }
    Glibc.close(descriptor)
  }
}
