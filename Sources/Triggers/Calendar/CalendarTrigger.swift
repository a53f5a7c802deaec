package import Chronology

/// Fires every so many years, months, weeks and days, at a time of day on the clocks of a zone.
///
/// The k-th date is the first one plus k times the months, plus k times the days. Months keep the day of the month:
/// "every two months on the 31st" leaves out the months that have none. The first date is the start date, or the first
/// day on or after it that has the wanted day of the month.
package final class CalendarTrigger: TriggerKind {
  /// Which day of the month a step of months lands on.
  enum DayRule: Sendable, Hashable {
    /// The day of the first date.
    case same
    /// This one, 1...31.
    case number(Int)
    /// The last one.
    case last
  }

  /// What was written, for printing.
  struct Steps: Sendable, Hashable {
    var years = 0
    var months = 0
    var weeks = 0
    var days = 0

    var allMonths: Int { years * 12 + months }
    var allDays: Int { weeks * 7 + days }
  }

  let steps: Steps
  let dayRule: DayRule
  /// Seconds after midnight.
  let secondOfDay: Int
  /// Where counting starts; `nil` until a schedule assigns it.
  let anchor: Instant?
  /// Whether the anchor is a start date, at which it may fire, rather than one assigned by the schedule.
  let startsAtAnchor: Bool
  package let zone: TimeZoneRules
  let hasOwnZone: Bool
  let dst: DSTPolicy
  private let search: WallClockSearch
  private let dates: Dates?

  init(
    steps: Steps, dayRule: DayRule, secondOfDay: Int, anchor: Instant?, startsAtAnchor: Bool, zone: TimeZoneRules,
    hasOwnZone: Bool, dst: DSTPolicy
  ) {
    precondition(steps.allMonths > 0 || steps.allDays > 0, "a calendar step is at least one day")
    self.steps = steps
    self.dayRule = dayRule
    self.secondOfDay = secondOfDay
    self.anchor = anchor
    self.startsAtAnchor = startsAtAnchor
    self.zone = zone
    self.hasOwnZone = hasOwnZone
    self.dst = dst
    search = WallClockSearch(zone: zone, policy: dst.resolved(followsClock: false))
    dates = anchor.map { Dates(from: zone.civilTime(at: $0).date, steps, dayRule, secondOfDay) }
  }

  /// - Complexity: O(1), except for dates that rarely exist (29 February): a step per candidate.
  package func next(after instant: Instant) -> Instant? {
    guard let anchor, let dates else {
      let first = zone.civilTime(at: instant).date
      return search.next(of: Dates(from: first, steps, dayRule, secondOfDay), after: instant)
    }
    let start = startsAtAnchor ? anchor.advanced(byNanoseconds: -1) : anchor
    return search.next(of: dates, after: max(instant, start))
  }

  private func with(anchor: Instant, startsAtAnchor: Bool) -> CalendarTrigger {
    CalendarTrigger(
      steps: steps, dayRule: dayRule, secondOfDay: secondOfDay, anchor: anchor, startsAtAnchor: startsAtAnchor,
      zone: zone, hasOwnZone: hasOwnZone, dst: dst)
  }

  /// The dates, as times on a wall clock.
  private struct Dates: WallClockSchedule {
    let firstDay: Int
    let firstMonth: Int
    let dayOfMonth: Int
    let stepMonths: Int
    let stepDays: Int
    let secondOfDay: Int

    init(from start: CivilDate, _ steps: Steps, _ rule: DayRule, _ secondOfDay: Int) {
      var month = start.year * 12 + start.month - 1
      switch rule {
      case .same:
        dayOfMonth = start.day
      case .last:
        dayOfMonth = 32
      case .number(let day):
        dayOfMonth = day
        // The first month from here on that has the day, and has it ahead. February is the only one without a 30th.
        while day < start.day && month == start.year * 12 + start.month - 1
          || day > CivilDate.daysInMonth(month % 12 + 1, year: month / 12)
        {
          month += 1
        }
      }
      firstMonth = month
      stepMonths = steps.allMonths
      stepDays = steps.allDays
      self.secondOfDay = secondOfDay
      firstDay = Dates.day(dayOfMonth, ofMonth: month) ?? start.daysSinceEpoch
    }

    /// Days since the epoch of a day in a month counted from year 0; 32 is the last day, `nil` a day that is not there.
    private static func day(_ day: Int, ofMonth index: Int) -> Int? {
      let (year, month) = (index / 12, index % 12 + 1)
      let length = CivilDate.daysInMonth(month, year: year)
      guard day <= length || day == 32 else { return nil }
      return CivilDate(year: year, month: month, day: min(day, length)).daysSinceEpoch
    }

    func nextLocal(from local: Int) -> Int {
      // The first day whose time of day is not before `local`.
      let target = (local - secondOfDay + 86_399).flooredQuotient(by: 86_400)
      if target <= firstDay { return firstDay * 86_400 + secondOfDay }
      if stepMonths == 0 {
        let count = (target - firstDay + stepDays - 1) / stepDays
        return (firstDay + count * stepDays) * 86_400 + secondOfDay
      }
      // A step is 30.436875 days per month on average, and never more than four days off: start two steps early.
      let tenThousandths = stepMonths * 304_369 + stepDays * 10_000
      var count = max(0, (target - firstDay) * 10_000 / tenThousandths - 2)
      while true {
        let month = firstMonth + count * stepMonths
        if month / 12 > CalendarRange.lastYear { return neverLocal }
        if let day = Dates.day(dayOfMonth, ofMonth: month), day + count * stepDays >= target {
          return (day + count * stepDays) * 86_400 + secondOfDay
        }
        count += 1
      }
    }
  }
}

