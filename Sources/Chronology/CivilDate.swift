/// A day of the proleptic Gregorian calendar, without a time zone.
///
/// Day arithmetic follows Neri and Schneider, "Euclidean affine functions and their application to calendar algorithms"
/// (2022): a year starts in March, so that the leap day is the last one, and every division is by a constant. Valid for
/// the years -32,000 to 32,000; all functions are O(1) and free of branches on the date.
package struct CivilDate: Sendable, Hashable, Comparable {
  /// The year; 0 is 1 BC.
  package let year: Int
  /// 1...12.
  package let month: Int
  /// 1...31.
  package let day: Int

  /// A date from fields known to be valid (see ``init(validating:month:day:)`` for fields from outside).
  package init(year: Int, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }

  /// A date from untrusted fields, or `nil` when there is no such day.
  package init?(validating year: Int, month: Int, day: Int) {
    guard (-32_000...32_000).contains(year), (1...12).contains(month), day >= 1,
      day <= CivilDate.daysInMonth(month, year: year)
    else { return nil }
    self.init(year: year, month: month, day: day)
  }

  /// The date that lies `days` after 1970-01-01.
  package init(daysSinceEpoch days: Int) {
    // Shifted so that everything below is unsigned: 82 cycles of 400 years before year 0, counted from 1 March.
    let shifted = UInt64(bitPattern: Int64(days &+ CivilDate.epochShift))
    let centuryNumerator = 4 &* shifted &+ 3
    let century = centuryNumerator / 146_097
    let dayOfCentury = (centuryNumerator % 146_097) / 4
    let yearNumerator = 4 &* dayOfCentury &+ 3
    // One multiplication gives the year of the century (high word) and the day of the year (low word).
    let product = 2_939_745 &* yearNumerator
    let yearOfCentury = product >> 32
    let dayOfYear = (product & 0xFFFF_FFFF) / 2_939_745 / 4
    let monthNumerator = 2_141 &* dayOfYear &+ 197_913
    let marchMonth = monthNumerator >> 16
    let dayOfMonth = (monthNumerator & 0xFFFF) / 2_141
    let wraps: UInt64 = dayOfYear >= 306 ? 1 : 0
    year = Int(100 &* century &+ yearOfCentury &+ wraps) &- CivilDate.yearShift
    month = Int(marchMonth &- 12 &* wraps)
    day = Int(dayOfMonth &+ 1)
  }

  /// Days since 1970-01-01, negative before.
  package var daysSinceEpoch: Int {
    let wraps = month <= 2 ? 1 : 0
    let shiftedYear = UInt64(bitPattern: Int64(year &+ CivilDate.yearShift &- wraps))
    let marchMonth = UInt64(month &+ 12 &* wraps)
    let century = shiftedYear / 100
    let yearDays = 1_461 &* shiftedYear / 4 &- century &+ century / 4
    let monthDays = (979 &* marchMonth &- 2_919) / 32
    return Int(yearDays &+ monthDays) &+ day &- 1 &- CivilDate.epochShift
  }

  /// 0 for Sunday to 6 for Saturday, as crontab counts.
  package var weekday: Int { CivilDate.weekday(daysSinceEpoch: daysSinceEpoch) }

  /// 0 for Sunday to 6 for Saturday, of the day that lies `days` after 1970-01-01 (a Thursday).
  package static func weekday(daysSinceEpoch days: Int) -> Int {
    // A multiple of 7 larger than any day number in range keeps the remainder positive.
    Int(UInt64(bitPattern: Int64(days &+ 4 &+ 7 * 2_000_000)) % 7)
  }

  /// Whether `year` has a 29 February.
  package static func isLeap(_ year: Int) -> Bool {
    // A year divisible by 25 is a leap year when 16 divides it, any other when 4 does.
    year % 25 == 0 ? year & 15 == 0 : year & 3 == 0
  }

  /// 28...31.
  package static func daysInMonth(_ month: Int, year: Int) -> Int {
    month == 2 ? (isLeap(year) ? 29 : 28) : 30 | (month ^ (month >> 3))
  }

  /// The week number of ISO 8601 (1...53) and the year that week belongs to: weeks start on Monday, and week 1 holds
  /// the year's first Thursday.
  package var isoWeek: (year: Int, week: Int) {
    let days = daysSinceEpoch
    let mondayBased = (CivilDate.weekday(daysSinceEpoch: days) + 6) % 7
    let thursday = CivilDate(daysSinceEpoch: days - mondayBased + 3)
    let firstOfYear = CivilDate(year: thursday.year, month: 1, day: 1).daysSinceEpoch
    return (thursday.year, (days - mondayBased + 3 - firstOfYear) / 7 + 1)
  }

  package static func < (left: CivilDate, right: CivilDate) -> Bool {
    (left.year, left.month, left.day) < (right.year, right.month, right.day)
  }

  private static let yearShift = 400 * 82
  /// Days from 1 March of year -32,800 to 1970-01-01.
  private static let epochShift = 719_468 + 146_097 * 82
}

extension CivilDate: CustomStringConvertible {
  /// `2026-11-22`.
  package var description: String { ISO8601.format(self) }
}
