/// A stretch of time during which a zone's clocks keep one offset from UTC.
///
/// The two "unique" bounds make most wall clock questions one comparison: a local time in `uniqueLocalStart ..<
/// uniqueLocalEnd` is shown exactly once in the zone's whole history, in this stretch.
package struct TimeZoneStretch: Sendable, Hashable {
  /// The first second of the stretch, since the epoch, in UTC.
  package let start: Int
  /// The first second after it. The last stretch has no end: `TimeZoneRules.endOfTime`.
  package let end: Int
  /// Seconds ahead of UTC.
  package let offset: Int
  /// No earlier stretch shows this local second or a later one.
  package let uniqueLocalStart: Int
  /// No later stretch shows a local second before this one, and this stretch shows all of them.
  package let uniqueLocalEnd: Int

  /// Local seconds shown first and (exclusively) last.
  package var localStart: Int { start &+ offset }
  package var localEnd: Int { end &+ offset }
}

/// What one local time means in a zone.
package enum LocalTimeMeaning: Sendable, Hashable {
  /// Clocks show it once.
  case once(Instant)
  /// Clocks are set back over it and show it more than once: the first and the last time.
  case repeated(first: Instant, last: Instant)
  /// Clocks are set forward over it. The instant is the end of the gap: the first one after the jump.
  case skipped(resumes: Instant)
}

/// The rules of one time zone: which offset from UTC its clocks had, have and will have.
///
/// An immutable value behind a reference, so that triggers share it. Rules that a zone's file gives as a formula for
/// the future are expanded into stretches up to the end of ``Instant``'s range when the zone is loaded (some 20 KB for
/// a zone with daylight saving time); from then on every lookup is an index into buckets of 194 days and a step or two.
///
///     let berlin = try zones.zone(named: "Europe/Berlin")
///     berlin.offset(at: instant)             // 7200 in summer
///
/// Two rules are equal when their names and stretches are: an update of the zone files that does not touch a zone
/// leaves what uses it equal.
package final class TimeZoneRules: Sendable {
  /// The name it was asked for by: `Europe/Berlin`, `UTC`.
  package let name: String
  /// All stretches, in order; the first one starts at ``startOfTime``, each ends where the next starts. Neighbours
  /// differ.
  package let stretches: [TimeZoneStretch]
  /// For each bucket of `2^bucketShift` seconds since `bucketBase`: the stretch that its first second lies in.
  private let buckets: [UInt16]
  private let bucketBase: Int
  private let contentHash: Int

  private static let bucketShift = 24
  /// Bounds well outside ``Instant``'s range, and far enough from overflow to calculate with.
  package static let startOfTime = -1 << 40
  package static let endOfTime = 1 << 40
  /// The last second of ``Instant``'s range.
  static let lastSecond = Int(Int64.max / 1_000_000_000)

  /// A zone whose clocks always differ by `offset` seconds from UTC.
  package convenience init(name: String, fixedOffset offset: Int) {
    self.init(name: name, firstOffset: offset, changes: [])
  }

  /// A zone from its changes: from `at` on (seconds since the epoch, ascending), clocks are `offset` seconds ahead of
  /// UTC. Changes that change nothing are dropped.
  package init(name: String, firstOffset: Int, changes: [(at: Int, offset: Int)]) {
    var starts = [TimeZoneRules.startOfTime]
    var offsets = [firstOffset]
    for change in changes where change.offset != offsets.last && change.at < TimeZoneRules.endOfTime {
      // Some files begin with the Big Bang, which is before our time: it replaces the first offset. So does, further
      // on, a change at the same second as the one before it.
      if change.at <= starts[starts.count - 1] {
        offsets[offsets.count - 1] = change.offset
        // Neighbours differ, also when a replacement makes them equal.
        if offsets.count > 1, offsets[offsets.count - 2] == change.offset {
          starts.removeLast()
          offsets.removeLast()
        }
      } else {
        starts.append(change.at)
        offsets.append(change.offset)
      }
    }
    self.name = name
    stretches = TimeZoneRules.stretches(starts: starts, offsets: offsets)
    // Buckets begin with the first change, or where instants begin.
    bucketBase = max(starts.count > 1 ? starts[1] : 0, -TimeZoneRules.lastSecond - 1_000_000)
    buckets = TimeZoneRules.index(starts: starts, base: bucketBase)
    var hasher = Hasher()
    hasher.combine(name)
    hasher.combine(stretches)
    contentHash = hasher.finalize()
  }

  /// Coordinated Universal Time. Needs no zone files.
  package static let utc = TimeZoneRules(name: "UTC", fixedOffset: 0)

  /// Whether its clocks always show UTC.
  package var isUTC: Bool { stretches.count == 1 && stretches[0].offset == 0 }

  /// Computes each stretch's unique bounds: a running maximum from the left, a running minimum from the right.
  private static func stretches(starts: [Int], offsets: [Int]) -> [TimeZoneStretch] {
    let count = starts.count
    var uniqueStarts = [startOfTime + offsets[0]]
    for index in 1..<max(count, 1) {
      let shown = starts[index] + max(offsets[index - 1], offsets[index])
      uniqueStarts.append(max(shown, uniqueStarts[index - 1]))
    }
    var uniqueEnds = [Int](repeating: endOfTime - 200_000, count: count)
    for index in stride(from: count - 2, through: 0, by: -1) {
      let shown = starts[index + 1] + min(offsets[index], offsets[index + 1])
      uniqueEnds[index] = min(shown, uniqueEnds[index + 1])
    }
    return (0..<count).map { index in
      TimeZoneStretch(
        start: starts[index], end: index + 1 < count ? starts[index + 1] : endOfTime, offset: offsets[index],
        uniqueLocalStart: uniqueStarts[index], uniqueLocalEnd: uniqueEnds[index])
    }
  }

  private static func index(starts: [Int], base: Int) -> [UInt16] {
    guard starts.count > 1 else { return [0] }
    let last = min(starts[starts.count - 1], lastSecond)
    var buckets: [UInt16] = []
    var stretch = 0
    var second = base
    while true {
      while stretch + 1 < starts.count, starts[stretch + 1] <= second { stretch += 1 }
      buckets.append(UInt16(clamping: stretch))
      if second > last { return buckets }
      second += 1 << bucketShift
    }
  }

  /// The index of the stretch that holds `second` (since the epoch, UTC).
  ///
  /// - Complexity: O(1): one table lookup, then a step per change since the bucket's first second (at most a handful).
  package func stretchIndex(at second: Int) -> Int {
    guard second >= bucketBase else { return 0 }
    let bucket = min((second &- bucketBase) >> TimeZoneRules.bucketShift, buckets.count &- 1)
    var index = Int(buckets[bucket])
    while second >= stretches[index].end { index &+= 1 }
    return index
  }

  /// The stretch that holds `second` (since the epoch, UTC).
  package func stretch(at second: Int) -> TimeZoneStretch { stretches[stretchIndex(at: second)] }

  /// Seconds that clocks are ahead of UTC at `instant`.
  package func offset(at instant: Instant) -> Int { stretch(at: Int(instant.wholeSeconds)).offset }

  /// What clocks show at `instant`.
  package func civilTime(at instant: Instant) -> CivilDateTime {
    CivilDateTime(instant, offset: offset(at: instant))
  }
}

extension TimeZoneRules: Hashable {
  package static func == (left: TimeZoneRules, right: TimeZoneRules) -> Bool {
    left === right
      || left.contentHash == right.contentHash && left.name == right.name && left.stretches == right.stretches
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(contentHash) }
}
