/// What a calendar and a clock on the wall show together: a date and a time of day, without a time zone.
package struct CivilDateTime: Sendable, Hashable, Comparable {
  /// The day.
  package let date: CivilDate
  /// Seconds since midnight, 0..<86,400.
  package let secondOfDay: Int
  /// 0..<1,000,000,000.
  package let nanosecond: Int

  package init(date: CivilDate, secondOfDay: Int = 0, nanosecond: Int = 0) {
    self.date = date
    self.secondOfDay = secondOfDay
    self.nanosecond = nanosecond
  }

  package init(
    year: Int, month: Int, day: Int, hour: Int = 0, minute: Int = 0, second: Int = 0, nanosecond: Int = 0
  ) {
    self.init(
      date: CivilDate(year: year, month: month, day: day), secondOfDay: hour * 3600 + minute * 60 + second,
      nanosecond: nanosecond)
  }

  /// The civil time that a clock `offset` seconds ahead of UTC shows at `instant`.
  package init(_ instant: Instant, offset: Int) {
    self.init(localSeconds: Int(instant.wholeSeconds) + offset, nanosecond: Int(instant.subsecondNanoseconds))
  }

  /// The civil time `localSeconds` after 1970-01-01T00:00:00 on the same wall clock.
  package init(localSeconds: Int, nanosecond: Int = 0) {
    let days = localSeconds.flooredQuotient(by: 86_400)
    self.init(
      date: CivilDate(daysSinceEpoch: days), secondOfDay: localSeconds - days * 86_400, nanosecond: nanosecond)
  }

  /// Seconds since 1970-01-01T00:00:00 on the same wall clock: the inverse of ``init(localSeconds:nanosecond:)``.
  package var localSeconds: Int { date.daysSinceEpoch * 86_400 + secondOfDay }

  package var hour: Int { secondOfDay / 3600 }
  package var minute: Int { secondOfDay / 60 % 60 }
  package var second: Int { secondOfDay % 60 }

  package static func < (left: CivilDateTime, right: CivilDateTime) -> Bool {
    (left.date, left.secondOfDay, left.nanosecond) < (right.date, right.secondOfDay, right.nanosecond)
  }
}

extension CivilDateTime: CustomStringConvertible {
  /// `2026-11-22T15:41:00`.
  package var description: String { ISO8601.format(self) }
}

extension Int {
  /// Division that rounds towards negative infinity; `divisor` is positive.
  package func flooredQuotient(by divisor: Int) -> Int {
    let quotient = self / divisor
    return self % divisor < 0 ? quotient - 1 : quotient
  }
}
