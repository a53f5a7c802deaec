internal import CLuaShim

/// What local time is at some second: what `os.date` and `os.time` ask for.
package struct LuaLocalTime: Sendable, Equatable {
  /// Seconds east of UTC.
  package let offset: Int
  package let isDaylight: Bool
  /// What `%Z` shows, at most 15 bytes.
  package let name: String

  package init(offset: Int, isDaylight: Bool, name: String) {
    self.offset = offset
    self.isDaylight = isDaylight
    self.name = name
  }

  package static let utc = LuaLocalTime(offset: 0, isDaylight: false, name: "UTC")
}

/// A `LuaCall.context` that knows in which time zone the code of its state lives. A state with another context, or
/// none, lives in UTC.
package protocol LuaTimeContext: AnyObject {
  /// Local time at a second since 1970, UTC. Any value of `second` is allowed.
  func localTime(at second: Int64) -> LuaLocalTime
  /// Local time where the clock on the wall shows `second`, counted as if it were UTC. `daylight` says which one is
  /// meant, where it is given. Any value of `second` is allowed.
  func localTime(atCivil second: Int64, daylight: Bool?) -> LuaLocalTime
}

extension moon_local_time {
  init(_ local: LuaLocalTime) {
    self.init()
    offset = Int32(clamping: local.offset)
    daylight = local.isDaylight ? 1 : 0
    unsafe withUnsafeMutableBytes(of: &name) { bytes in
      unsafe bytes.copyBytes(from: local.name.utf8.prefix(bytes.count - 1))
    }
  }
}
