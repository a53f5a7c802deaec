package import Chronology

/// A set of days: holidays, weekends, any days that matter to other triggers. As a trigger it fires when each of its
/// days begins.
///
/// Days are counted on the clocks of its zone.
package final class DayCalendar: Sendable {
  /// Days since the epoch, ascending, apart from one another.
  let ranges: [ClosedRange<Int>]
  /// Weekdays that are in it every week: bits 0...6 from Sunday.
  let weekdays: UInt64
  /// The days of its calendar files, if there are any.
  let events: CalendarEvents?
  package let zone: TimeZoneRules
  let hasOwnZone: Bool
  private let search: WallClockSearch

  init(
    ranges: [ClosedRange<Int>], weekdays: UInt64, events: CalendarEvents? = nil, zone: TimeZoneRules, hasOwnZone: Bool
  ) {
    var merged: [ClosedRange<Int>] = []
    for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
      if let last = merged.last, range.lowerBound <= last.upperBound + 1 {
        merged[merged.count - 1] = last.lowerBound...max(last.upperBound, range.upperBound)
      } else {
        merged.append(range)
      }
    }
    self.ranges = merged
    self.weekdays = weekdays
    self.events = events
    self.zone = zone
    self.hasOwnZone = hasOwnZone
    search = WallClockSearch(zone: zone, policy: DSTPolicy().resolved(followsClock: false))
  }

  /// Whether the day that lies `day` days after the epoch is in it.
  ///
  /// - Complexity: O(log n) in the number of ranges.
  func contains(_ day: Int) -> Bool {
    if weekdays >> UInt64(CivilDate.weekday(daysSinceEpoch: day)) & 1 != 0 { return true }
    if let events, events.days.contains(day) { return true }
    let index = firstRange(endingAtOrAfter: day)
    return index < ranges.count && ranges[index].lowerBound <= day
  }

  private func firstRange(endingAtOrAfter day: Int) -> Int {
    var low = 0
    var high = ranges.count
    while low < high {
      let middle = (low + high) / 2
      if ranges[middle].upperBound >= day { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// The first day at or after `day` that is in it, or `nil` when there is none.
  func firstDay(from day: Int) -> Int? {
    if contains(day) { return day }
    let index = firstRange(endingAtOrAfter: day)
    let dated = index < ranges.count ? ranges[index].lowerBound : nil
    var first = [dated, events?.days.next(from: day)].compactMap { $0 }.min()
    guard weekdays != 0 else { return first }
    // One of the next seven days is one of its weekdays.
    if let weekly = (day...day + 6).first(where: { contains($0) }) { first = min(first ?? weekly, weekly) }
    return first
  }

  /// The nearest day at or after (`step` 1) or at or before (−1) `day` that is not in it, or `nil` when there is none
  /// in reach.
  ///
  /// - Complexity: a step per range, weekday or day of an event passed over; they are counted in `budget`, though not
  ///   the few of a weekend and its holidays.
  func freeDay(from day: Int, step: Int, _ budget: inout SearchBudget) -> Int? {
    var day = day
    var steps = 0
    defer { budget.spend(steps / 16) }
    while day.magnitude < CalendarRange.farthestDays {
      if weekdays >> UInt64(CivilDate.weekday(daysSinceEpoch: day)) & 1 == 0 {
        let index = firstRange(endingAtOrAfter: day)
        if index < ranges.count, ranges[index].contains(day) {
          day = step > 0 ? ranges[index].upperBound : ranges[index].lowerBound
        } else if events?.days.contains(day) != true {
          return day
        }
      }
      day += step
      steps += 1
    }
    return nil
  }

  /// The day that an instant falls on.
  func day(of instant: Instant) -> Int { zone.civilTime(at: instant).date.daysSinceEpoch }

  /// When a day begins.
  func start(of day: Int) -> Instant { zone.instant(of: CivilDateTime(date: CivilDate(daysSinceEpoch: day))) }
}

extension DayCalendar: PlainTriggerKind, WallClockSchedule {
  /// The beginning of its next day.
  package func next(after instant: Instant) -> Instant? { search.next(of: self, after: instant) }

  func nextLocal(from local: Int) -> Int {
    guard let day = firstDay(from: (local + 86_399).flooredQuotient(by: 86_400)), day < 110_000 else {
      return neverLocal
    }
    return day * 86_400
  }
}

extension DayCalendar: Hashable {
  package static func == (left: DayCalendar, right: DayCalendar) -> Bool {
    left === right
      || left.ranges == right.ranges && left.weekdays == right.weekdays && left.zone == right.zone
        && left.events == right.events
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(ranges)
    hasher.combine(weekdays)
  }
}

extension DayCalendar {
  package var zones: [TimeZoneRules] { [zone] }

  package var explanation: String {
    "When a day begins that is \(words(last: "or"))" + EnglishText.clock(zone, DSTPolicy())
  }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? { nil }

  /// `calendar_of { dates = { … }, weekdays = "sat,sun" }`.
  package func lua(_ form: LuaForm) -> String {
    var fields: [(key: String, literal: String)] = []
    let dates = ranges.map { range in
      let first = CivilDate(daysSinceEpoch: range.lowerBound)
      return LuaText.quote(
        range.count == 1 ? first.description : "\(first)..\(CivilDate(daysSinceEpoch: range.upperBound))")
    }
    if !dates.isEmpty { fields.append(("dates", "{ \(dates.joined(separator: ", ")) }")) }
    let names = CronField.weekday.names.indices.filter { weekdays >> UInt64($0) & 1 != 0 }
      .map { CronField.weekday.names[$0] }
    if !names.isEmpty { fields.append(("weekdays", LuaText.quote(names.joined(separator: ",")))) }
    if let events {
      let paths = events.paths.map(LuaText.quote)
      fields.append(("ics", paths.count == 1 ? paths[0] : "{ \(paths.joined(separator: ", ")) }"))
      // A calendar whose file has other days is another trigger.
      if form == .complete { fields.append(("digest", LuaText.quote(String(events.days.fingerprint, radix: 16)))) }
    }
    if hasOwnZone || form == .complete { fields.append(("timezone", LuaText.quote(zone.name))) }
    return "calendar_of \(LuaText.table(fields))"
  }

  /// `Saturday, Sunday, 2026-12-25 and 2026-12-28 to 2026-12-31`, with `last` before the last one; long lists are
  /// counted.
  func words(last: String = "and") -> String {
    let days = (1...7).filter { weekdays >> UInt64($0 % 7) & 1 != 0 }
    var items = EnglishText.runItems(days) { EnglishText.weekdays[$0 % 7] }
    if ranges.count > 5 {
      items.append("\(ranges.reduce(0) { $0 + $1.count }) dates")
    } else {
      for range in ranges {
        let first = CivilDate(daysSinceEpoch: range.lowerBound)
        items.append(range.count == 1 ? "\(first)" : "\(first) to \(CivilDate(daysSinceEpoch: range.upperBound))")
      }
    }
    if let events { items.append("a day of \(EnglishText.list(events.paths, last: "or"))") }
    return EnglishText.list(items, last: last)
  }
}

/// The calendar files of a ``DayCalendar``, and the days of their events.
package struct CalendarEvents: Sendable, Hashable {
  /// As the script names them.
  let paths: [String]
  let days: CalendarDays
}
