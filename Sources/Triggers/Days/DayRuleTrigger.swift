package import Chronology

/// The fires of a trigger, kept, dropped or moved by the days they fall on.
package final class DayRuleTrigger: TriggerKind {
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
  /// See ``BoundedTrigger``.
  private let baseHash: Int

  init(_ base: AnyTrigger, _ calendar: DayCalendar, _ rule: Rule) {
    self.base = base
    baseHash = base.hashValue
    self.calendar = calendar
    self.rule = rule
  }

  package func next(after instant: Instant) -> Instant? {
    var budget = SearchBudget()
    return nextFire(after: instant, &budget).instant
  }

  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
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
      let wanted = rule == .only ? calendar.firstDay(from: day + 1) : calendar.freeDay(from: day + 1, step: 1, &budget)
      guard let wanted else { return .never }
      // A day may begin before or after its own midnight when clocks change; never go back.
      start = max(candidate, calendar.start(of: wanted).advanced(byNanoseconds: -1))
      if budget.isSpent { return .unknown(searchedTo: start) }
    }
  }

  /// Moved fires come from the days of the calendar right before the day that they move to. Each of those days is
  /// asked once for the first of its fires that lands after `instant`, so that a fire every second costs no more than
  /// one a day.
  ///
  /// - Complexity: a question per day of the calendar in a row; a step per fire on a day on which clocks change.
  private func movedForward(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    var day = calendar.day(of: instant)
    var best: Instant?
    while true {
      guard let target = calendar.freeDay(from: day, step: 1, &budget) else { return .never }
      guard let before = calendar.freeDay(from: target - 1, step: -1, &budget) else { return .never }
      for source in before + 1..<target {
        if budget.isSpent { return .unknown(searchedTo: instant) }
        switch firstMoved(from: source, step: 1, after: instant, &budget) {
        case .at(let moved): best = min(best ?? moved, moved)
        case .unknown: return .unknown(searchedTo: instant)
        case .never: break
        }
      }
      // What stays where it is.
      let start = max(instant, calendar.start(of: target).advanced(byNanoseconds: -1))
      let fire = base.nextFire(after: start, &budget)
      guard case .at(let candidate) = fire else { return best.map { .at($0) } ?? fire }
      let landing = calendar.day(of: candidate)
      if !calendar.contains(landing) { return .at(best.map { min($0, candidate) } ?? candidate) }
      if let best { return .at(best) }
      // Nothing fires up to the day of the calendar that this one lies on: go on with the day that it moves to.
      guard let next = calendar.freeDay(from: landing, step: 1, &budget), next > target else { return .never }
      day = next
      if budget.isSpent { return .unknown(searchedTo: instant) }
    }
  }

  /// The first fire of a day of the calendar that lands after `instant`, as moved.
  private func firstMoved(from source: Int, step: Int, after instant: Instant, _ budget: inout SearchBudget) -> NextFire
  {
    let end = calendar.start(of: source + 1)
    var start = calendar.start(of: source).advanced(byNanoseconds: -1)
    let target = calendar.freeDay(from: source, step: step, &budget)
    if target == calendar.day(of: instant), isEven(source) {
      // Fires up to the same time of day land before the instant, or on it.
      let civil = calendar.zone.civilTime(at: instant)
      let same = CivilDateTime(
        date: CivilDate(daysSinceEpoch: source), secondOfDay: civil.secondOfDay, nanosecond: civil.nanosecond)
      start = max(start, calendar.zone.instant(of: same).advanced(byNanoseconds: -1))
    }
    var best: Instant?
    while true {
      budget.spend()
      let fire = base.nextFire(after: start, &budget)
      guard case .at(let candidate) = fire else { return best.map { .at($0) } ?? fire }
      guard candidate < end, let moved = moved(candidate, step: step, &budget) else {
        return best.map { .at($0) } ?? .never
      }
      if moved > instant {
        best = min(best ?? moved, moved)
        // Later fires land later, unless clocks were set back in between.
        if isEven(source) { return .at(moved) }
      }
      start = candidate
      if budget.isSpent { return .unknown(searchedTo: instant) }
    }
  }

  /// Whether a day's clocks run through it without a change.
  private func isEven(_ day: Int) -> Bool {
    calendar.start(of: day + 1).nanoseconds(since: calendar.start(of: day)) == 86_400_000_000_000
  }

  /// The same in the other direction: moved fires come from the days of the calendar right after.
  private func movedBack(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    var day = calendar.day(of: instant)
    while true {
      guard let target = calendar.freeDay(from: day, step: 1, &budget) else { return .never }
      let following = calendar.freeDay(from: target + 1, step: 1, &budget)
      var best: Instant?
      for source in target + 1..<(following ?? target + 1) {
        if budget.isSpent { return .unknown(searchedTo: instant) }
        switch firstMoved(from: source, step: -1, after: instant, &budget) {
        case .at(let moved): best = min(best ?? moved, moved)
        case .unknown: return .unknown(searchedTo: instant)
        case .never: break
        }
      }
      let start = max(instant, calendar.start(of: target).advanced(byNanoseconds: -1))
      let fire = base.nextFire(after: start, &budget)
      guard case .at(let candidate) = fire else { return best.map { .at($0) } ?? fire }
      let landing = calendar.day(of: candidate)
      if landing == target { return .at(best.map { min($0, candidate) } ?? candidate) }
      if let best { return .at(best) }
      // Nothing is left for this day. What lies right behind it has moved to before the instant.
      guard let following else { return .never }
      if landing < following {
        day = following
      } else {
        guard let next = calendar.freeDay(from: landing, step: -1, &budget), next > target else { return .never }
        day = next
      }
      if budget.isSpent { return .unknown(searchedTo: instant) }
    }
  }

  private func moved(_ instant: Instant, step: Int, _ budget: inout SearchBudget) -> Instant? {
    let civil = calendar.zone.civilTime(at: instant)
    let day = civil.date.daysSinceEpoch
    guard calendar.contains(day) else { return instant }
    guard let free = calendar.freeDay(from: day, step: step, &budget) else { return nil }
    return calendar.zone.instant(
      of: CivilDateTime(
        date: CivilDate(daysSinceEpoch: free), secondOfDay: civil.secondOfDay, nanosecond: civil.nanosecond))
  }

  package func anchored(at anchor: Instant) -> AnyTrigger {
    AnyTrigger(DayRuleTrigger(base.anchored(at: anchor), calendar, rule))
  }
}

