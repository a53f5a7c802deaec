internal import Chronology

/// A cron schedule as sets of bits: the whole of its state while it searches.
///
/// The search goes from the date to the time: the days of the month at hand are one word, computed from the month's
/// shape; the next day, hour, minute and second are counts of trailing zeros; months that cannot match are skipped by
/// the month word, years by the year set. A rule like "29 February, if a Sunday" costs a few steps per year, up to 40
/// years.
struct CronFields: Sendable, Hashable {
  /// Bits 0...59.
  var seconds: UInt64 = 1
  /// Bits 0...59.
  var minutes: UInt64 = 0
  /// Bits 0...23.
  var hours: UInt64 = 0
  /// Bits 1...12.
  var months: UInt64 = CronFields.everyMonth
  /// The day of month field.
  var days = DaySet()
  /// The day of week field.
  var weekdays = DaySet()
  /// Whether a day may match either field, rather than must match both.
  var eitherDay = false
  /// ISO weeks, bits 1...53.
  var weeks: UInt64 = CronFields.everyWeek
  /// The years, or `nil` for all.
  var years: YearSet?

  static let everyMonth: UInt64 = 0x1FFE
  static let everyWeek: UInt64 = (1 << 54) - 2

  /// Whether ``matchingDays(_:)`` has more to do than plain numbers and weekdays.
  private var hasRareRules = false

  /// To be called when all fields are set.
  mutating func finish() {
    hasRareRules = days.hasPositions || weekdays.hasPositions || weeks != CronFields.everyWeek
  }

  /// The days of a month that match, as bits 1...31.
  @inline(__always)
  func matchingDays(_ shape: MonthShape) -> UInt64 {
    if hasRareRules { return rareDays(shape) }
    let numbers = days.plainDays(shape)
    let names = weekdays.plainDays(shape)
    return (eitherDay ? numbers | names : numbers & names) & shape.allDays
  }

  @inline(never)
  private func rareDays(_ shape: MonthShape) -> UInt64 {
    let numbers = days.plainDays(shape) | days.positionDays(shape)
    let names = weekdays.plainDays(shape) | weekdays.positionDays(shape)
    var matching = (eitherDay ? numbers | names : numbers & names) & shape.allDays
    guard weeks != CronFields.everyWeek else { return matching }
    var rest = matching
    while rest != 0 {
      let day = rest.trailingZeroBitCount
      let week = CivilDate(year: shape.year, month: shape.month, day: day).isoWeek.week
      if weeks >> UInt64(week) & 1 == 0 { matching &= ~(1 << day) }
      rest &= rest - 1
    }
    return matching
  }

  /// The second of the day of the first time at or after `second`, or `nil` when the day has no more.
  @inline(__always)
  private func timeOfDay(from second: Int) -> Int? {
    let minuteOfDay = second / 60
    let hour = minuteOfDay / 60
    if hours &>> UInt64(hour) & 1 != 0 {
      let minute = minuteOfDay &- hour &* 60
      if minutes &>> UInt64(minute) & 1 != 0 {
        let left = seconds &>> UInt64(second &- minuteOfDay &* 60)
        if left != 0 { return second &+ left.trailingZeroBitCount }
      }
      // `minute + 1` is at most 60: the shift is in range.
      let left = minutes &>> UInt64(minute &+ 1)
      if left != 0 {
        return (minuteOfDay &+ 1 &+ left.trailingZeroBitCount) &* 60 &+ seconds.trailingZeroBitCount
      }
    }
    let left = hours &>> UInt64(hour &+ 1)
    guard left != 0 else { return nil }
    return (hour &+ 1 &+ left.trailingZeroBitCount) &* 3600 &+ firstMinuteAndSecond
  }

  @inline(__always)
  private var firstMinuteAndSecond: Int {
    minutes.trailingZeroBitCount &* 60 &+ seconds.trailingZeroBitCount
  }
}

extension CronFields: WallClockSchedule {
  @inline(__always)
  func nextLocal(from local: Int) -> Int {
    let day = local.flooredQuotient(by: 86_400)
    let date = CivilDate(daysSinceEpoch: day)
    var shape = MonthShape(year: date.year, month: date.month, firstDay: day &- date.day &+ 1)
    var left: UInt64 = 0
    if months &>> UInt64(date.month) & 1 != 0, years?.contains(date.year) ?? true {
      left = matchingDays(shape) &>> UInt64(date.day)
      if left & 1 != 0, let time = timeOfDay(from: local &- day &* 86_400) { return day &* 86_400 &+ time }
      // The days after this one; a set bit 0 was today, with its times over.
      left = (left &>> 1) &<< UInt64(date.day &+ 1)
    }
    while left == 0 {
      guard let next = monthAfter(shape) else { return neverLocal }
      shape = next
      left = matchingDays(shape)
    }
    let start = shape.firstDay &+ left.trailingZeroBitCount &- 1
    return start &* 86_400 &+ hours.trailingZeroBitCount &* 3600 &+ firstMinuteAndSecond
  }

  /// The next month that may match.
  @inline(__always)
  private func monthAfter(_ shape: MonthShape) -> MonthShape? {
    // `month + 1` is at most 13: the shift is in range.
    let left = months &>> UInt64(shape.month &+ 1)
    if left != 0, years?.contains(shape.year) ?? true {
      let month = shape.month &+ 1 &+ left.trailingZeroBitCount
      return MonthShape(year: shape.year, month: month)
    }
    var year = shape.year &+ 1
    if let years {
      guard let next = years.next(from: year) else { return nil }
      year = next
    }
    guard year <= CalendarRange.lastYear else { return nil }
    return MonthShape(year: year, month: months.trailingZeroBitCount)
  }
}

/// A set of years, 1900...2261.
struct YearSet: Sendable, Hashable {
  static let range = 1900...2261
  private var words = [UInt64](repeating: 0, count: 6)

  mutating func insert(_ year: Int) {
    guard YearSet.range.contains(year) else { return }
    words[(year - 1900) >> 6] |= 1 << UInt64((year - 1900) & 63)
  }

  func contains(_ year: Int) -> Bool {
    YearSet.range.contains(year) && words[(year - 1900) >> 6] >> UInt64((year - 1900) & 63) & 1 != 0
  }

  /// The first year of the set at or after `year`.
  func next(from year: Int) -> Int? {
    var index = max(year, 1900) - 1900
    while index >> 6 < words.count {
      let left = words[index >> 6] >> UInt64(index & 63)
      if left != 0 { return 1900 + index + left.trailingZeroBitCount }
      index = ((index >> 6) + 1) << 6
    }
    return nil
  }

  /// All years of the set, ascending.
  var years: [Int] { YearSet.range.filter(contains) }
}
