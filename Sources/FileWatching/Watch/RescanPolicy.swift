package import Chronology

/// Decides when to scan, and what of a scan to deliver. Pure: it has no clock, thread or file.
///
///     while true {
///       switch policy.step(at: clock.now) {
///       case .wait(let until): … sleep, `note` the events that came …
///       case .scan(let isFull):
///         let scan = directory.scan(after: policy.latest, isFull: isFull)
///         if let change = policy.scanned(scan, at: clock.now) { … deliver … }
///       }
///     }
///
/// Invariants:
/// - What was delivered differs from what was delivered before, except as the answer to ``request()`` and
///   ``retryLater(_:at:)``.
/// - Within ``RescanTiming/limit`` after an event there is a scan, whatever else happens.
/// - A file that is missing, empty or unreadable only for a moment is never delivered as such.
/// - Everything in one delivery is from one scan, except for what a hold keeps back, which is what was delivered
///   before.
package struct RescanPolicy: Sendable {
  /// What to do now.
  package enum Step: Sendable, Equatable {
    /// Nothing, until then or until the next event.
    case wait(until: MonotonicInstant)
    /// Scan, reading every file again if `isFull`, and report with ``scanned(_:at:)``.
    case scan(isFull: Bool)
  }

  private let timing: RescanTiming
  /// What the last scan found: what the next one compares with.
  package private(set) var latest: DirectorySnapshot
  /// What the receiver has.
  package private(set) var delivered: DirectorySnapshot
  private var burst: Burst?
  private var isRequested = false
  /// Whether the scan under way answers a request. A request that comes meanwhile is for the next one.
  private var answersRequest = false
  private var holds: [ScriptPath: Hold] = [:]
  private var retries: [ScriptPath: Retry] = [:]
  private var lastScan: MonotonicInstant
  private var hasUnstable: Bool
  private var isPolling = false

  /// The events since the last scan.
  private struct Burst: Sendable {
    var first: MonotonicInstant
    var last: MonotonicInstant
    /// The files that were touched, and whether the last thing to happen to each completed a save.
    var files: [ScriptPath: Bool] = [:]
    /// Whether something happened that is not about single files.
    var isWide = false
  }

  /// A difference that is not delivered yet because it may be a moment in the middle of a save.
  private struct Hold: Sendable {
    enum Reason: Sendable { case missing, doubtful }
    var reason: Reason
    var until: MonotonicInstant
  }

  /// A version of a file that the receiver wants to see once more before it believes it.
  private struct Retry: Sendable {
    var hash: ContentHash
    /// `nil` once it was delivered again.
    var due: MonotonicInstant?
  }

  /// Starts with what `scan` found; its snapshot counts as delivered.
  package init(_ timing: RescanTiming, first scan: DirectoryScan, at now: MonotonicInstant) {
    self.timing = timing
    latest = scan.snapshot
    delivered = scan.snapshot
    lastScan = now
    hasUnstable = !scan.unstable.isEmpty
  }

  /// Takes an event.
  package mutating func note(_ event: WatchEvent, at now: MonotonicInstant) {
    var burst = burst ?? Burst(first: now, last: now)
    burst.last = now
    switch event {
    case .saved(let path): burst.files[path] = true
    case .created(let path), .removed(let path): burst.files[path] = false
    case .touched(let path): burst.files[path] = burst.files[path] ?? true
    case .treeChanged, .overflow: burst.isWide = true
    }
    self.burst = burst
  }

  /// Asks for a full scan now, whose result is delivered at once and even if nothing changed.
  package mutating func request() { isRequested = true }

  /// Whether some directory cannot be watched, so that only scanning shows what happens there.
  package mutating func setPolling(_ isPolling: Bool) { self.isPolling = isPolling }

  /// Asks to have this version of a file delivered again after ``RescanTiming/doubtGrace``, if nothing newer comes
  /// before: a script that ends in the middle of a statement may be half of a save.
  ///
  /// - Returns: `true` when a delivery with this path will follow, so that there is nothing to report yet; `false` when
  ///   this version was delivered again already, or cannot be read: it is what the author wrote.
  package mutating func retryLater(_ file: ScriptFile, at now: MonotonicInstant) -> Bool {
    guard case .success(let content) = file.content else { return false }
    // Overtaken: a newer version was delivered, or is about to be.
    guard delivered[file.path] == file else { return true }
    if let retry = retries[file.path], retry.hash == content.hash { return retry.due != nil }
    retries[file.path] = Retry(hash: content.hash, due: now + timing.doubtGrace)
    return true
  }

  /// What to do at `now`. After `.scan`, call ``scanned(_:at:)`` before the next step.
  /// Complexity: O(number of files held back or to be retried).
  package mutating func step(at now: MonotonicInstant) -> Step {
    let due = nextScan
    guard isRequested || due <= now else { return .wait(until: due) }
    answersRequest = isRequested
    isRequested = false
    burst = nil
    return .scan(isFull: answersRequest)
  }

  private var nextScan: MonotonicInstant {
    var due = lastScan + (isPolling ? timing.polling : timing.fullScan)
    if let burst { due = min(due, burst.last + quiet(after: burst), burst.first + timing.limit) }
    if hasUnstable { due = min(due, lastScan + timing.unstableDelay) }
    for hold in holds.values { due = min(due, hold.until) }
    for retry in retries.values { due = min(due, retry.due ?? .distantFuture) }
    return due
  }

  /// An existing file that was saved, alone, needs no company: most saves are this.
  private func quiet(after burst: Burst) -> Duration {
    guard !burst.isWide, burst.files.count == 1, let (path, isComplete) = burst.files.first else { return timing.quiet }
    return isComplete && delivered[path] != nil ? timing.saveQuiet : timing.quiet
  }
}

