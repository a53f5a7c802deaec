internal import Chronology

/// The shape of a month: all that decides which of its days a rule means.
struct MonthShape {
  let year: Int
  let month: Int
  /// The first day, counted from the epoch.
  let firstDay: Int
  /// 28...31.
  let length: Int
  /// The weekday of the first day; 0 is Sunday.
  let firstWeekday: Int

  @inline(__always)
  init(year: Int, month: Int) {
    self.init(
      year: year, month: month, firstDay: CivilDate(year: year, month: month, day: 1).daysSinceEpoch)
  }

  @inline(__always)
  init(year: Int, month: Int, firstDay: Int) {
    self.year = year
    self.month = month
    self.firstDay = firstDay
    length = CivilDate.daysInMonth(month, year: year)
    firstWeekday = CivilDate.weekday(daysSinceEpoch: firstDay)
  }

  /// Bits 1...length.
  @inline(__always)
  var allDays: UInt64 { (2 &<< UInt64(truncatingIfNeeded: length)) &- 2 }

  func weekday(of day: Int) -> Int { (firstWeekday + day - 1) % 7 }
}
