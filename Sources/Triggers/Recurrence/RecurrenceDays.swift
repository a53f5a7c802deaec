internal import Chronology

/// The days that a recurrence rule allows, month by month: all of its parts that are about days, and its interval when
/// that counts days or more.
///
/// Each part is a word of bits for the month at hand (1...31, see ``MonthShape``), and together they are an "and".
/// What the standard calls expanding and limiting comes to the same: a rule takes the days of its period that all its
/// parts name. BYSETPOS is not among them, since it chooses from days and times together.
struct RecurrenceDays: Sendable {
  private let frequency: RecurrenceRule.Frequency
  private let interval: Int
  /// The start, as a day and as a month counted from year 0.
  private let startDay: Int
  private let startMonth: Int
  private let weekStart: Int
  /// Bits 1...12: BYMONTH, without the months in which the other parts never allow a day.
  private var months: UInt64
  /// Days by number, bits 1...31; and from the month's end, where bit 0 is the last.
  private var numbers: UInt64 = 0
  private var fromEnd: UInt64 = 0
  /// Weekdays, bits 0...6 from Sunday, repeated so that one shift aligns them with a month; 0 for no rule about them.
  private var repeatedWeekdays: UInt64 = 0
  private var ordinals: [RecurrenceRule.Weekday] = []
  /// Whether ``ordinals`` count in the year rather than in the month.
  private let ordinalsCountInYear: Bool
  /// BYYEARDAY: words of the twelve months of a common year, then of a leap year; empty when it is not given.
  private var yearDays: [UInt64] = []
  /// BYWEEKNO: bits 1...53, from the year's beginning and from its end.
  private var weeks: UInt64 = 0
  private var weeksFromEnd: UInt64 = 0
  private let hasNumbers: Bool
  private let hasRareParts: Bool

  private static let everyMonth: UInt64 = 0x1FFE

  /// The days of `rule`, which starts on the day `start` (since the epoch).
  init(_ rule: RecurrenceRule, start: Int) {
    let date = CivilDate(daysSinceEpoch: start)
    var monthDays = rule.monthDays
    var weekdays = rule.weekdays
    var months = rule.months
    // What a rule does not say it takes from its start.
    switch rule.frequency {
    case .weekly where weekdays.isEmpty:
      weekdays = [RecurrenceRule.Weekday(ordinal: 0, weekday: date.weekday)]
    case .monthly where weekdays.isEmpty && monthDays.isEmpty:
      monthDays = [date.day]
    case .yearly where weekdays.isEmpty && monthDays.isEmpty && rule.yearDays.isEmpty:
      if rule.weekNumbers.isEmpty {
        monthDays = [date.day]
        if months == 0 { months = 1 << UInt64(date.month) }
      } else {
        weekdays = [RecurrenceRule.Weekday(ordinal: 0, weekday: date.weekday)]
      }
    default: break
    }
    frequency = rule.frequency
    interval = rule.frequency < .daily ? 1 : rule.interval
    startDay = start
    startMonth = date.year * 12 + date.month - 1
    weekStart = rule.weekStart
    ordinalsCountInYear = rule.frequency == .yearly && rule.months == 0
    self.months = months == 0 ? RecurrenceDays.everyMonth : months
    for day in monthDays {
      if day > 0 { numbers |= 1 << UInt64(day) } else { fromEnd |= 1 << UInt64(-day - 1) }
    }
    hasNumbers = !monthDays.isEmpty
    var plain: UInt64 = 0
    for day in weekdays {
      if day.ordinal == 0 { plain |= 1 << UInt64(day.weekday) } else { ordinals.append(day) }
    }
    repeatedWeekdays = plain &* 0x0000_0008_1020_4081
    for week in rule.weekNumbers {
      if week > 0 { weeks |= 1 << UInt64(week) } else { weeksFromEnd |= 1 << UInt64(-week) }
    }
    if !rule.yearDays.isEmpty { yearDays = RecurrenceDays.monthWords(ofYearDays: rule.yearDays) }
    hasRareParts = !ordinals.isEmpty || !yearDays.isEmpty || weeks | weeksFromEnd != 0 || fromEnd != 0
    if ordinalsCountInYear || !yearDays.isEmpty { self.months = possibleMonths() }
  }

  /// Whether there is no day at all.
  var isEmpty: Bool { months == 0 }

  /// The months that ever have a day: parts that count in the year are about few of them, and the search need not look
  /// at the others. Exact: after 400 years dates and weekdays repeat.
  private func possibleMonths() -> UInt64 {
    var possible: UInt64 = 0
    for month in 1...12 where months >> UInt64(month) & 1 != 0 {
      if (2000..<2400).contains(where: { rareDays(MonthShape(year: $0, month: month)) != 0 }) {
        possible |= 1 << UInt64(month)
      }
    }
    return possible
  }