extension CalendarTrigger: Hashable {
  package static func == (left: CalendarTrigger, right: CalendarTrigger) -> Bool {
    left === right
      || left.steps == right.steps && left.dayRule == right.dayRule && left.secondOfDay == right.secondOfDay
        && left.anchor == right.anchor && left.startsAtAnchor == right.startsAtAnchor && left.dst == right.dst
        && left.zone == right.zone
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(steps)
    hasher.combine(secondOfDay)
    hasher.combine(zone)
  }
}

extension CalendarTrigger {
  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    budget.spend()
    return NextFire(next(after: instant))
  }

  package var zones: [TimeZoneRules] { [zone] }
  package var dateZone: TimeZoneRules? { zone }
  package var needsAnchor: Bool { anchor == nil }
  package var firesAtStart: Bool { false }

  /// The same rhythm, counted from `anchor`, unless it has an anchor or start date already.
  package func anchored(at anchor: Instant) -> AnyTrigger {
    AnyTrigger(self.anchor != nil ? self : with(anchor: anchor, startsAtAnchor: false))
  }

  /// Without an anchor it begins at the start date; the end is kept by the general bounds.
  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? {
    guard anchor == nil, let from else { return nil }
    return AnyTrigger(with(anchor: from, startsAtAnchor: true)).bounded(from: nil, until: until)
  }

  /// `calendar { months = 1, day = "last" }`.
  package func lua(_ form: LuaForm) -> String { lua(form, until: nil) }

  /// Its own start date takes the place of a first instant.
  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    from == nil ? lua(form, until: until) : nil
  }

  private func lua(_ form: LuaForm, until: Instant?) -> String {
    var fields: [(key: String, literal: String)] = []
    let counts = [("years", steps.years), ("months", steps.months), ("weeks", steps.weeks), ("days", steps.days)]
    for (key, count) in counts where count > 0 { fields.append((key, "\(count)")) }
    switch dayRule {
    case .same: break
    case .number(let day): fields.append(("day", "\(day)"))
    case .last: fields.append(("day", "\"last\""))
    }
    let startSecond = startsAtAnchor ? anchor.map { zone.civilTime(at: $0).secondOfDay } : 0
    if secondOfDay != startSecond {
      fields.append(("hour", "\(secondOfDay / 3600)"))
      if secondOfDay % 3600 != 0 { fields.append(("minute", "\(secondOfDay / 60 % 60)")) }
      if secondOfDay % 60 != 0 { fields.append(("second", "\(secondOfDay % 60)")) }
    }
    fields += WrittenOptions.clock(zone: zone, hasOwnZone: hasOwnZone, dst: dst, form)
    fields += WrittenOptions.bounds(from: startsAtAnchor ? anchor : nil, until: until, zone: zone)
    if !startsAtAnchor, let anchor {
      fields.append(("anchor", LuaText.quote(ISO8601.format(anchor, in: zone))))
    }
    return "calendar \(LuaText.table(fields))"
  }

  package var explanation: String {
    var counts: [String] = []
    if steps.years > 0 { counts.append(EnglishText.every(steps.years, "year")) }
    if steps.months > 0 { counts.append(EnglishText.every(steps.months, "month")) }
    if steps.weeks > 0 { counts.append(EnglishText.every(steps.weeks, "week")) }
    if steps.days > 0 { counts.append(EnglishText.every(steps.days, "day")) }
    var text = "Every \(EnglishText.list(counts))"
    switch dayRule {
    case .same: break
    case .number(let day): text += " on day \(day)"
    case .last: text += " on the last day of the month"
    }
    let (hour, minute, second) = (secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60)
    text += " at \(EnglishText.two(hour)):\(EnglishText.two(minute))"
    if second != 0 { text += ":\(EnglishText.two(second))" }
    text += EnglishText.clock(zone, dst)
    return text + EnglishText.bounds(from: startsAtAnchor ? anchor : nil, until: nil, zone: zone)
  }
}
