internal import Chronology
internal import JobModel
package import Lua

extension TimeZoneRules {
  private static let halfYear: Int64 = 182 * 86_400

  /// Local time at a second since 1970, UTC. The rules do not say what is daylight saving time: it is what is ahead of
  /// the offset of half a year before or after.
  package func localTime(at second: Int64) -> LuaLocalTime {
    let offset = shift(at: second)
    let winter = min(shift(at: second &- Self.halfYear), shift(at: second &+ Self.halfYear))
    return LuaLocalTime(offset: offset, isDaylight: offset > winter, name: Self.name(of: offset))
  }

  /// Local time where the clock on the wall shows `second`: the first of the two where it is put back, and what held
  /// before where it is put forward. What is asked for as `daylight` is taken by the offset of half a year before or
  /// after where it does not hold, as `mktime` does.
  package func localTime(atCivil second: Int64, daylight: Bool?) -> LuaLocalTime {
    let before = shift(at: second &- 86_400)
    let after = shift(at: second &+ 86_400)
    var chosen = before
    if shift(at: second &- Int64(before)) != before, shift(at: second &- Int64(after)) == after {
      chosen = after
    }
    guard let daylight else { return localTime(at: second &- Int64(chosen)) }
    let offsets = [
      chosen, after, shift(at: second &- Self.halfYear), shift(at: second &+ Self.halfYear),
    ]
    let (least, most) = (offsets.min() ?? chosen, offsets.max() ?? chosen)
    if least != most { chosen = daylight ? most : least }
    return LuaLocalTime(offset: chosen, isDaylight: daylight, name: Self.name(of: chosen))
  }

  private func shift(at second: Int64) -> Int {
    stretch(at: min(max(Int(second), TimeZoneRules.startOfTime), TimeZoneRules.endOfTime - 1)).offset
  }

  /// `UTC`, `+02` or `-0330`.
  private static func name(of offset: Int) -> String {
    if offset == 0 { return "UTC" }
    let minutes = abs(offset) / 60
    let (hours, rest) = (String(minutes / 60), minutes % 60)
    return (offset < 0 ? "-" : "+") + (hours.count < 2 ? "0" : "") + hours
      + (rest == 0 ? "" : rest < 10 ? "0\(rest)" : "\(rest)")
  }
}
