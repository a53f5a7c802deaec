package import Chronology

/// How times and spans are shown to people: as exact as somebody can use. Machines get them in full.
package enum TimeFormat {
  /// To the second; to the millisecond when there is a fraction.
  package static func time(_ instant: Instant, in zone: TimeZoneRules) -> String {
    ISO8601.format(instant.advanced(byNanoseconds: -(instant.subsecondNanoseconds % 1_000_000)), in: zone)
  }

  /// Always three digits after the second, so that the columns of a log stand under one another.
  package static func logTime(_ instant: Instant, in zone: TimeZoneRules) -> String {
    let text = time(instant, in: zone)
    // "2026-01-01T00:00:00" is 19 characters; a fraction, if there is one, ends before the offset.
    let seconds = text.prefix(19), rest = text.dropFirst(19)
    guard rest.first == "." else { return seconds + ".000" + rest }
    let digits = rest.dropFirst().prefix { $0.isNumber }
    return seconds + "." + digits + String(repeating: "0", count: max(0, 3 - digits.count))
      + rest.dropFirst(1 + digits.count)
  }

  /// Three digits or so: `71 µs`, `436 ms`, `12.3 s`, `5m12s`, `22h28m`.
  package static func span(_ nanoseconds: Int64) -> String {
    switch nanoseconds {
    case ..<1_000_000: "\(max(0, nanoseconds) / 1_000) µs"
    case ..<10_000_000: "\(tenths(nanoseconds, per: 1_000_000)) ms"
    case ..<1_000_000_000: "\(nanoseconds / 1_000_000) ms"
    case ..<60_000_000_000: "\(tenths(nanoseconds, per: 1_000_000_000)) s"
    default: twoUnits(seconds: nanoseconds / 1_000_000_000)
    }
  }

  private static func twoUnits(seconds: Int64) -> String {
    let units: [(name: String, seconds: Int64)] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)]
    let first = units.firstIndex { seconds >= $0.seconds } ?? 3
    let text = "\(seconds / units[first].seconds)\(units[first].name)"
    guard first < 3 else { return text }
    let rest = seconds % units[first].seconds / units[first + 1].seconds
    return rest == 0 ? text : text + "\(rest)\(units[first + 1].name)"
  }

  private static func tenths(_ nanoseconds: Int64, per unit: Int64) -> String {
    "\(nanoseconds / unit).\(nanoseconds % unit * 10 / unit)"
  }
}
