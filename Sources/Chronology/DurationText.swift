/// Durations as text: `90s`, `1h30m`, `2d`, `500ms`.
///
/// Units are `w`, `d` (24 hours, whatever the wall clock does), `h`, `m`, `s`, `ms`, `us` (or `µs`) and `ns`, largest
/// first, each at most once; a number may have a fraction (`1.5h`). A bare number is seconds.
package enum DurationText {
  /// Unit names with their nanoseconds, largest first.
  private static let units: [(name: String, nanoseconds: Int64)] = [
    ("w", 604_800_000_000_000), ("d", 86_400_000_000_000), ("h", 3_600_000_000_000), ("m", 60_000_000_000),
    ("s", 1_000_000_000), ("ms", 1_000_000), ("us", 1000), ("ns", 1),
  ]

  /// Words people write for a unit, and the unit to write instead of them.
  private static let words: [String: String] = [
    "sec": "s", "secs": "s", "second": "s", "seconds": "s", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
    "hour": "h", "hours": "h", "hr": "h", "hrs": "h", "day": "d", "days": "d", "week": "w", "weeks": "w",
    "msec": "ms", "millisecond": "ms", "milliseconds": "ms", "month": "calendar { months = 1 }",
    "months": "calendar { months = n }", "year": "calendar { years = 1 }", "years": "calendar { years = n }",
  ]

  /// Reads a duration of at most 292 years; a leading `-` makes it negative.
  package static func parse(_ text: String) throws(TimeTextError) -> Duration {
    .nanoseconds(try parseNanoseconds(text))
  }

  /// Reads a duration in nanoseconds. See ``parse(_:)``.
  package static func parseNanoseconds(_ text: String) throws(TimeTextError) -> Int64 {
    let bytes = Array(text.utf8.prefix(100))
    var position = bytes.first == UInt8(ascii: "-") ? 1 : 0
    let negative = position == 1
    guard position < bytes.count, text.utf8.count <= 100 else {
      throw TimeTextError(
        message: "expected a duration like \"90s\", \"1h30m\", \"2d\" or \"500ms\"", position: position)
    }
    var total: Int64 = 0
    var lastUnit = -1
    while position < bytes.count {
      let start = position
      let number = try parseNumber(bytes, &position)
      let unitStart = position
      while position < bytes.count, bytes[position] != UInt8(ascii: "."), !(48...57).contains(bytes[position]) {
        position += 1
      }
      let written = bytes[unitStart..<position].drop { $0 == 32 }
      var name = String(decoding: written.prefix { $0 != 32 }, as: UTF8.self)
      guard written.count == position - unitStart, name.utf8.count == written.count else {
        let hint = words[name] ?? name
        throw TimeTextError(
          message: "\"\(text)\" has spaces in it: write \(number.text)\(hint.isEmpty ? "s" : hint)", position: unitStart
        )
      }
      if name == "µs" || name == "μs" { name = "us" }
      if name.isEmpty {
        // A number without a unit is seconds, but only when it stands alone: "1h30" might mean minutes.
        guard start == (negative ? 1 : 0) else {
          throw TimeTextError(
            message: "\"\(number.text)\" in \"\(text)\" has no unit: write \(number.text)m or \(number.text)s",
            position: start)
        }
        name = "s"
      }
      guard let unit = units.firstIndex(where: { $0.name == name }) else {
        let hint = words[name].map { "write \($0)" } ?? "use w, d, h, m, s, ms, us or ns"
        throw TimeTextError(message: "unknown unit \"\(name)\" in \"\(text)\": \(hint)", position: unitStart)
      }
      guard unit > lastUnit else {
        throw TimeTextError(
          message: "\"\(name)\" is out of order in \"\(text)\": write larger units first, each once",
          position: unitStart)
      }
      lastUnit = unit
      let sum = number.scaled(by: units[unit].nanoseconds).flatMap { value -> Int64? in
        let (sum, overflow) = total.addingReportingOverflow(value)
        return overflow ? nil : sum
      }
      guard let sum else {
        throw TimeTextError(message: "\"\(text)\" is longer than 292 years", position: start)
      }
      total = sum
    }
    return negative ? -total : total
  }

  /// A decimal number: its digits as an integer, and how many of them follow the point.
  private struct Decimal {
    var digits: Int64 = 0
    var places = 0
    var text = ""

    /// The number times `unit`, rounded down to a whole; `nil` on overflow.
    func scaled(by unit: Int64) -> Int64? {
      var divisor: Int64 = 1
      for _ in 0..<places { divisor *= 10 }
      let product = digits.multipliedFullWidth(by: unit)
      guard product.high < divisor / 2 || divisor == 1 && product.high == 0 else { return nil }
      if divisor == 1 { return Int64(exactly: product.low) }
      return divisor.dividingFullWidth(product).quotient
    }
  }

  private static func parseNumber(_ bytes: [UInt8], _ position: inout Int) throws(TimeTextError) -> Decimal {
    let start = position
    var number = Decimal()
    var seenPoint = false
    var count = 0
    while position < bytes.count {
      let byte = bytes[position]
      if byte == UInt8(ascii: "."), !seenPoint {
        seenPoint = true
      } else if (48...57).contains(byte) {
        count += 1
        let (shifted, overflow) = number.digits.multipliedReportingOverflow(by: 10)
        let (digits, overflowed) = shifted.addingReportingOverflow(Int64(byte - 48))
        guard !overflow, !overflowed, count <= 18 || number.places == 0 else {
          throw TimeTextError(message: "a number with too many digits", position: start)
        }
        number.digits = digits
        if seenPoint { number.places += 1 }
      } else {
        break
      }
      position += 1
    }
    number.text = String(decoding: bytes[start..<position], as: UTF8.self)
    guard count > 0, bytes[position - 1] != UInt8(ascii: ".") else {
      throw TimeTextError(
        message: "expected a number at \"\(String(decoding: bytes[start...], as: UTF8.self))\": "
          + "write a duration like \"90s\", \"1h30m\", \"2d\" or \"500ms\"", position: start)
    }
    return number
  }

  /// The shortest text that parses to `duration`: `1h30m`, `500ms`, `0s`.
  package static func format(_ duration: Duration) -> String { format(nanoseconds: duration.wholeNanoseconds) }

  /// The shortest text that parses to this many nanoseconds: `90s`, `36h`, `1d1s`.
  package static func format(nanoseconds: Int64) -> String {
    guard nanoseconds != 0 else { return "0s" }
    let mixed = formatMixed(nanoseconds)
    // One unit alone is often shorter than the mixture. Weeks are left out: few people read "26w" at a glance.
    guard let unit = units.first(where: { $0.name != "w" && nanoseconds % $0.nanoseconds == 0 }) else { return mixed }
    let single = "\(nanoseconds / unit.nanoseconds)\(unit.name)"
    return single.utf8.count < mixed.utf8.count ? single : mixed
  }

  private static func formatMixed(_ nanoseconds: Int64) -> String {
    var text = nanoseconds < 0 ? "-" : ""
    var rest = nanoseconds.magnitude
    for unit in units where unit.name != "w" {
      let (count, remainder) = rest.quotientAndRemainder(dividingBy: UInt64(unit.nanoseconds))
      if count > 0 { text += "\(count)\(unit.name)" }
      rest = remainder
    }
    return text
  }
}
