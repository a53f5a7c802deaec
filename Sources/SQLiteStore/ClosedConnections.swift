internal import GRDB
internal import Glibc

/// Lets connections go without waiting for a thread that the system does not give.
///
/// Each connection of GRDB has a dispatch queue. Its disposal needs a thread of libdispatch, which waits in a loop, for
/// ever, when none can be made (RLIMIT_NPROC, a cgroup's `pids.max`): the end of a host would hang there. So at such a
/// moment connections are neither closed nor released: the process, which is most likely ending, does that. Nothing is
/// lost: what was committed is on disk, and SQLite's locks end with the process.
enum ClosedConnections {
  /// Closes a pool or queue, or keeps it open for ever.
  static func close(_ connection: some DatabaseReader) {
    guard canMakeThread else {
      // Safe: never released, which is the purpose; it is one object for each store that is open.
      _ = unsafe Unmanaged.passRetained(connection as AnyObject)
      return
    }
    // Statements that are still in use (a query on another thread) make it fail, and then the last one to go closes the
    // file.
    try? connection.close()
  }

  private static var canMakeThread: Bool {
    var thread = pthread_t()
    // Safe: the thread does nothing with its argument, and is joined at once.
    guard unsafe pthread_create(&thread, nil, { _ in nil }, nil) == 0 else { return false }
    pthread_join(thread, nil)
    return true
  }
}
