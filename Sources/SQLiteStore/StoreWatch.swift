internal import Chronology
internal import GRDB
internal import GRDBSQLite
internal import Glibc
internal import JobModel

/// Sees that the files under a host's store are still the ones that it opened, before each transaction: a database that
/// was removed, renamed, replaced or cut off goes on taking writes, which nobody will ever read.
///
/// Names are compared with what they meant at first (device and inode), sizes with the largest that were seen: three
/// stat(2), some 3 µs of a commit. Who writes another database *into* the same file is seen by what is in it: at most
/// once a second the host's own mark is read again from the disk, past every cache.
///
/// What it finds is not remembered. A file that was renamed and is put back serves again.
///
/// Threading: the store's writer thread only. Blocks on the file system.
final class StoreWatch: @unchecked Sendable {
  // `@unchecked`: made before the writer's thread starts, and used by that thread only from then on.
  private struct Identity: Equatable {
    var device: UInt64
    var inode: UInt64
  }

  private struct Known {
    let path: String
    let what: String
    var identity: Identity
    /// Seen so far. The database never shrinks by itself, since nothing here vacuums.
    var largest: Int64
  }

  private let failure: SQLiteFailure
  private var database: Known
  private var beside: [Known] = []
  /// Reads with a cache of its own, which is emptied before.
  private let connection: DatabaseQueue
  private let mark: Int64
  private var nextLook: Int64 = 0

  private let lookEvery: Int64

  /// - Parameter mark: what this host wrote into `meta`, and nobody else has.
  /// - Parameter lookEvery: nanoseconds between two looks into the file.
  init(_ failure: SQLiteFailure, mark: Int64, lookEvery: Int64) throws {
    self.failure = failure
    self.lookEvery = lookEvery
    self.mark = mark
    let path = failure.path
    func known(_ suffix: String, _ what: String) throws(StoreError) -> Known {
      guard let (identity, size) = Self.look(path + suffix) else { throw failure.cannotOpen }
      return Known(path: path + suffix, what: what, identity: identity, largest: size)
    }
    database = try known("", "the database")
    beside = [try known("-wal", "its write-ahead log"), try known("-shm", "the index of its write-ahead log")]
    var configuration = Configuration()
    configuration.label = "moondial-watch"
    configuration.readonly = true
    configuration.prepareDatabase { try $0.execute(sql: "PRAGMA cache_size = 10") }
    connection = try DatabaseQueue(path: path, configuration: configuration)
  }

  /// It holds no statement at this point, so it cannot fail for one.
  func close() { ClosedConnections.close(connection) }

  /// Throws `.lost` when a name no longer means the file that the host has open.
  func verify() throws(StoreError) {
    try verify(&database)
    for index in beside.indices { try verify(&beside[index]) }
  }

  private func verify(_ known: inout Known) throws(StoreError) {
    guard let (identity, size) = Self.look(known.path) else {
      throw lost(
        "\(known.what) was removed or renamed (\(known.path))",
        known.path == failure.path
          ? "put it back, or stop this host, restore a backup and start it again"
          : "stop this host and start it again; what it wrote since the last checkpoint may be gone")
    }
    guard identity == known.identity else {
      throw lost(
        "another file was put in the place of \(known.what) (\(known.path))",
        "stop this host before a store is exchanged, and start it again to go on with the new one")
    }
    if known.path == failure.path, size < known.largest {
      guard isWhole(size) else {
        throw lost(
          "\(known.what) was cut off from \(known.largest) to \(size) bytes",
          "stop this host, restore a backup and start it again")
      }
    }
    known.largest = size
  }

  /// Looks into the file, if that was not done for a second. Throws `.lost` when it is not this host's store any more.
  ///
  /// - Parameter isSuspicious: something went wrong: look now.
  func verifyContents(isSuspicious: Bool = false) throws(StoreError) {
    let now = SystemMonotonicClock().now.nanoseconds
    guard now >= nextLook || isSuspicious else { return }
    nextLook = now + lookEvery
    let found: Int64?
    do {
      found = try readAnew("SELECT value FROM meta WHERE key = '\(StoreFence.markKey)'")
    } catch let error as DatabaseError
      where [.SQLITE_CORRUPT, .SQLITE_NOTADB, .SQLITE_ERROR].contains(error.resultCode)
    {
      // SQLITE_ERROR: there is no such table.
      throw lost("something else was written into it", "stop this host, restore a backup and start it again")
    } catch {
      // A disk that fails says so at the next commit, in its own words.
      return
    }
    // A later host's mark is the fence's to tell, in better words.
    guard found != nil else {
      throw lost("another database was written into it", "stop this host, restore the right one and start it again")
    }
  }

  /// From the disk, past every cache.
  private func readAnew(_ sql: String) throws -> Int64? {
    try connection.read { database in
      // Safe: the connection is open, and this closure alone uses it.
      _ = unsafe sqlite3_db_release_memory(database.sqliteConnection)
      return try Int64.fetchOne(database, sql: sql)
    }
  }

  /// Whether a database that has shrunk is whole: somebody vacuumed it. Pages that were added since then may lie in the
  /// write-ahead log alone; where the log is long enough for all that the file lacks, the database itself is looked
  /// through, which takes as long as reading it. That is once for each time that it shrinks.
  private func isWhole(_ size: Int64) -> Bool {
    // What cannot be read is not whole.
    let pages = (try? readAnew("PRAGMA page_count")).flatMap { $0 }
    let pageSize = (try? readAnew("PRAGMA page_size")).flatMap { $0 }
    guard let pages, let pageSize, pageSize > 0 else { return false }
    let missing = pages - size / pageSize
    if missing <= 0 { return true }
    // A frame of the log is a page and its header of 24 bytes.
    let frames = (Self.look(failure.path + "-wal")?.1 ?? 0) / (pageSize + 24)
    guard missing <= frames else { return false }
    return (try? connection.read { try String.fetchOne($0, sql: "PRAGMA quick_check(1)") }) == "ok"
  }

  private func lost(_ what: String, _ remedy: String) -> StoreError {
    StoreError(.lost, "\(failure.path): \(what) while this host used it: nothing more starts from it; \(remedy)")
  }

  private static func look(_ path: String) -> (Identity, Int64)? {
    var status = stat()
    // Safe: the path is passed as a C string for the call, which writes that one struct.
    guard unsafe stat(path, &status) == 0 else { return nil }
    return (Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)), Int64(status.st_size))
  }
}
