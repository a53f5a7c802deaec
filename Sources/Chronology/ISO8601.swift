/// Times as text: what we write, and what we accept from scripts and command lines.
///
/// Written is the extended format of ISO 8601 (RFC 3339): `2026-11-22T15:41:00+01:00`, with `Z` for UTC and three, six
/// or nine fraction digits only when they are needed. Offsets with seconds (local mean time before 1900 or so) are
/// written in full, `+00:19:32`, as ISO 8601-2 and Java do.
package enum ISO8601 {
  /// `instant` on a clock `offset` seconds ahead of UTC; `nil` writes `Z`.
  package static func format(_ instant: Instant, offset: Int?) -> String {
    var text = TextBuffer()
    text.append(CivilDateTime(instant, offset: offset ?? 0))
    if let offset { text.append(offset: offset) } else { text.append("Z") }
    return text.string
  }

  /// `instant` as clocks in `zone` show it, with the zone's offset: `2026-03-29T09:00:00+02:00`; in UTC with `Z`.
  package static func format(_ instant: Instant, in zone: TimeZoneRules) -> String {
    format(instant, offset: zone.isUTC ? nil : zone.offset(at: instant))
  }

  /// `2026-11-22T15:41:00`.
  package static func format(_ time: CivilDateTime) -> String {
    var text = TextBuffer()
    text.append(time)
    return text.string
  }

  /// `2026-11-22`.
  package static func format(_ date: CivilDate) -> String {
    var text = TextBuffer()
    text.append(date)
    return text.string
  }

  /// `+01:00`, `-03:30`, `+00:19:32`.
  package static func format(offset: Int) -> String {
    var text = TextBuffer()
    text.append(offset: offset)
    return text.string
  }
}

/// Bytes of a text under construction: digits without `String` interpolation, which costs microseconds per time.
struct TextBuffer {
  private var bytes: [UInt8] = []

  init() { bytes.reserveCapacity(40) }

  var string: String { String(decoding: bytes, as: UTF8.self) }

  mutating func append(_ text: StaticString) {
    // Safe: a static string's bytes live as long as the program, and only `utf8CodeUnitCount` of them are read.
    text.withUTF8Buffer { unsafe bytes.append(contentsOf: $0) }
  }

  /// `value` with at least `width` digits.
  mutating func append(_ value: Int, width: Int) {
    var scale = 1
    for _ in 1..<width { scale *= 10 }
    while value / scale >= 10 { scale *= 10 }
    while scale > 0 {
      bytes.append(UInt8(48 + value / scale % 10))
      scale /= 10
    }
  }

  mutating func append(_ date: CivilDate) {
    if date.year < 0 { append("-") }
    append(Int(date.year.magnitude), width: 4)
    append("-")
    append(date.month, width: 2)
    append("-")
    append(date.day, width: 2)
  }

  mutating func append(_ time: CivilDateTime) {
    append(time.date)
    append("T")
    append(time.hour, width: 2)
    append(":")
    append(time.minute, width: 2)
    append(":")
    append(time.second, width: 2)
    guard time.nanosecond != 0 else { return }
    append(".")
    if time.nanosecond % 1_000_000 == 0 {
      append(time.nanosecond / 1_000_000, width: 3)
    } else if time.nanosecond % 1000 == 0 {
      append(time.nanosecond / 1000, width: 6)
    } else {
      append(time.nanosecond, width: 9)
    }
  }

  mutating func append(offset: Int) {
    append(offset < 0 ? "-" : "+")
    let size = Int(offset.magnitude)
    append(size / 3600, width: 2)
    append(":")
    append(size / 60 % 60, width: 2)
    guard size % 60 != 0 else { return }
    append(":")
    append(size % 60, width: 2)
  }
}