extension RescanPolicy {
  /// Takes the result of the scan that ``step(at:)`` asked for.
  ///
  /// - Returns: what to deliver, if anything.
  /// - Complexity: O(number of files).
  package mutating func scanned(_ scan: DirectoryScan, at now: MonotonicInstant) -> DirectoryChange? {
    lastScan = now
    latest = scan.snapshot
    hasUnstable = !scan.unstable.isEmpty
    let next = scan.snapshot.replacing(heldBack(in: scan, at: now))
    var changes = next.changes(since: delivered)
    delivered = next
    changes.formUnion(dueRetries(at: now))
    let isRequested = answersRequest
    answersRequest = false
    guard isRequested || !changes.isEmpty else { return nil }
    return DirectoryChange(snapshot: next, changes: changes, isRequested: isRequested)
  }

  /// The entries to deliver as they were before, and the new files to leave out, `nil`.
  private mutating func heldBack(in scan: DirectoryScan, at now: MonotonicInstant) -> [ScriptPath: ScriptFile?] {
    let former = holds
    holds = [:]
    var kept: [ScriptPath: ScriptFile?] = [:]
    // `updateValue`, because assigning `nil` would remove instead.
    for file in scan.snapshot.unordered where file.isDoubtful {
      let known = delivered[file.path]
      if known?.isDoubtful == true || !hold(file.path, .doubtful, after: former, at: now) { continue }
      kept.updateValue(known, forKey: file.path)
    }
    var arrived: Set<ContentHash>?
    for file in delivered.unordered where scan.snapshot[file.path] == nil {
      if !scan.unstable.contains(file.path) {
        let hashes = arrived ?? newContents(in: scan.snapshot)
        arrived = hashes
        // Moved: it is not missing but elsewhere, and its jobs must not be declared twice meanwhile.
        if case .success(let content) = file.content, hashes.contains(content.hash) { continue }
        if !hold(file.path, .missing, after: former, at: now) { continue }
      }
      kept.updateValue(file, forKey: file.path)
    }
    return kept
  }

  /// Whether a difference is to wait; notes it if so. It waits once: for the grace of its reason, from when it was
  /// first seen.
  private mutating func hold(
    _ path: ScriptPath, _ reason: Hold.Reason, after former: [ScriptPath: Hold], at now: MonotonicInstant
  ) -> Bool {
    // Who asks for everything now says that nothing is in the middle of something.
    if answersRequest { return false }
    var hold = Hold(reason: reason, until: now + (reason == .missing ? timing.removalGrace : timing.doubtGrace))
    if let known = former[path], known.reason == reason { hold.until = known.until }
    if hold.until <= now { return false }
    holds[path] = hold
    return true
  }

  /// What the files hold whose paths are new. Nothing, the content of empty files, does not count.
  private func newContents(in snapshot: DirectorySnapshot) -> Set<ContentHash> {
    var hashes: Set<ContentHash> = []
    for file in snapshot.unordered where delivered[file.path] == nil {
      if case .success(let content) = file.content, !content.bytes.isEmpty { hashes.insert(content.hash) }
    }
    return hashes
  }

  /// The paths whose retry is due, which is so once; forgets the retries of versions that are gone.
  private mutating func dueRetries(at now: MonotonicInstant) -> Set<ScriptPath> {
    var due: Set<ScriptPath> = []
    for (path, retry) in retries {
      guard case .success(let content) = delivered[path]?.content, content.hash == retry.hash else {
        retries[path] = nil
        continue
      }
      if let time = retry.due, time <= now {
        due.insert(path)
        retries[path]?.due = nil
      }
    }
    return due
  }
}

/// What the watcher delivers.
package struct DirectoryChange: Sendable {
  /// All files, as they are to be loaded now.
  package let snapshot: DirectorySnapshot
  /// The paths that differ from the delivery before: files that were added, changed, removed, became unreadable or
  /// readable, or whose retry is due; directories with a problem that is new or gone. Empty only when `isRequested`.
  package let changes: Set<ScriptPath>
  /// Whether this answers ``DirectoryWatcher/rescanNow()``.
  package let isRequested: Bool

  package init(snapshot: DirectorySnapshot, changes: Set<ScriptPath>, isRequested: Bool = false) {
    self.snapshot = snapshot
    self.changes = changes
    self.isRequested = isRequested
  }
}
