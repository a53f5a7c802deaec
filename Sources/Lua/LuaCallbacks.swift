internal import CLuaShim

// The functions that C calls. Each returns a code and never lets a jump pass over it: whatever raises or yields is done
// by C after it has returned.

/// The callbacks of every runtime.
nonisolated let luaCallbacks = unsafe moon_callbacks(
  call: luaCall, refuse: luaRefuse, resume: luaResume, require: luaRequire, local_time: luaLocalTime,
  declares: luaDeclares, stuck: luaStuck)

private func luaCall(_ owner: UnsafeMutableRawPointer?, _ L: OpaquePointer, _ number: Int32) -> Int32 {
  let instance = unsafe LuaInstance.from(owner)
  var call = unsafe LuaCall(L, instance, function: number)
  let answer = instance.runtime.functions[Int(number)].body(&call)
  return call.conclude(answer)
}

private func luaRefuse(_ owner: UnsafeMutableRawPointer?, _ L: OpaquePointer, _ number: Int32) -> Int32 {
  let instance = unsafe LuaInstance.from(owner)
  var call = unsafe LuaCall(L, instance)
  let function = instance.runtime.functions[Int(number)]
  let text =
    function.function.availability == .run
    ? "\(function.path) is not available while a script is loading: call it inside run, when the job runs"
    : "\(function.path) is only available while a script is loading: call it at the top level of a script, not in a run"
  return call.conclude(.raise(text))
}

private func luaResume(_ owner: UnsafeMutableRawPointer?, _ L: OpaquePointer, _ ticket: UInt32) -> Int32 {
  let instance = unsafe LuaInstance.from(owner)
  var call = unsafe LuaCall(L, instance)
  guard let state = instance as? LuaState else { return call.conclude(.none) }
  let answer = state.suspensions.deliver(LuaTicket(number: ticket), to: &call)
  return call.conclude(answer)
}

private func luaRequire(_ owner: UnsafeMutableRawPointer?, _ L: OpaquePointer) -> Int32 {
  let instance = unsafe LuaInstance.from(owner)
  var call = unsafe LuaCall(L, instance)
  let name = call.string(1) ?? ""
  guard let loader = instance.loader else {
    return call.conclude(.raise("module '\(name)' not found: this state has no modules"))
  }
  let answer = loader(name)
  if let declaration = instance as? LuaDeclaration { declaration.note(name, answer) }
  switch answer {
  case .source(let bytes, let chunkName):
    call.push(bytes)
    call.push("@\(chunkName)")
    return call.conclude(.results(2))
  case .missing(let text):
    return call.conclude(.raise("module '\(name)' not found: \(text)"))
  }
}

private func luaLocalTime(
  _ owner: UnsafeMutableRawPointer?, _ second: Int64, _ isCivil: Bool, _ daylight: Int32
) -> moon_local_time {
  let instance = unsafe LuaInstance.from(owner)
  guard let context = instance.context as? any LuaTimeContext else { return moon_local_time(LuaLocalTime.utc) }
  return moon_local_time(
    isCivil
      ? context.localTime(atCivil: second, daylight: daylight < 0 ? nil : daylight > 0) : context.localTime(at: second))
}

private func luaDeclares(
  _ owner: UnsafeMutableRawPointer?, _ name: UnsafePointer<CChar>, _ size: Int
) -> Bool {
  guard let declares = unsafe LuaInstance.from(owner).declares else { return false }
  // The name is a string of the state, which stays where it is during this call.
  return declares(unsafe String(decoding: UnsafeRawBufferPointer(start: name, count: size), as: UTF8.self))
}

private func luaStuck(_ owner: UnsafeMutableRawPointer?) {
  // The monitor holds the lock that the step needs to end, so the state is alive.
  guard let state = unsafe LuaInstance.from(owner) as? LuaState else { return }
  state.runtime.onStuck?(state)
}
