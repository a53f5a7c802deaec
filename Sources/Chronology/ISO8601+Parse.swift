/// A time as somebody wrote it: fields that exist in the calendar, and an offset from UTC if one was given.
package struct WrittenTime: Sendable, Hashable {
  /// The date and time of day; midnight when only a date was written.
  package let civil: CivilDateTime
  /// Seconds ahead of UTC (`Z` is 0), or `nil` for a time on some zone's wall clock.
  package let offset: Int?
  /// Whether a time of day was written.
  package let hasTimeOfDay: Bool

  /// The instant it names. Without an offset it is read on the wall clock of `zone`: the first of two when that wall
  /// clock shows the time twice, the end of the gap when it never shows it.
  package func instant(in zone: TimeZoneRules) -> Instant {
    guard let offset else { return zone.instant(of: civil) }
    return Instant(seconds: civil.localSeconds - offset, nanosecond: civil.nanosecond)
  }
}

/// Why a text is not a time or a duration: one sentence, and where in the text the trouble begins (in bytes).
package struct TimeTextError: Error, Sendable, Hashable, CustomStringConvertible {
  package let message: String
  package let position: Int
  package var description: String { message }
}

extension ISO8601 {
  /// Reads `2027-01-01`, `2027-01-01 00:00`, `2027-01-01T00:00:30.25`, each with or without `Z`, `+01:00`, `+0100` or
  /// `+01`.
  ///
  /// Strict: every field has its digits, the date and the time exist (24:00 does not, a leap second does not), the year
  /// is one an ``Instant`` can hold (1677 to 2262), and nothing follows. At most nine fraction digits.
  package static func parse(_ text: String) throws(TimeTextError) -> WrittenTime {
    var scanner = ByteScanner(text)
    let year = try scanner.number(digits: 4, what: "the year", in: 1677...2262)
    try scanner.expect("-", after: "the year")
    let month = try scanner.number(digits: 2, what: "the month", in: 1...12)
    try scanner.expect("-", after: "the month")
    let day = try scanner.number(
      digits: 2, what: "the day", in: 1...CivilDate.daysInMonth(month, year: year))
    let date = CivilDate(year: year, month: month, day: day)
    guard scanner.take("T") || scanner.take("t") || scanner.take(" ") else {
      try scanner.expectEnd()
      return WrittenTime(civil: CivilDateTime(date: date), offset: nil, hasTimeOfDay: false)
    }
    let hour = try scanner.number(digits: 2, what: "the hour", in: 0...23)
    try scanner.expect(":", after: "the hour")
    let minute = try scanner.number(digits: 2, what: "the minute", in: 0...59)
    var second = 0
    var nanosecond = 0
    if scanner.take(":") {
      second = try scanner.number(digits: 2, what: "the second", in: 0...59)
      if scanner.take(".") || scanner.take(",") { nanosecond = try scanner.fraction() }
    }
    let offset = try scanner.offset()
    try scanner.expectEnd()
    let civil = CivilDateTime(
      date: date, secondOfDay: hour * 3600 + minute * 60 + second, nanosecond: nanosecond)
    return WrittenTime(civil: civil, offset: offset, hasTimeOfDay: true)
  }
}

/// Reads a short ASCII text from left to right.
private struct ByteScanner {
  private let bytes: [UInt8]
  private var position = 0

  init(_ text: String) { bytes = Array(text.utf8.prefix(80)) }

  private func fail(_ message: String, at position: Int? = nil) -> TimeTextError {
    TimeTextError(message: message, position: position ?? self.position)
  }

  private var shape: String { "write it like 2027-01-31, 2027-01-31 09:00 or 2027-01-31T09:00:00+01:00" }

  mutating func take(_ byte: Unicode.Scalar) -> Bool {
    guard position < bytes.count, bytes[position] == UInt8(ascii: byte) else { return false }
    position += 1
    return true
  }

  mutating func expect(_ byte: Unicode.Scalar, after what: String) throws(TimeTextError) {
    guard take(byte) else { throw fail("expected \"\(byte)\" after \(what): \(shape)") }
  }

  func expectEnd() throws(TimeTextError) {
    guard position == bytes.count else {
      throw fail("unexpected text \"\(String(decoding: bytes[position...], as: UTF8.self))\" after the time")
    }
  }

  private mutating func digit() -> Int? {
    guard position < bytes.count, (48...57).contains(bytes[position]) else { return nil }
    defer { position += 1 }
    return Int(bytes[position]) - 48
  }

  mutating func number(digits: Int, what: String, in range: ClosedRange<Int>) throws(TimeTextError) -> Int {
    let start = position
    var value = 0
    for _ in 0..<digits {
      guard let digit = digit() else {
        throw fail("expected \(digits) digits for \(what): \(shape)", at: start)
      }
      value = value * 10 + digit
    }
    guard range.contains(value) else {
      throw fail("\(what) \(value) is outside \(range.lowerBound)-\(range.upperBound)", at: start)
    }
    return value
  }

  mutating func fraction() throws(TimeTextError) -> Int {
    let start = position
    var value = 0
    var count = 0
    while let digit = digit() {
      count += 1
      guard count <= 9 else { throw fail("a fraction of a second has at most 9 digits", at: start) }
      value = value * 10 + digit
    }
    guard count > 0 else { throw fail("expected digits after the decimal point", at: start) }
    for _ in count..<9 { value *= 10 }
    return value
  }

  mutating func offset() throws(TimeTextError) -> Int? {
    if take("Z") || take("z") { return 0 }
    let negative: Bool
    if take("+") { negative = false } else if take("-") { negative = true } else { return nil }
    var size = try number(digits: 2, what: "the offset's hours", in: 0...26) * 3600
    if take(":") {
      size += try number(digits: 2, what: "the offset's minutes", in: 0...59) * 60
      if take(":") { size += try number(digits: 2, what: "the offset's seconds", in: 0...59) }
    } else if position < bytes.count {
      size += try number(digits: 2, what: "the offset's minutes", in: 0...59) * 60
    }
    return negative ? -size : size
  }
}
