package import Chronology
package import JobModel

/// How far a run says it is (`ctx:progress`).
package struct ProgressInfo: Sendable, Hashable, Codable {
  /// `40 %`, or the text.
  package var text: String
  /// From 0 to 1, where it is one.
  package var fraction: Double?
  package var at: HostTime

  package init(text: String, fraction: Double?, at: HostTime) {
    self.text = text
    self.fraction = fraction
    self.at = at
  }
}

extension ProgressInfo {
  /// As a store keeps it.
  package init(_ line: RunLogLine, in zone: TimeZoneRules) {
    var fraction: Double?
    if case .object(let fields)? = line.fields.flatMap({ JSONValue(parsing: $0.text) }) {
      switch fields["fraction"] {
      case .number(let value)?: fraction = value
      case .integer(let value)?: fraction = Double(value)
      default: break
      }
    }
    self.init(text: line.message, fraction: fraction, at: HostTime(line.at, in: zone))
  }
}