  /// Days of the year as words of months, of a common and of a leap year.
  private static func monthWords(ofYearDays days: [Int]) -> [UInt64] {
    [2027, 2028].flatMap { year in
      var words = [UInt64](repeating: 0, count: 12)
      let first = CivilDate(year: year, month: 1, day: 1).daysSinceEpoch
      let length = CivilDate.isLeap(year) ? 366 : 365
      for day in days {
        let index = day > 0 ? day - 1 : length + day
        guard (0..<length).contains(index) else { continue }
        let date = CivilDate(daysSinceEpoch: first + index)
        words[date.month - 1] |= 1 << UInt64(date.day)
      }
      return words
    }
  }

  /// The days of a month that the rule allows, as bits 1...31.
  @inline(__always)
  func days(_ shape: MonthShape) -> UInt64 {
    guard months &>> UInt64(truncatingIfNeeded: shape.month) & 1 != 0 else { return 0 }
    var days = shape.allDays
    if interval != 1 {
      days &= inInterval(shape)
      if days == 0 { return 0 }
    }
    if hasRareParts { return days & rareDays(shape) }
    if hasNumbers { days &= numbers }
    if repeatedWeekdays != 0 { days &= weekdays(shape) }
    return days
  }

  @inline(__always)
  private func weekdays(_ shape: MonthShape) -> UInt64 {
    (repeatedWeekdays &>> UInt64(truncatingIfNeeded: shape.firstWeekday)) &<< 1
  }

  @inline(never)
  private func rareDays(_ shape: MonthShape) -> UInt64 {
    var days = shape.allDays
    if hasNumbers {
      var allowed = numbers
      var rest = fromEnd & ((1 << UInt64(shape.length)) - 1)
      while rest != 0 {
        allowed |= 1 << UInt64(shape.length - rest.trailingZeroBitCount)
        rest &= rest - 1
      }
      days &= allowed
    }
    if !yearDays.isEmpty { days &= yearDays[(CivilDate.isLeap(shape.year) ? 12 : 0) + shape.month - 1] }
    if repeatedWeekdays != 0 || !ordinals.isEmpty {
      var allowed = repeatedWeekdays != 0 ? weekdays(shape) : 0
      for ordinal in ordinals { allowed |= bit(of: ordinal, shape) }
      days &= allowed
    }
    if weeks | weeksFromEnd != 0 { days &= daysOfWeeks(shape) }
    return days
  }

  /// The day of the month that is the n-th of a weekday in its month or year; no bit when it lies in another month.
  private func bit(of ordinal: RecurrenceRule.Weekday, _ shape: MonthShape) -> UInt64 {
    var first = shape.firstDay
    var length = shape.length
    if ordinalsCountInYear {
      first = CivilDate(year: shape.year, month: 1, day: 1).daysSinceEpoch
      length = CivilDate.isLeap(shape.year) ? 366 : 365
    }
    var index: Int
    if ordinal.ordinal > 0 {
      index = (ordinal.weekday - CivilDate.weekday(daysSinceEpoch: first) + 7) % 7 + 7 * (ordinal.ordinal - 1)
    } else {
      let last = CivilDate.weekday(daysSinceEpoch: first + length - 1)
      index = length - 1 - (last - ordinal.weekday + 7) % 7 + 7 * (ordinal.ordinal + 1)
    }
    guard (0..<length).contains(index) else { return 0 }
    index += first - shape.firstDay
    return (0..<shape.length).contains(index) ? 2 << UInt64(index) : 0
  }

  /// The days in the weeks of BYWEEKNO. A week belongs to the year that has its fourth day, which therefore also
  /// numbers it.
  private func daysOfWeeks(_ shape: MonthShape) -> UInt64 {
    var days: UInt64 = 0
    var start = -((shape.firstWeekday - weekStart + 7) % 7)
    while start < shape.length {
      let fourth = shape.firstDay + start + 3
      let year = CivilDate(daysSinceEpoch: fourth).year
      let dayOfYear = fourth - CivilDate(year: year, month: 1, day: 1).daysSinceEpoch
      let left = (CivilDate.isLeap(year) ? 365 : 364) - dayOfYear
      if weeks >> UInt64(dayOfYear / 7 + 1) & 1 != 0 || weeksFromEnd >> UInt64(left / 7 + 1) & 1 != 0 {
        days |= RecurrenceDays.run(of: 7, at: start)
      }
      start += 7
    }
    return days
  }

  /// `count` days of a month from its day `start` (counted from 0, which is the first) on; what lies before it is cut
  /// off.
  private static func run(of count: Int, at start: Int) -> UInt64 {
    let word: UInt64 = (1 << UInt64(count)) - 1
    return start >= 0 ? (word << UInt64(start)) << 1 : (word >> UInt64(-start)) << 1
  }
}

// MARK: The interval

