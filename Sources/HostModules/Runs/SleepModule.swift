internal import Chronology
internal import Lua
internal import ScriptRuntime

/// `sleep(duration)`: suspends the run; the worker is free meanwhile.
enum SleepModule {
  static func module() -> LuaModule { LuaModule("", functions: [sleep]) }

  private static let sleep = LuaFunction.host("sleep", as: "sleep") { call, arguments throws(Misuse) in
    let duration = try arguments.duration(call, 1, "a duration")
    let run = try arguments.run(call)
    let now = run.services.monotonic.now
    let until = now.advanced(byNanoseconds: duration).nanoseconds
    if call.canSuspend { return call.suspend(SleepRequest(until: until)) }
    // Inside a comparator or a gsub callback Lua cannot yield; a stop of the run ends this wait as well.
    _ = call.block(until: until)
    return .none
  }
}
