internal import Chronology

/// A set of times on a wall clock, without a zone: what cron and calendar schedules are before daylight saving time.
protocol WallClockSchedule {
  /// The first local second at or after `local` (seconds since 1970-01-01T00:00 on the same clock) that is in the set,
  /// or ``never``. Pure; does not allocate.
  func nextLocal(from local: Int) -> Int
}

/// The answer of ``WallClockSchedule/nextLocal(from:)`` when nothing follows.
let neverLocal = Int.max

/// The ends of what is looked through.
enum CalendarRange {
  /// After this year ``Instant`` ends.
  static let lastYear = 2262
  /// Days farther than this from the epoch are outside the range of instants.
  static let farthestDays = 200_000
}

/// Finds when clocks in a zone show a time of a schedule.
///
/// Nearly always the answer lies in a part of the zone's history where local time runs on without a change, and is the
/// next local time less the offset: one lookup of a stretch, or two when the answer is far away. The bounds that prove
/// it are in ``TimeZoneStretch``. What is left, times near a change, goes stretch by stretch.
struct WallClockSearch {
  let zone: TimeZoneRules
  let policy: ResolvedDST

  /// The first instant after `instant` at which `schedule` is due.
  @inline(__always)
  func next(of schedule: some WallClockSchedule, after instant: Instant) -> Instant? {
    // Local schedules are on whole seconds: the first candidate is the first whole second after the instant.
    let second = Int(instant.wholeSeconds) &+ 1
    let stretch = zone.stretch(at: second)
    let local = second &+ stretch.offset
    let match = schedule.nextLocal(from: local)
    // Nothing later is shown before `local`, so `match` is the only candidate, and no gap before it holds another;
    // unless a gap ends at this very second.
    if local <= stretch.uniqueLocalEnd, second != stretch.start {
      if match < stretch.uniqueLocalEnd, match >= stretch.uniqueLocalStart {
        return WallClockSearch.instant(match &- stretch.offset)
      }
      if match == neverLocal { return nil }
      let other = zone.stretch(at: match &- stretch.offset)
      if match < other.uniqueLocalEnd, match >= other.uniqueLocalStart {
        return WallClockSearch.instant(match &- other.offset)
      }
    }
    return nearChange(of: schedule, from: second)
  }

  @inline(__always)
  private static func instant(_ second: Int) -> Instant? {
    let (nanoseconds, overflow) = Int64(second).multipliedReportingOverflow(by: 1_000_000_000)
    return overflow ? nil : Instant(nanoseconds: nanoseconds)
  }

  /// The general search: what each stretch shows, then the gap behind it.
  @inline(never)
  private func nearChange(of schedule: some WallClockSchedule, from second: Int) -> Instant? {
    var index = zone.stretchIndex(at: second)
    if second == zone.stretches[index].start, isGapEnd(index, of: schedule) { return WallClockSearch.instant(second) }
    while true {
      let stretch = zone.stretches[index]
      var local = max(second, stretch.start) + stretch.offset
      var match = schedule.nextLocal(from: local)
      while match < stretch.localEnd {
        guard let resume = endOfRejection(of: match, shownIn: index) else {
          return WallClockSearch.instant(match - stretch.offset)
        }
        local = resume
        match = schedule.nextLocal(from: local)
      }
      index += 1
      guard index < zone.stretches.count else { return nil }
      if isGapEnd(index, of: schedule) { return WallClockSearch.instant(zone.stretches[index].start) }
      // When no later stretch shows a time before `local`, there is nothing until the neighbourhood of `match`.
      if local <= stretch.uniqueLocalEnd {
        if match == neverLocal { return nil }
        index = max(index, zone.stretchIndex(at: match - TimeZoneRules.farthestOffset))
      }
    }
  }

  /// Whether the stretch follows a gap that swallows a time of the schedule, which therefore is due at the stretch's
  /// start.
  private func isGapEnd(_ index: Int, of schedule: some WallClockSchedule) -> Bool {
    guard policy.gap == .shift, index > 0 else { return false }
    let skippedFrom = zone.stretches[index - 1].localEnd
    let skippedUntil = zone.stretches[index].localStart
    return skippedFrom < skippedUntil && schedule.nextLocal(from: skippedFrom) < skippedUntil
  }

  /// Whether the policy leaves the local time `match` to another stretch than `index`; if so, the first local time that
  /// it may not leave to that one.
  private func endOfRejection(of match: Int, shownIn index: Int) -> Int? {
    let stretches = zone.stretches
    switch policy.overlap {
    case .both:
      return nil
    case .first:
      guard match < stretches[index].uniqueLocalStart else { return nil }
      var earlier = index - 1
      while earlier >= 0, stretches[earlier].end > stretches[index].start - TimeZoneRules.farthestOffset {
        if match >= stretches[earlier].localStart, match < stretches[earlier].localEnd {
          return stretches[earlier].localEnd
        }
        earlier -= 1
      }
    case .last:
      guard match >= stretches[index].uniqueLocalEnd else { return nil }
      var later = index + 1
      while later < stretches.count, stretches[later].start < stretches[index].end + TimeZoneRules.farthestOffset {
        if match >= stretches[later].localStart, match < stretches[later].localEnd {
          return stretches[later].localEnd
        }
        later += 1
      }
    }
    return nil
  }
}
