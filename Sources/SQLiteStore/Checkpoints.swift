internal import GRDB
internal import GRDBSQLite

/// When the write-ahead log is copied back into the database: after so many pages; and again soon when the log did not
/// begin anew after it, since somebody was reading in it. While it grows, each commit costs the file system new blocks
/// and an inode besides: with a disk that takes 0.2 ms, 0.1 ms more. The longer somebody reads the rarer it is tried.
struct CheckpointPlan: Equatable {
  private let pagesBetween: Int32
  private var pagesAtLast: Int32 = 0
  private var wait: Int32
  /// After a checkpoint until the log begins anew.
  private var isTrying = false

  init(pagesBetween: Int32) {
    self.pagesBetween = pagesBetween
    wait = pagesBetween
  }

  /// Whether a checkpoint is due, which is done then.
  ///
  /// - Parameter pages: in the log, after the last commit.
  mutating func isDue(at pages: Int32) -> Bool {
    if pages < pagesAtLast {
      // The log began anew.
      pagesAtLast = 0
      wait = pagesBetween
      isTrying = false
    }
    guard pages - pagesAtLast >= wait else { return false }
    wait = isTrying ? min(wait * 2, pagesBetween) : max(1, pagesBetween / 20)
    pagesAtLast = pages
    isTrying = true
    return true
  }
}

/// Copies the write-ahead log back into the database, now and then, after completions were called: nobody waits for it.
/// Passive checkpoints never block readers or other writers.
@safe struct Checkpoints {
  /// Pages in the log after the last commit; SQLite writes it from inside COMMIT, on this thread.
  private let pages: UnsafeMutablePointer<Int32>
  private var plan: CheckpointPlan

  init(pagesBetween: Int) {
    plan = CheckpointPlan(pagesBetween: Int32(pagesBetween))
    unsafe pages = .allocate(capacity: 1)
    unsafe pages.initialize(to: 0)
  }

  /// Replaces SQLite's own checkpoints, which run inside COMMIT.
  func watch(_ database: Database) {
    // Safe: `pages` lives until `unwatch`, and the hook is called on the thread that commits.
    _ = unsafe sqlite3_wal_hook(
      database.sqliteConnection,
      { context, _, _, pages in
        unsafe context?.assumingMemoryBound(to: Int32.self).pointee = pages
        return SQLITE_OK
      }, pages)
  }

  func unwatch(_ database: Database) {
    _ = unsafe sqlite3_wal_hook(database.sqliteConnection, nil, nil)
    unsafe pages.deallocate()
  }

  /// Brings everything into the database and empties the log, so that the one file is the store: whoever copies it, or
  /// moves it to another machine, has all of it. A reader of another process that does not let go within a second keeps
  /// the log; the next host or reader finds everything in the two files then.
  func finish(_ database: Database) {
    // Safe here and below: the connection is open, and this thread alone uses it.
    _ = unsafe sqlite3_busy_timeout(database.sqliteConnection, 1_000)
    // A failure loses nothing: the log keeps what it has.
    _ = unsafe sqlite3_wal_checkpoint_v2(database.sqliteConnection, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
  }

  mutating func checkpointIfNeeded(_ database: Database) {
    guard plan.isDue(at: unsafe pages.pointee) else { return }
    // A failure loses nothing: the log keeps what it has, and the next commit reports a disk that does not write.
    _ = unsafe sqlite3_wal_checkpoint_v2(database.sqliteConnection, nil, SQLITE_CHECKPOINT_PASSIVE, nil, nil)
  }
}
