internal import ScriptRuntime
package import Lua

extension DeclareSession: LuaTimeContext {
  package func localTime(at second: Int64) -> LuaLocalTime { zone.localTime(at: second) }

  package func localTime(atCivil second: Int64, daylight: Bool?) -> LuaLocalTime {
    zone.localTime(atCivil: second, daylight: daylight)
  }
}
