package import Chronology

/// Fires by recurrence rules of iCalendar (RFC 5545): at the times of its rules and at added times, without removed
/// ones.
///
/// All of that is on the clocks of one zone, so the set is one of local times, and daylight saving time follows
/// ``DSTPolicy`` as for every other schedule.
package final class RecurrenceTrigger: PlainTriggerKind {
  /// The rules as they were written.
  let rules: [RecurrenceRule]
  /// DTSTART: a local second since the epoch; `nil` when the rules need none.
  let start: Int?
  /// Added times (RDATE) and removed ones (EXDATE): local seconds since the epoch, ascending.
  let added: [Int]
  let removed: [Int]
  /// Days that are removed whole, since the epoch, ascending.
  let removedDays: [Int]
  package let zone: TimeZoneRules
  let hasOwnZone: Bool
  let dst: DSTPolicy
  private let schedule: Schedule
  private let search: WallClockSearch
  /// The last instant that the rules' UNTIL allow, when all of them have one in UTC.
  private let until: Instant?

  /// Throws when one of the rules never comes true. The arrays may be in any order.
  init(
    rules: [RecurrenceRule], start: Int?, added: [Int] = [], removed: [Int] = [], removedDays: [Int] = [],
    zone: TimeZoneRules, hasOwnZone: Bool = false, dst: DSTPolicy = DSTPolicy(), deadline: WorkDeadline? = nil
  ) throws(TriggerError) {
    self.rules = rules
    self.start = start
    self.added = Set(added).sorted()
    self.removed = Set(removed).sorted()
    self.removedDays = Set(removedDays).sorted()
    self.zone = zone
    self.hasOwnZone = hasOwnZone
    self.dst = dst
    var patterns: [RecurrencePattern] = []
    for rule in rules {
      try deadline?.check()
      let last = rule.until.map { RecurrenceTrigger.last($0, zone) } ?? neverLocal - 1
      // Without a start: from the beginning of time, at midnight.
      guard let pattern = RecurrencePattern(rule, start: start ?? RecurrenceTrigger.beginning, last: last) else {
        throw TriggerError("it never fires: no time fits all parts of \(rule.text)")
      }
      patterns.append(pattern)
    }
    schedule = Schedule(patterns: patterns, added: self.added, removed: self.removed, removedDays: self.removedDays)
    let followsClock = !rules.isEmpty && rules.allSatisfy(\.followsClock) && added.isEmpty
    search = WallClockSearch(zone: zone, policy: dst.resolved(followsClock: followsClock))
    until = RecurrenceTrigger.commonEnd(rules, added: self.added, zone)
  }

  /// The midnight before all instants: where rules without a start begin. It is a Monday and 1 January.
  static let beginning = CivilDate(year: 1601, month: 1, day: 1).daysSinceEpoch * 86_400

  /// - Complexity: O(number of rules); a rule costs some tens of nanoseconds, see ``RecurrencePattern``. Does not
  ///   allocate.
  package func next(after instant: Instant) -> Instant? {
    guard let next = search.next(of: schedule, after: instant) else { return nil }
    if let until, next > until { return nil }
    return next
  }

  /// The last local second that UNTIL allows: the latest that clocks have shown by then.
  static func last(_ until: RecurrenceRule.Until, _ zone: TimeZoneRules) -> Int {
    switch until {
    case .day(let day): return day * 86_400 + 86_399
    case .local(let second): return second
    case .instant(let instant):
      let second = Int(instant.wholeSeconds)
      var index = zone.stretchIndex(at: second)
      var last = second + zone.stretches[index].offset
      // Before clocks were set back they may have shown later times.
      while index > 0, zone.stretches[index].start > second - TimeZoneRules.farthestOffset {
        index -= 1
        last = max(last, zone.stretches[index].localEnd - 1)
      }
      return last
    }
  }

  /// A local bound lets times pass that clocks show a second time after UNTIL; this does not.
  private static func commonEnd(_ rules: [RecurrenceRule], added: [Int], _ zone: TimeZoneRules) -> Instant? {
    var end: Instant?
    for rule in rules {
      guard case .instant(let instant)? = rule.until else { return nil }
      end = max(end ?? instant, instant)
    }
    guard let end, let last = added.last else { return end }
    return max(end, zone.instant(of: CivilDateTime(localSeconds: last)))
  }

  /// The set as local times.
  private struct Schedule: WallClockSchedule {
    let patterns: [RecurrencePattern]
    let added: [Int]
    let removed: [Int]
    let removedDays: [Int]

    @inline(__always)
    func nextLocal(from local: Int) -> Int {
      if patterns.count == 1, added.isEmpty, removed.isEmpty, removedDays.isEmpty {
        return patterns[0].nextLocal(from: local)
      }
      return nextOfAll(from: local)
    }

    /// Each turn passes a removed time or day, so it ends.
    private func nextOfAll(from local: Int) -> Int {
      var local = local
      while true {
        var next = neverLocal
        for pattern in patterns { next = min(next, pattern.nextLocal(from: local)) }
        let index = added.firstIndex(atOrAfter: local)
        if index < added.count { next = min(next, added[index]) }
        if next == neverLocal { return next }
        let day = next.flooredQuotient(by: 86_400)
        if removedDays.isInOrder(day) {
          local = (day + 1) * 86_400
        } else if removed.isInOrder(next) {
          local = next + 1
        } else {
          return next
        }
      }
    }
  }
}

extension [Int] {
  /// The first index whose element, of an ascending array, is not below `value`; `count` when there is none.
  ///
  /// - Complexity: O(log n).
  func firstIndex(atOrAfter value: Int) -> Int {
    var low = 0
    var high = count
    while low < high {
      let middle = (low + high) / 2
      if self[middle] >= value { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Whether `value` is in an ascending array. Complexity: O(log n).
  func isInOrder(_ value: Int) -> Bool {
    let index = firstIndex(atOrAfter: value)
    return index < count && self[index] == value
  }
}

extension RecurrenceTrigger: Hashable {
  package static func == (left: RecurrenceTrigger, right: RecurrenceTrigger) -> Bool {
    left === right
      || left.rules == right.rules && left.start == right.start && left.added == right.added
        && left.removed == right.removed && left.removedDays == right.removedDays && left.dst == right.dst
        && left.zone == right.zone
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(rules)
    hasher.combine(start)
    hasher.combine(zone)
  }
}
