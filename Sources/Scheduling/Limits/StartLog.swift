import JobModel

/// When the last starts were, as far as a rate must know: a sliding log.
///
/// Invariant: of the starts that it allowed, no stretch of `window` nanoseconds (its end not included) holds more than
/// `count`. A start is *reserved* when its claim is decided, and counts from then on; it is written down when it is
/// reported, which is never before it took place. So the invariant holds for the starts themselves, however long a
/// claim took to commit or a run waited for a worker.
///
/// Up to `exactCount` starts are kept one by one. Of larger rates the instants are rounded up to the next 512th of the
/// window, so that the log has at most some 520 entries: the invariant holds as before, and a start may wait a 512th of
/// the window longer.
///
/// Times are monotonic: setting the clock changes no rate, and a suspended machine only makes it stricter.
struct StartLog: Sendable {
  /// The largest rate whose starts are kept one by one.
  static let exactCount = 1_000
  private static let steps: Int64 = 512

  private(set) var limit: RateLimit
  /// In order of time from `oldest` on; what is before has left the window.
  private var entries: [(at: Int64, count: Int)] = []
  private var oldest = 0
  /// Sum of the counts from `oldest` on.
  private var started = 0
  /// Reserved, and not reported as started.
  private var reserved = 0

  init(_ limit: RateLimit) { self.limit = limit }

  /// Another rate for the same starts.
  mutating func change(to limit: RateLimit) { self.limit = limit }

  /// Whether one more may start at `now`. O(1) amortised.
  mutating func isOpen(at now: Int64) -> Bool {
    forget(before: now)
    return started + reserved < limit.count
  }

  /// When it opens, if nothing more is reserved; nil: not before a reserved start is reported or given back.
  /// O(entries).
  func opensAt() -> Int64? {
    var mustLeave = started + reserved - limit.count + 1
    for entry in entries[oldest...] {
      mustLeave -= entry.count
      if mustLeave <= 0 { return entry.at.addingReportingOverflow(limit.window).partialValue }
    }
    return nil
  }

  mutating func reserve() { reserved += 1 }

  /// A reserved start will not take place. (None may be known: the rate came with a reload.)
  mutating func release() { reserved = max(0, reserved - 1) }

  /// A reserved start has taken place, at `now` or before.
  mutating func start(at now: Int64) {
    release()
    start(1, at: now)
  }

  /// Starts that nobody reserved took place, at `now` or before. O(1).
  mutating func start(_ count: Int, at now: Int64) {
    guard count > 0 else { return }
    let at = rounded(now)
    started += count
    if entries.count > oldest, entries[entries.count - 1].at >= at {
      entries[entries.count - 1].count += count
    } else {
      entries.append((at, count))
    }
  }

  private func rounded(_ now: Int64) -> Int64 {
    guard limit.count > Self.exactCount else { return now }
    let step = max(1, limit.window / Self.steps)
    let remainder = now % step
    // Starts of a host that ran before the machine was booted lie before zero, where the remainder is negative.
    return remainder > 0 ? now + step - remainder : now - remainder
  }

  private mutating func forget(before now: Int64) {
    while oldest < entries.count, now - entries[oldest].at >= limit.window {
      started -= entries[oldest].count
      oldest += 1
    }
    // Half of it is over: moving the rest costs no more than its appends did.
    if oldest > 32, oldest * 2 > entries.count {
      entries.removeFirst(oldest)
      oldest = 0
    }
  }
}