extension DayRuleTrigger {
  package var zones: [TimeZoneRules] { base.kind.zones + [calendar.zone] }
  package var dateZone: TimeZoneRules? { base.kind.dateZone }
  package var needsAnchor: Bool { base.needsAnchor }
  package var firesAtStart: Bool { false }
  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? { nil }

  /// `only(trigger, calendar)`, `except(trigger, calendar)`, `shift(trigger, calendar, "next")`.
  package func lua(_ form: LuaForm) -> String {
    let parts = "\(base.kind.lua(form)), \(calendar.lua(form))"
    switch rule {
    case .only, .except: return "\(rule.rawValue)(\(parts))"
    case .next, .previous: return "shift(\(parts), \"\(rule.rawValue)\")"
    }
  }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? { nil }

  package var explanation: String {
    switch rule {
    case .only: "\(base.description), only on \(calendar.words())"
    case .except: "\(base.description), except on \(calendar.words())"
    case .next: "\(base.description); on \(calendar.words()) it waits for the next other day"
    case .previous: "\(base.description); on \(calendar.words()) it comes on the last other day before"
    }
  }
}

extension DayRuleTrigger: Hashable {
  package static func == (left: DayRuleTrigger, right: DayRuleTrigger) -> Bool {
    left === right
      || left.baseHash == right.baseHash && left.rule == right.rule && left.calendar == right.calendar
        && left.base == right.base
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(baseHash)
    hasher.combine(rule)
  }
}
