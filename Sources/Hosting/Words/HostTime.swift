package import Chronology

/// An instant as the host shows it to machines: ISO 8601, exact, with the offset of the host's zone.
package struct HostTime: Sendable, Hashable, Comparable, Codable, CustomStringConvertible {
  package let instant: Instant
  /// `2026-03-29T09:00:00+02:00`
  package let text: String

  package init(_ instant: Instant, in zone: TimeZoneRules) {
    self.instant = instant
    text = ISO8601.format(instant, in: zone)
  }

  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    text = try container.decode(String.self)
    do { instant = try ISO8601.parse(text).instant(in: .utc) } catch {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "\(text) is no ISO 8601 time: \(error)")
    }
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }

  package static func < (a: HostTime, b: HostTime) -> Bool { a.instant < b.instant }
  package var description: String { text }
}
