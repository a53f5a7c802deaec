internal import Chronology

extension EnglishText {
  /// Whose clocks a trigger reads, and what is unusual when they change.
  static func clock(_ zone: TimeZoneRules, _ dst: DSTPolicy) -> String {
    var text = zone.name == "UTC" ? ", UTC" : ", \(zone.name) time"
    var changes: [String] = []
    if let gap = dst.gap {
      changes.append(gap == .shift ? "skipped times run after the gap" : "skipped times do not run")
    }
    switch dst.overlap {
    case .first?: changes.append("repeated times run the first time")
    case .last?: changes.append("repeated times run the last time")
    case .both?: changes.append("repeated times run each time")
    case nil: break
    }
    if !changes.isEmpty { text += " (\(changes.joined(separator: ", ")))" }
    return text
  }

  /// The first and the last instant, as a sentence goes on after the rule.
  static func bounds(from: Instant?, until: Instant?, zone: TimeZoneRules) -> String {
    var text = ""
    if let from { text += ", from \(ISO8601.format(from, in: zone))" }
    if let until {
      // The last instant of a day is how a date alone is kept.
      let next = zone.civilTime(at: until.advanced(byNanoseconds: 1))
      if next.secondOfDay == 0 && next.nanosecond == 0 {
        text += ", until the end of \(zone.civilTime(at: until).date)"
      } else if next.nanosecond == 0 {
        // It was a date of another zone.
        text += ", before \(ISO8601.format(until.advanced(byNanoseconds: 1), in: zone))"
      } else {
        text += ", until \(ISO8601.format(until, in: zone))"
      }
    }
    return text
  }
}
