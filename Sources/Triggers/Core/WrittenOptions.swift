internal import Chronology

/// The options that every constructor takes, written as Lua.
enum WrittenOptions {
  /// `start_date` and `end_date`; dates alone where `zone` has midnight, UTC without a zone.
  static func bounds(from: Instant?, until: Instant?, zone: TimeZoneRules?) -> [(key: String, literal: String)] {
    var options: [(key: String, literal: String)] = []
    if let from { options.append(("start_date", LuaText.quote(time(from, zone)))) }
    if let until {
      // A date alone includes its whole day: the instant after it is a midnight.
      let end = time(until.advanced(byNanoseconds: 1), zone)
      let isDay = zone != nil && end.utf8.count == 10
      options.append(("end_date", LuaText.quote(isDay ? day(of: until, zone) : time(until, zone))))
    }
    return options
  }

  /// A date where `zone` has midnight, else the time with its offset.
  private static func time(_ instant: Instant, _ zone: TimeZoneRules?) -> String {
    guard let zone else { return instant.description }
    let civil = zone.civilTime(at: instant)
    let isMidnight = civil.secondOfDay == 0 && civil.nanosecond == 0 && zone.instant(of: civil) == instant
    return isMidnight ? civil.date.description : ISO8601.format(instant, in: zone)
  }

  private static func day(of instant: Instant, _ zone: TimeZoneRules?) -> String {
    (zone ?? .utc).civilTime(at: instant).date.description
  }

  /// `timezone` and `dst`.
  static func clock(
    zone: TimeZoneRules, hasOwnZone: Bool, dst: DSTPolicy, _ form: LuaForm
  ) -> [(key: String, literal: String)] {
    var options: [(key: String, literal: String)] = []
    if hasOwnZone || form == .complete { options.append(("timezone", LuaText.quote(zone.name))) }
    var policy: [(key: String, literal: String)] = []
    if let gap = dst.gap { policy.append(("gap", LuaText.quote(gap.rawValue))) }
    if let overlap = dst.overlap { policy.append(("overlap", LuaText.quote(overlap.rawValue))) }
    if !policy.isEmpty { options.append(("dst", LuaText.table(policy))) }
    return options
  }

  /// `name { trigger, trigger, key = literal }`.
  static func combination(
    _ name: String, _ members: [AnyTrigger], _ form: LuaForm, options: [(key: String, literal: String)] = []
  ) -> String {
    let parts = members.map { $0.kind.lua(form) } + options.map { "\($0.key) = \($0.literal)" }
    return "\(name) { \(parts.joined(separator: ", ")) }"
  }
}
