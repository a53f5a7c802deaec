/// A set of days in a month, by number, by weekday and by position: what one day field says.
///
/// Days of a month are bits 1...31 of a word throughout, so that a rule is a few shifts and the next day is a count of
/// zeros.
struct DaySet: Sendable, Hashable {
  /// Days by number: bits 1...31.
  var numbers: UInt64 = 0
  /// Weekdays, bits 0...6 from Sunday, repeated six times, so that one shift aligns them with a month.
  private(set) var repeatedWeekdays: UInt64 = 0
  /// Days from the month's end: bit 0 is the last day, bit 3 the third before it.
  var fromEnd: UInt64 = 0
  /// Days by number, moved to the nearest working day of the month.
  var nearestWorkday: UInt64 = 0
  /// The last day that is Monday to Friday.
  var lastWorkday = false
  /// The n-th weekday of the month: bit 7 × (n − 1) + weekday.
  var nthWeekdays: UInt64 = 0
  /// The last of a weekday in the month: bits 0...6.
  var lastWeekdays: UInt64 = 0

  static let everyDay: UInt64 = 0xFFFF_FFFE
  static let everyWeekday: UInt64 = 0x7F

  /// Weekdays: bits 0...6, from Sunday.
  var weekdays: UInt64 {
    get { repeatedWeekdays & DaySet.everyWeekday }
    set { repeatedWeekdays = newValue &* 0x0000_0008_1020_4081 }
  }

  /// Whether it holds every day there is.
  var isEverything: Bool { numbers == DaySet.everyDay || weekdays == DaySet.everyWeekday }

  /// Whether anything but plain numbers and weekdays is in it.
  var hasPositions: Bool {
    fromEnd | nearestWorkday | nthWeekdays | lastWeekdays != 0 || lastWorkday
  }

  /// The days of plain numbers and weekdays, which may lie beyond the month's end.
  @inline(__always)
  func plainDays(_ shape: MonthShape) -> UInt64 {
    numbers | ((repeatedWeekdays &>> UInt64(truncatingIfNeeded: shape.firstWeekday)) &<< 1)
  }

  /// The days given by position in the month.
  @inline(never)
  func positionDays(_ shape: MonthShape) -> UInt64 {
    var days: UInt64 = 0
    var rest = fromEnd
    while rest != 0 {
      let day = shape.length - rest.trailingZeroBitCount
      if day >= 1 { days |= 1 << day }
      rest &= rest - 1
    }
    rest = nearestWorkday & shape.allDays
    while rest != 0 {
      days |= 1 << DaySet.workday(nearest: rest.trailingZeroBitCount, in: shape)
      rest &= rest - 1
    }
    if lastWorkday { days |= 1 << DaySet.workday(nearest: shape.length, in: shape) }
    rest = nthWeekdays
    while rest != 0 {
      let (nth, weekday) = rest.trailingZeroBitCount.quotientAndRemainder(dividingBy: 7)
      let day = 1 + (weekday - shape.firstWeekday + 7) % 7 + 7 * nth
      if day <= shape.length { days |= 1 << day }
      rest &= rest - 1
    }
    rest = lastWeekdays
    while rest != 0 {
      let lastWeekday = shape.weekday(of: shape.length)
      days |= 1 << (shape.length - (lastWeekday - rest.trailingZeroBitCount + 7) % 7)
      rest &= rest - 1
    }
    return days
  }

  /// The day that is Monday to Friday nearest to `day`, within the month.
  private static func workday(nearest day: Int, in shape: MonthShape) -> Int {
    switch shape.weekday(of: day) {
    case 6: day > 1 ? day - 1 : day + 2
    case 0: day < shape.length ? day + 1 : day - 2
    default: day
    }
  }
}
