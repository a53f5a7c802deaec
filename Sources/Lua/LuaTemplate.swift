internal import CLuaShim

/// Builds the template state: sandbox, host functions, constants, preludes, in the order of the modules.
enum LuaTemplate {
  static func build(_ modules: [LuaModule], for runtime: LuaRuntime) throws(LuaError) {
    guard let state = unsafe moon_template_new(runtime.handle) else {
      throw LuaError(.host, "cannot build the template of Lua states: out of memory")
    }
    // Host functions that preludes call see an instance without context. The C side frees the state when it seals it.
    let instance = unsafe LuaInstance(runtime: runtime, state: state, loader: nil, ownsState: false)
    var sealed = false
    defer { if !sealed { unsafe moon_state_free(state) } }
    var number: Int32 = 0
    // The functions of all modules come first, so that a prelude can use every module, whatever the order.
    for module in modules {
      for function in module.functions {
        let code: moon_function? = if case .c(let code) = function.code { unsafe code } else { nil }
        try check(
          unsafe moon_template_function(
            state, module.name, function.name, number, function.availability.rawValue, code), instance)
        number += 1
      }
    }
    for module in modules {
      for (name, value) in module.constants {
        let flat = instance.flat([value])
        try check(unsafe moon_push_values(instance.lua, flat, flat.count, nil), instance)
        try check(unsafe moon_template_constant(state, module.name, name), instance)
      }
    }
    for module in modules {
      guard let prelude = module.prelude else { continue }
      try check(
        unsafe moon_template_prelude(
          state, module.name, prelude, prelude.utf8.count, "=[\(module.name.isEmpty ? "host" : module.name)]"), instance
      )
    }
    let status = unsafe moon_template_seal(state)
    if status == MOON_ERROR { throw unsafe instance.popError(from: instance.lua, .host) }
    sealed = true
    if status != MOON_OK {
      throw LuaError(.host, "the host's Lua modules do not fit a state's slot of 64 KB: shorten their preludes")
    }
    withExtendedLifetime(instance) {}
  }

  private static func check(_ status: moon_status, _ instance: LuaInstance) throws(LuaError) {
    switch status {
    case MOON_OK: return
    case MOON_ERROR: throw unsafe instance.popError(from: instance.lua, .host)
    default: throw instance.abandoned()
    }
  }
}
