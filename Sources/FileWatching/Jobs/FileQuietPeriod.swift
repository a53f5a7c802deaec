internal import Chronology
package import JobModel

/// Which files of one watch are complete, and what to tell the scheduler about them. Pure: what is on the disk, and the
/// time, come as arguments.
///
///     quietPeriod.see("/in/a.csv", version, at: now)           // by an event, or by a scan
///     for path in quietPeriod.due(at: later) {                 // has been quiet for `settle`
///       quietPeriod.confirm(path, versionOnDisk, at: later)    // the same: complete
///     }
///     let report = quietPeriod.takeReport()
///
/// Invariants:
/// - A file is reported as complete when its version was seen, and seen again `settle` later, with no event about it
///   between.
/// - A version is reported once; every other version of the same path is reported again.
/// - A path is created when nothing is known of it, and changed otherwise. What the watch does not ask for is passed
///   over, which is reported too, so that it is still known after a restart.
package struct FileQuietPeriod: Sendable {
  /// What the scheduler is to be told.
  package struct Report: Sendable, Equatable {
    /// Complete: for runs. By path.
    package var complete: [WatchedFile] = []
    /// Known from now on, without a run.
    package var passedOver: [WatchedFile] = []
    /// Not there any more.
    package var gone: [String] = []

    package init() {}
    package var isEmpty: Bool { complete.isEmpty && passedOver.isEmpty && gone.isEmpty }
  }

  private struct Known: Sendable {
    var version: FileVersion
    var at: Instant
  }

  private struct Moving: Sendable {
    var version: FileVersion
    var since: Int64
  }

  /// How long a mark outlives a file of which nobody can tell whether it has gone: its file system is not mounted.
  static let markLife: Int64 = 30 * 86_400 * 1_000_000_000

  private let settle: Int64
  private let events: FileEvents
  /// What was reported before, in this process or an earlier one.
  private var known: [String: Known] = [:]
  /// Seen in a version that was not reported so far.
  private var moving: [String: Moving] = [:]
  /// When each entry of `moving` began to be quiet. All wait equally long, so they fall due in this order; one that
  /// began anew since is passed over. From `head` on.
  private var queue: [(path: String, since: Int64)] = []
  private var head = 0
  private var report = Report()

  /// - Parameter marks: what the store remembers of the job's files.
  package init(_ watch: FileWatch, marks: [FileMark]) {
    settle = Self.bounded(watch.settle)
    events = watch.events
    for mark in marks where !mark.isBeginning {
      if let version = mark.version { known[mark.path] = Known(version: version, at: mark.at) }
    }
  }

  /// The same files under a watch that was edited.
  package init(_ watch: FileWatch, after former: FileQuietPeriod) {
    settle = Self.bounded(watch.settle)
    events = watch.events
    known = former.known
    // What is quiet so far begins anew: the span may be another one.
  }

  /// Thirty-six years: a sum with a reading of a monotonic clock cannot overflow.
  private static func bounded(_ settle: Int64) -> Int64 { min(max(0, settle), 1 << 60) }

  // MARK: What is on the disk

  /// `path` is a file in this version.
  ///
  /// - Parameter isTouched: something happened to it, even if it looks the same: it begins to be quiet now.
  package mutating func see(_ path: String, _ version: FileVersion, isTouched: Bool = false, at now: ClockReading) {
    if let known = known[path], known.version.isSameContent(as: version) {
      moving[path] = nil
      return
    }
    if let old = moving[path], old.version.isSameContent(as: version), !isTouched { return }
    moving[path] = Moving(version: version, since: now.monotonic)
    queue.append((path, now.monotonic))
  }

  /// `path` is no file.
  ///
  /// - Parameter directoryDevice: the device of the nearest directory above it that is there. When it is not the one
  ///   that the file was on, the file system may only be away: then the file stays known, for a month.
  package mutating func miss(_ path: String, directoryDevice: UInt64? = nil, at now: ClockReading) {
    moving[path] = nil
    guard let last = known[path] else { return }
    if let directoryDevice, directoryDevice != last.version.device,
      now.wall.nanoseconds(since: last.at) < Self.markLife
    {
      return
    }
    known[path] = nil
    report.gone.append(path)
  }

  /// What there is at the beginning of a watch that only wants what comes later (`existing = false`).
  package mutating func passOver(_ files: [String: FileVersion], at now: ClockReading) {
    for (path, version) in files.sorted(by: { $0.key < $1.key }) where known[path] == nil {
      know(path, version, at: now)
      report.passedOver.append(WatchedFile(path: path, version: version))
    }
  }

  /// The paths that are known or in their quiet period and that a scan did not find: to be looked at one by one,
  /// because a directory that cannot be read is no reason to forget its files.
  ///
  /// - Parameter matches: whether the watch still means a path. What an edit left behind is kept, since an edit is soon
  ///   taken back.
  package func unseen(in found: [String: FileVersion], where matches: (String) -> Bool) -> [String] {
    var paths = known.keys.filter { found[$0] == nil && matches($0) }
    paths += moving.keys.filter { found[$0] == nil && known[$0] == nil }
    return paths
  }

  /// Nobody can tell what `path` is now: the next scan that finds it begins anew.
  package mutating func letGo(_ path: String) { moving[path] = nil }

  package var knownCount: Int { known.count }

  // MARK: Time

  /// Monotonic nanoseconds at which `due` has something; nil: not before something is seen.
  package var nextCheck: Int64? {
    head < queue.count ? queue[head].since + settle : nil
  }

  /// The files that have been quiet for long enough, `limit` at most: what is left is due at once. Each is to be looked
  /// at, and ``confirm(_:_:at:)``ed or ``miss``ed.
  package mutating func due(at now: ClockReading, limit: Int = .max) -> [String] {
    var paths: [String] = []
    while paths.count < limit, head < queue.count, queue[head].since + settle <= now.monotonic {
      let entry = queue[head]
      head += 1
      if moving[entry.path]?.since == entry.since { paths.append(entry.path) }
    }
    if head > queue.count / 2 {
      queue.removeFirst(head)
      head = 0
    }
    return paths
  }

  /// What a file that was due looks like now: complete when that is what it looked like before.
  package mutating func confirm(_ path: String, _ version: FileVersion, at now: ClockReading) {
    guard let entry = moving[path], entry.version.isSameContent(as: version) else {
      return see(path, version, at: now)
    }
    moving[path] = nil
    let file = WatchedFile(path: path, version: version)
    if events.contains(known[path] == nil ? .created : .changed) {
      report.complete.append(file)
    } else {
      report.passedOver.append(file)
    }
    know(path, version, at: now)
  }

  private mutating func know(_ path: String, _ version: FileVersion, at now: ClockReading) {
    known[path] = Known(version: version, at: now.wall)
  }

  /// Whether ``takeReport()`` has something already.
  package var hasReport: Bool { !report.isEmpty }

  /// What has to be told since the last call.
  package mutating func takeReport() -> Report {
    defer { report = Report() }
    report.complete.sort { $0.path < $1.path }
    return report
  }
}
