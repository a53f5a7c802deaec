package import Chronology

/// The fires of a trigger, kept, dropped or moved by the days they fall on.
package final class DayRuleTrigger: Trigger {
  enum Rule: String, Sendable, Hashable {
    /// Only fires on days of the calendar.
    case only
    /// Only fires on other days.
    case except
    /// Fires on a day of the calendar move to the next day that is not, at the same time of day.
    case next
    /// They move to the previous such day.
    case previous
  }

  package let base: AnyTrigger
  let calendar: DayCalendar
  let rule: Rule

  init(_ base: AnyTrigger, _ calendar: DayCalendar, _ rule: Rule) {
    self.base = base
    self.calendar = calendar
    self.rule = rule
  }

  package func next(after instant: Instant) -> Instant? {
    var budget = SearchBudget()
    return nextFire(after: instant, &budget).instant
  }

  func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    if base.needsAnchor { return anchored(at: instant).nextFire(after: instant, &budget) }
    switch rule {
    case .only, .except: return filtered(after: instant, &budget)
    case .next: return movedForward(after: instant, &budget)
    case .previous: return movedBack(after: instant, &budget)
    }
  }

  /// Skips from each unwanted fire to the beginning of the next wanted day.
  private func filtered(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    var start = instant
    while true {
      budget.spend()
      let fire = base.nextFire(after: start, &budget)
      guard case .at(let candidate) = fire else { return fire }
      let day = calendar.day(of: candidate)
      if calendar.contains(day) == (rule == .only) { return fire }
      let wanted = rule == .only ? calendar.firstDay(from: day + 1) : calendar.freeDay(from: day + 1, step: 1)
      guard let wanted else { return .never }
      // A day may begin before or after its own midnight when clocks change; never go back.
      start = max(candidate, calendar.start(of: wanted).advanced(byNanoseconds: -1))
      if budget.isSpent { return .unknown(searchedTo: start) }
    }
  }

  /// Moved fires come from the days of the calendar right before: begin with the first of those.
  private func movedForward(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    var first = calendar.day(of: instant) - 1
    if calendar.contains(first + 1) { first += 1 }
    guard let free = calendar.freeDay(from: first, step: -1) else { return .never }
    var start = min(instant, calendar.start(of: free + 1).advanced(byNanoseconds: -1))
    var best: Instant?
    while true {
      budget.spend()
      let fire = base.nextFire(after: start, &budget)
      guard case .at(let candidate) = fire else { return best.map { .at($0) } ?? fire }
      // Fires only ever move later, so one beyond the best ends the search.
      if let best, candidate >= best { return .at(best) }
      guard let moved = moved(candidate, step: 1) else { return best.map { .at($0) } ?? .never }
      if moved > instant { best = min(best ?? moved, moved) }
      start = candidate
      if budget.isSpent { return .unknown(searchedTo: instant) }
    }
  }

  /// Moved fires come from the days of the calendar right after: end with the last of those.
  private func movedBack(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    var start = instant
    var best: Instant?
    while true {
      budget.spend()
      let fire = base.nextFire(after: start, &budget)
      guard case .at(let candidate) = fire else { return best.map { .at($0) } ?? fire }
      let day = calendar.day(of: candidate)
      if let best, day > calendar.day(of: best), !calendar.contains(day) { return .at(best) }
      if let moved = moved(candidate, step: -1), moved > instant { best = min(best ?? moved, moved) }
      start = candidate
      if budget.isSpent { return best.map { .at($0) } ?? .unknown(searchedTo: start) }
    }
  }

  private func moved(_ instant: Instant, step: Int) -> Instant? {
    let civil = calendar.zone.civilTime(at: instant)
    let day = civil.date.daysSinceEpoch
    guard calendar.contains(day) else { return instant }
    guard let free = calendar.freeDay(from: day, step: step) else { return nil }
    return calendar.zone.instant(
      of: CivilDateTime(
        date: CivilDate(daysSinceEpoch: free), secondOfDay: civil.secondOfDay, nanosecond: civil.nanosecond))
  }

  func anchored(at anchor: Instant) -> DayRuleTrigger { DayRuleTrigger(base.anchored(at: anchor), calendar, rule) }
}

extension DayRuleTrigger: Hashable {
  package static func == (left: DayRuleTrigger, right: DayRuleTrigger) -> Bool {
    left === right || left.rule == right.rule && left.calendar == right.calendar && left.base == right.base
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(base)
    hasher.combine(rule)
  }
}
