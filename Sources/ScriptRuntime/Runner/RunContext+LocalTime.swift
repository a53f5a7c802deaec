internal import JobModel
internal import Chronology
package import Lua

extension RunContext: LuaTimeContext {
  package func localTime(at second: Int64) -> LuaLocalTime { zone.localTime(at: second) }

  package func localTime(atCivil second: Int64, daylight: Bool?) -> LuaLocalTime {
    zone.localTime(atCivil: second, daylight: daylight)
  }

  /// The job's zone. It was found when the job was loaded; should its file be gone since, UTC.
  private var zone: TimeZoneRules { (try? services.zones.zone(named: definition.timeZone)) ?? .utc }
}
