internal import Chronology

/// What the sun and the moon have in common: units, and how an event becomes a fire time.
enum Sky {
  /// Nanoseconds from the epoch to 2000-01-01T12:00:00Z, from which astronomers count days.
  static let j2000 = 946_728_000
  static let secondsPerDay = 86_400.0

  @inline(__always)
  static func radians(_ degrees: Double) -> Double { degrees * (Double.pi / 180) }

  @inline(__always)
  static func degrees(_ radians: Double) -> Double { radians * (180 / Double.pi) }

  /// An event's second (since the epoch) and an offset in nanoseconds as an instant; `nil` where instants end.
  static func fire(at second: Int, offset: Int64, after instant: Instant) -> Instant? {
    let (nanoseconds, overflow) = Int64(second).multipliedReportingOverflow(by: 1_000_000_000)
    let (sum, overflowed) = nanoseconds.addingReportingOverflow(offset)
    guard !overflow, !overflowed, sum > instant.nanoseconds else { return nil }
    return Instant(nanoseconds: sum)
  }
}

extension Sky {
  /// The longest offset: one that is longer belongs to another event.
  private static let longestOffset: Int64 = 31 * 86_400_000_000_000

  /// `offset`, in nanoseconds.
  static func takeOffset(_ options: inout TriggerOptions) throws(TriggerError) -> Int64 {
    guard let value = options.take("offset") else { return 0 }
    let offset: Int64
    do {
      offset = try Arguments.duration(value)
    } catch {
      throw error.prefixed("offset")
    }
    guard offset.magnitude <= longestOffset.magnitude else {
      throw TriggerError("an offset is at most 31d, before or after, not \(DurationText.format(nanoseconds: offset))")
    }
    return offset
  }
}

extension EnglishText {
  /// `At noon`, `30 minutes before noon`, `1 day after noon`.
  static func offset(_ nanoseconds: Int64, from event: String) -> String {
    guard nanoseconds != 0 else { return "At \(event)" }
    let text = duration(nanoseconds: Int64(nanoseconds.magnitude))
    let counted = text.first?.isNumber == true ? text : "1 \(text)"
    return "\(counted) \(nanoseconds < 0 ? "before" : "after") \(event)"
  }
}
