package import Chronology

/// Fires every so many years, months, weeks and days, at a time of day on the clocks of a zone.
///
/// The k-th date is the first one plus k times the months, plus k times the days. Months keep the day of the month:
/// "every two months on the 31st" leaves out the months that have none. The first date is the start date, or the first
/// day on or after it that has the wanted day of the month.
package final class CalendarTrigger: Trigger {
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

  /// The same rhythm, counted from `anchor`, unless it has an anchor or start date already.
  package func anchored(at anchor: Instant) -> CalendarTrigger {
    self.anchor != nil ? self : with(anchor: anchor, startsAtAnchor: false)
  }

  /// The same rhythm from a start date on; `nil` leaves it as it is.
  func starting(at start: Instant?) -> CalendarTrigger {
    guard let start else { return self }
    return with(anchor: start, startsAtAnchor: true)
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
        if month / 12 > CronFields.lastYear { return neverLocal }
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
