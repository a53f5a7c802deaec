import JobModel

/// The complete files of one job: those that no run was given so far, in order of arrival, and those that runs have in
/// hand.
///
/// Invariants: a path waits at most once, in its newest version; a path that a run has in hand is given to no other run
/// before that one has ended; a file that has gone is neither given away nor remembered.
struct FileBacklog: Sendable {
  private var waiting: [String: FileVersion] = [:]
  /// The paths of `waiting` by arrival. A path that is not waiting any more is passed over.
  private var order: [String] = []
  /// Where the oldest of `order` lies.
  private var head = 0
  /// What each run has in hand, by the run's slot.
  private var inHand: [Int: [WatchedFile]] = [:]
  /// The paths of `inHand`, and whether each has gone since it was given away.
  private var taken: [String: Bool] = [:]

  var isWaiting: Bool { !waiting.isEmpty }

  /// These versions are complete. A newer version of a waiting path takes the older one's place.
  mutating func add(_ files: [WatchedFile]) {
    for file in files where waiting.updateValue(file.version, forKey: file.path) == nil { order.append(file.path) }
    if order.count - head > 2 * waiting.count + 64 { compact() }
  }

  /// Files that come and go while the job is paused leave their paths in the order; now and then that is put right.
  private mutating func compact() {
    var seen = Set<String>(minimumCapacity: waiting.count)
    order = order[head...].filter { waiting[$0] != nil && seen.insert($0).inserted }
    head = 0
  }

  /// These paths name nothing any more.
  mutating func remove(_ paths: [String]) {
    for path in paths {
      waiting[path] = nil
      if taken[path] != nil { taken[path] = true }
    }
  }

  /// The job watches for nothing any more.
  mutating func removeAllWaiting() {
    waiting = [:]
    order = []
    head = 0
  }

  /// The next batch, sorted by path: at most `limit` files whose paths have at most `bytes` together, but one at least
  /// when any is free. It stays with the caller until ``give(_:to:)``.
  mutating func take(_ limit: Int, bytes: Int) -> [WatchedFile] {
    var batch: [WatchedFile] = []
    var size = 0
    var postponed: [String] = []
    while batch.count < limit, head < order.count {
      let path = order[head]
      guard let version = waiting[path] else {
        head += 1
        continue
      }
      if taken[path] != nil {
        postponed.append(path)
        head += 1
        continue
      }
      size += path.utf8.count
      if !batch.isEmpty, size > bytes { break }
      head += 1
      waiting[path] = nil
      batch.append(WatchedFile(path: path, version: version))
    }
    if head > order.count / 2 {
      order.removeFirst(head)
      head = 0
    }
    order += postponed
    return batch.sorted { $0.path < $1.path }
  }

  /// A run has these files in hand now.
  mutating func give(_ files: [WatchedFile], to slot: Int) {
    inHand[slot] = files
    for file in files { taken[file.path] = false }
  }

  /// What a run has in hand, by path.
  func files(of slot: Int) -> [WatchedFile] { inHand[slot] ?? [] }

  /// The run has ended. Answers its files without those that have gone meanwhile.
  mutating func end(_ slot: Int) -> [WatchedFile] {
    let files = inHand.removeValue(forKey: slot) ?? []
    return files.filter { taken.removeValue(forKey: $0.path) == false }
  }

  /// Files of a run that came to nothing wait again, unless a newer version waits already.
  mutating func putBack(_ files: [WatchedFile]) { add(files.filter { waiting[$0.path] == nil }) }
}
