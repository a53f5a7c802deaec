internal import Glibc

/// The directories that are watched for the files of jobs, kept equal to what the last scan of each job visited.
///
/// A watch belongs to an inode, not to a path, and one directory may matter to several jobs: so each watch knows under
/// which path each job reached it.
struct FileWatchSet {
  private var queue: InotifyQueue?
  private let limit: Int
  /// The jobs that a watch serves, each with the paths under which it knows the directory.
  private var users: [Int32: [String: Set<String>]] = [:]
  /// What the scan under way has visited, by watch.
  private var visited: [Int32: Set<String>] = [:]
  private var failure: WatchNotice.Reason?

  /// - Parameter limit: the most watches to take.
  init(limit: Int) { self.limit = limit }

  /// For waiting; nil when the kernel gave none.
  var descriptorOwner: InotifyQueue? { queue }

  var count: Int { users.count }

  /// Begins the scan of one job.
  mutating func begin() {
    visited = [:]
    failure = nil
    guard queue == nil else { return }
    switch InotifyQueue.open() {
    case .success(let opened): queue = opened
    case .failure(let error):
      failure = error.code == EMFILE || error.code == ENFILE ? .tooManyInstances : .refused(errno: error.code)
    }
  }

  /// Watches the directory `path` from now on: what happens in it after this call is reported.
  mutating func visit(_ path: String) {
    guard let queue else { return }
    switch queue.add(path) {
    case .success(let watch):
      // Only known now: the path may lead to a directory that has its watch already.
      if visited[watch] == nil, users[watch] == nil, users.count + visited.count >= limit {
        failure = failure ?? .limitReached(limit: limit)
        return queue.remove(watch)
      }
      visited[watch, default: []].insert(path)
    case .failure(let error):
      switch error.code {
      // Not there, no directory, or not ours to read: for the scan to tell.
      case ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG: break
      case ENOSPC: failure = .tooManyWatches
      default: failure = failure ?? .refused(errno: error.code)
      }
    }
  }

  /// Ends the scan: drops what `job` needed before and did not visit now.
  ///
  /// - Returns: why not everything that was visited is watched; nil when it is.
  mutating func end(for job: String) -> WatchNotice.Reason? {
    for (watch, paths) in visited { users[watch, default: [:]][job] = paths }
    for watch in users.keys where visited[watch] == nil { drop(job, from: watch) }
    visited = [:]
    return failure
  }

  /// `job` watches for nothing any more.
  mutating func forget(_ job: String) {
    for watch in users.keys { drop(job, from: watch) }
  }

  private mutating func drop(_ job: String, from watch: Int32) {
    guard users[watch]?.removeValue(forKey: job) != nil, users[watch]?.isEmpty == true else { return }
    users[watch] = nil
    queue?.remove(watch)
  }

  /// What the kernel reported, as it concerns one job.
  enum Event: Sendable, Equatable {
    /// Something about the entry of this path: a file, or perhaps a link.
    case entry(String, disappeared: Bool)
    /// A directory came, went, was moved or changed its permissions.
    case directory(String)
    /// The kernel dropped events; for every job.
    case overflow
  }

  /// Takes what the kernel reported since the last call. `take` is called with nil for every job.
  mutating func takeEvents(_ take: (String?, Event) -> Void) {
    guard let queue else { return }
    var ended: [Int32] = []
    queue.takeAll { event in
      if event.mask.contains(.overflowed) { return take(nil, .overflow) }
      // Unknown: a watch that was dropped while its events waited.
      guard let jobs = users[event.watch] else { return }
      let isLost = !event.mask.isDisjoint(with: .watchLost)
      let (name, isText) = FileNaming.decode(event.name)
      for (job, paths) in jobs {
        for path in paths {
          if isLost || name.isEmpty {
            take(job, .directory(path))
          } else if event.mask.contains(.isDirectory) {
            take(job, .directory(AbsolutePath.appending(name, to: path)))
          } else if isText {
            take(
              job,
              .entry(AbsolutePath.appending(name, to: path), disappeared: !event.mask.isDisjoint(with: .disappeared)))
          }
        }
      }
      if event.mask.contains(.watchEnded) { ended.append(event.watch) }
    }
    for watch in ended { users[watch] = nil }
  }
}
