internal import Glibc

/// The directories that are watched, kept equal to what the last scan said is worth watching.
///
/// A watch belongs to an inode, not to a path: a directory that was moved keeps its watch and would report under its
/// old name. So each scan names every place anew, and the watches of places that it did not name are dropped
/// afterwards.
struct WatchSet {
  private var queue: InotifyQueue?
  private let limit: Int
  private var watches: [Int32: Watch] = [:]
  /// What the scan under way has named so far.
  private var named: [Int32: Watch] = [:]
  private var searched: Set<ScriptPath> = []
  private var failure: WatchNotice.Reason?

  private struct Watch {
    var path: String
    /// One directory can matter in several ways, such as the root's parent that also holds the configuration.
    var roles: Set<WatchRole>
  }

  /// - Parameter limit: the most watches to take.
  init(limit: Int) { self.limit = limit }

  /// For waiting; `nil` when the kernel gave none.
  var descriptorOwner: InotifyQueue? { queue }

  /// The number of watched directories.
  var count: Int { watches.count }

  /// Begins a scan.
  mutating func begin() {
    named = [:]
    failure = nil
    guard queue == nil else { return }
    switch InotifyQueue.open() {
    case .success(let opened): queue = opened
    case .failure(let error):
      failure = error.code == EMFILE || error.code == ENFILE ? .tooManyInstances : .refused(errno: error.code)
    }
  }

  /// Watches `path` from now on, because of `role`. What happens there after this call is reported.
  mutating func name(_ path: String, _ role: WatchRole) {
    guard let queue else { return }
    switch queue.add(path) {
    case .success(let watch):
      // Only known now: the path may lead to a directory that has its watch already.
      if named[watch] == nil, named.count >= limit {
        failure = failure ?? .limitReached(limit: limit)
        if watches[watch] == nil { queue.remove(watch) }
        return
      }
      named[watch, default: Watch(path: path, roles: [])].roles.insert(role)
    case .failure(let error):
      switch error.code {
      // Not there, no directory, or not ours to read: for the scan to tell.
      case ENOENT, ENOTDIR, EACCES, ELOOP, ENAMETOOLONG: break
      case ENOSPC: failure = .tooManyWatches
      default: failure = failure ?? .refused(errno: error.code)
      }
    }
  }

  /// Ends a scan that searched `directories`: drops the watches that it did not name.
  ///
  /// - Returns: why not everything that was named is watched; `nil` when it is.
  mutating func end(searched directories: Set<ScriptPath>) -> WatchNotice.Reason? {
    for watch in watches.keys where named[watch] == nil { queue?.remove(watch) }
    watches = named
    named = [:]
    searched = directories
    return failure
  }

  /// Takes what the kernel reported since the last call, as far as it matters.
  mutating func takeEvents() -> [WatchEvent] {
    guard let queue else { return [] }
    var events: [WatchEvent] = []
    var ended: [Int32] = []
    queue.takeAll { event in
      if event.mask.contains(.overflowed) { return events.append(.overflow) }
      // Unknown: a watch that was dropped while its events waited.
      guard let watch = watches[event.watch] else { return }
      let name = FileNaming.decode(event.name).name
      for role in watch.roles {
        let meaning = WatchEvent(
          event.mask, name: name, in: role,
          isLink: {
            let status = SystemCall.status(of: AbsolutePath.appending(name, to: watch.path), followingLinks: false)
            guard case .success(let status) = status else { return false }
            return status.kind == .link
          },
          isSearched: { searched.contains($0) })
        if let meaning { events.append(meaning) }
      }
      if event.mask.contains(.watchEnded) { ended.append(event.watch) }
    }
    for watch in ended { watches[watch] = nil }
    return events
  }
}
