internal import Chronology

/// A date or a time as iCalendar writes it (RFC 5545, 3.3.4 and 3.3.5): `20261225`, `20261225T090000`,
/// `20261225T080000Z`.
struct CalendarTime: Sendable, Hashable {
  /// Days since the epoch.
  let day: Int
  /// Seconds after midnight; `nil` for a date alone.
  let secondOfDay: Int?
  /// Whether it ends in `Z`.
  let isUTC: Bool

  /// Seconds since the epoch on the clock that it was read on; a date is its midnight.
  var local: Int { day * 86_400 + (secondOfDay ?? 0) }

  /// The years that instants have.
  static let instantYears = 1677...2262
  /// All years that can be written. Birthdays and time zones begin before there were clocks.
  static let allYears = 1...9999

  /// Reads one value. A leap second counts as the second before it.
  static func parse(
    _ text: some StringProtocol, years: ClosedRange<Int> = instantYears
  ) throws(TriggerError) -> CalendarTime {
    let bytes = Array(text.utf8)
    func number(_ range: Range<Int>, _ what: String, _ allowed: ClosedRange<Int>) throws(TriggerError) -> Int {
      let value = bytes[range].reduce(0) { $0 * 10 + Int($1) - 48 }
      guard allowed.contains(value) else {
        throw TriggerError(
          "the \(what) \(value) is outside \(allowed.lowerBound)-\(allowed.upperBound)", at: range)
      }
      return value
    }
    let isUTC = bytes.count == 16 && bytes[15] | 0x20 == UInt8(ascii: "z")
    let length = isUTC ? 15 : bytes.count
    let hasTime = length == 15 && bytes[8] | 0x20 == UInt8(ascii: "t")
    let digits = bytes.indices.filter { $0 < length && !(hasTime && $0 == 8) }
    guard hasTime || length == 8 && !isUTC, digits.allSatisfy({ (48...57).contains(bytes[$0]) }) else {
      throw TriggerError(
        "a date is written 20270131, a time 20270131T090000, or with Z at its end in UTC", at: 0..<bytes.count)
    }
    let year = try number(0..<4, "year", years)
    let month = try number(4..<6, "month", 1...12)
    let day = try number(6..<8, "day", 1...CivilDate.daysInMonth(month, year: year))
    let date = CivilDate(year: year, month: month, day: day).daysSinceEpoch
    guard hasTime else { return CalendarTime(day: date, secondOfDay: nil, isUTC: false) }
    let hour = try number(9..<11, "hour", 0...23)
    let minute = try number(11..<13, "minute", 0...59)
    let second = min(try number(13..<15, "second", 0...60), 59)
    return CalendarTime(day: date, secondOfDay: hour * 3600 + minute * 60 + second, isUTC: isUTC)
  }
}
