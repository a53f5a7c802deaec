internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `emit(name, data)` and `wait(name, timeout)`.
enum EventModule {
  static func module() -> LuaModule { LuaModule("", functions: [emit, wait]) }

  /// True when the event is durable; nil and why not otherwise.
  private static let emit = LuaFunction.host("emit", as: "emit") { call, arguments throws(Misuse) in
    let services = try arguments.run(call).services
    let events = services.events
    let name = try toldName(call, arguments, 1)
    let data = try arguments.toldJSON(
      call, 2, "the data", limit: services.quotas().eventBytes, setting: "event_bytes")
    // Held until the last receiver has taken it.
    let room = try arguments.hold(data?.text.utf8.count ?? 0, for: call)
    let event = data.map { EventData($0, holding: room) }
    return call.suspend(
      CallRequest { request in
        events.emit(name, data: event) { refusal in
          room.detach()
          if let refusal { request.complete(refusing: refusal.message) } else { request.complete([true]) }
        }
      })
  }

  /// The next event of that name as `{ name =, data = }`, or nil and "timeout". Events from before the call do not
  /// count.
  private static let wait = LuaFunction.host("wait", as: "wait") { call, arguments throws(Misuse) in
    let run = try arguments.run(call)
    let name = try name(call, arguments)
    let timeout = call.isNil(2) ? nil : try arguments.duration(call, 2, "the timeout")
    let until = timeout.map { run.services.monotonic.now.advanced(byNanoseconds: $0).nanoseconds } ?? .max
    return call.suspend(EventRequest(name, events: run.services.events, until: until))
  }

  /// A name that may be told.
  static func toldName(
    _ call: borrowing LuaCall, _ arguments: Arguments, _ index: Int
  ) throws(Misuse) -> String {
    let name = try name(call, arguments, index)
    guard try arguments.run(call).services.secrets.mask.masked(name) == name else {
      throw arguments.misuse("an event's name is told to everybody, and this one has the value of a secret in it")
    }
    return name
  }

  static func name(
    _ call: borrowing LuaCall, _ arguments: Arguments, _ index: Int = 1
  ) throws(Misuse) -> String {
    try arguments.string(call, index, "an event's name", in: 1...Quotas.eventNameBytes)
  }
}