extension RecurrenceDays {
  /// The days of a month that lie in a year, month, week or day that the interval does not pass over.
  @inline(never)
  private func inInterval(_ shape: MonthShape) -> UInt64 {
    switch frequency {
    case .yearly:
      return (shape.year - startMonth / 12) % interval == 0 ? ~0 : 0
    case .monthly:
      return (shape.year * 12 + shape.month - 1 - startMonth) % interval == 0 ? ~0 : 0
    case .weekly:
      var days: UInt64 = 0
      var start = firstPeriod(from: shape.firstDay - 6) - shape.firstDay
      while start < shape.length {
        days |= RecurrenceDays.run(of: 7, at: start)
        start += 7 * interval
      }
      return days
    default:
      var days: UInt64 = 0
      var start = firstPeriod(from: shape.firstDay) - shape.firstDay
      while start < shape.length {
        days |= 2 << UInt64(start)
        start += interval
      }
      return days
    }
  }

  /// The first day at or after `day` at which a counted week or day begins.
  private func firstPeriod(from day: Int) -> Int {
    let isWeekly = frequency == .weekly
    let origin = isWeekly ? startDay - (CivilDate.weekday(daysSinceEpoch: startDay) - weekStart + 7) % 7 : startDay
    let step = isWeekly ? 7 * interval : interval
    return origin - (origin - day).flooredQuotient(by: step) * step
  }

  /// The first month after the given one (counted from year 0) that may have days.
  @inline(__always)
  private func month(after month: Int) -> Int {
    var next = month + 1
    if interval != 1 { next = inInterval(from: next) }
    if months == RecurrenceDays.everyMonth { return next }
    let (year, index) = (next / 12, next % 12)
    let left = months >> UInt64(index + 1)
    if left != 0 { return next + left.trailingZeroBitCount }
    return (year + 1) * 12 + months.trailingZeroBitCount - 1
  }

  /// The first month at or after `month` that the interval allows. (What BYMONTH adds afterwards may leave it again;
  /// then ``days(_:)`` is empty and the search goes on.)
  @inline(never)
  private func inInterval(from month: Int) -> Int {
    switch frequency {
    case .yearly:
      let passed = (month / 12 - startMonth / 12) % interval
      return passed == 0 ? month : (month / 12 - passed + interval) * 12
    case .monthly:
      let passed = (month - startMonth) % interval
      return passed == 0 ? month : month - passed + interval
    default:
      guard interval > 8 else { return month }
      let first = CivilDate(year: month / 12, month: month % 12 + 1, day: 1).daysSinceEpoch
      let next = firstPeriod(from: frequency == .weekly ? first - 6 : first)
      // Beyond all dates: one step past the last year ends the search.
      guard next < CalendarRange.farthestDays else { return (CalendarRange.lastYear + 1) * 12 }
      let date = CivilDate(daysSinceEpoch: max(first, next))
      return date.year * 12 + date.month - 1
    }
  }
}

extension RecurrenceDays {
  /// The first day at or after `day` (since the epoch, not before the start's month) that the rule allows, or `nil`
  /// when there is none up to the year 2262.
  ///
  /// - Complexity: a few steps per month that is passed over; months and years that the interval or BYMONTH exclude
  ///   cost nothing.
  @inline(__always)
  func next(from day: Int) -> Int? {
    guard day < CalendarRange.farthestDays else { return nil }
    let date = CivilDate(daysSinceEpoch: day)
    let shape = MonthShape(year: date.year, month: date.month, firstDay: day &- date.day &+ 1)
    let left = days(shape) &>> UInt64(truncatingIfNeeded: date.day)
    if left != 0 { return day &+ left.trailingZeroBitCount }
    return nextBeyond(shape)
  }

  private func nextBeyond(_ shape: MonthShape) -> Int? {
    var month = shape.year * 12 + shape.month - 1
    while true {
      month = self.month(after: month)
      let year = month / 12
      guard year <= CalendarRange.lastYear else { return nil }
      let shape = MonthShape(year: year, month: month % 12 + 1)
      let days = days(shape)
      if days != 0 { return shape.firstDay + days.trailingZeroBitCount - 1 }
    }
  }

  /// The days of the interval that holds `day`: its year, month, week or day.
  func period(of day: Int) -> ClosedRange<Int> {
    switch frequency {
    case .yearly:
      let year = CivilDate(daysSinceEpoch: day).year
      let first = CivilDate(year: year, month: 1, day: 1).daysSinceEpoch
      return first...first + (CivilDate.isLeap(year) ? 365 : 364)
    case .monthly:
      let date = CivilDate(daysSinceEpoch: day)
      let first = day - date.day + 1
      return first...first + CivilDate.daysInMonth(date.month, year: date.year) - 1
    case .weekly:
      let first = day - (CivilDate.weekday(daysSinceEpoch: day) - weekStart + 7) % 7
      return first...first + 6
    default:
      return day...day
    }
  }
}
