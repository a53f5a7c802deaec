internal import CLuaShim

/// The Lua side of a host: one sandboxed template state with the host's modules in it, and the memory for its copies.
///
///     let runtime = try LuaRuntime(modules: [LuaModule("log", functions: [info])])
///     let worker = runtime.makeWorker()                       // on the thread that will step
///     let source = "return { run = function() log.info('hello') end }"
///     let state = try runtime.makeState(source: source, chunkName: "a.lua")
///     try state.start(entry: "run", context: nil)
///     worker.step(state)                                      // .finished
///
/// A runtime is safe to share. Every state and declaration retains it.
// Sendable: `handle` is set before `init` ends, and the C side has its own locks.
@safe package final class LuaRuntime: @unchecked Sendable {
  package let configuration: LuaConfiguration
  let onStuck: (@Sendable (LuaState) -> Void)?
  /// All host functions by number.
  let functions: ContiguousArray<Registered>
  let handle: OpaquePointer

  /// A host function and the name that scripts call it by, for messages.
  struct Registered: Sendable {
    let function: LuaFunction
    let path: String
    let body: @Sendable (inout LuaCall) -> LuaReturn
  }

  /// The linked liblua, as "Lua 5.4.4".
  package static var luaVersion: String {
    // Two words of a sentence that goes on with the copyright.
    unsafe String(cString: moon_lua_release()).split(separator: " ").prefix(2).joined(separator: " ")
  }

  /// Whether `require` of that name answers a library that every state has.
  package static func isStockLibrary(_ name: String) -> Bool {
    ["_G", "coroutine", "debug", "io", "math", "os", "package", "string", "table", "utf8"].contains(name)
  }

  /// Whether a run can be torn out of a long C call with this processor and this liblua. Without it such a run is
  /// reported as stuck.
  package var hasBackstop: Bool { moon_has_backstop() }

  /// Bytes of the image that a fresh state is copied from: of a job's, or of a declaring one, which has all globals
  /// from the start.
  package func imageBytes(declaring: Bool = false) -> Int { unsafe Int(moon_template_size(handle, declaring)) }
  /// How many words of that image are moved when it is copied to another slot.
  package func imagePointers(declaring: Bool = false) -> Int { unsafe Int(moon_template_pointers(handle, declaring)) }

  /// Reserves the address space, builds the template and runs the preludes.
  ///
  /// - Parameter onStuck: called on the monitor thread, once for each run that cannot be stopped; the pool should add a
  ///   worker. It must not wait for anything.
  /// - Throws: when there is no address space, or a module or prelude is wrong.
  package init(
    _ configuration: LuaConfiguration = .init(), modules: [LuaModule] = [],
    onStuck: (@Sendable (LuaState) -> Void)? = nil
  ) throws(LuaError) {
    self.configuration = configuration
    self.onStuck = onStuck
    var options = moon_options()
    options.callbacks = luaCallbacks
    options.region_size = configuration.regionSize
    options.slice = configuration.slice
    options.grace = configuration.grace
    options.stuck_after = configuration.stuckAfter
    options.host_patience = configuration.hostPatience
    options.source_limit = configuration.sourceLimit
    options.all_libraries = configuration.hasAllLibraries
    options.fail_allocation = UInt64(configuration.failingTemplateAllocation)
    guard let handle = unsafe moon_runtime_new(&options) else {
      throw LuaError(
        .host,
        "cannot reserve \(configuration.regionSize) bytes of address space for Lua states: "
          + "lower regionSize, or allow overcommit (vm.overcommit_memory)")
    }
    unsafe self.handle = handle
    var functions: ContiguousArray<Registered> = []
    for module in modules + [LuaSuspensions.module] {
      for function in module.functions {
        let path = module.name.isEmpty || module.name.hasPrefix("@") ? function.name : "\(module.name).\(function.name)"
        switch function.code {
        case .swift(let body): functions.append(Registered(function: function, path: path, body: body))
        case .c: functions.append(Registered(function: function, path: path, body: { _ in .none }))
        }
      }
    }
    self.functions = functions
    try LuaTemplate.build(modules + [LuaSuspensions.module], for: self)
  }

  deinit { unsafe moon_runtime_free(handle) }  // every state retains the runtime, so none is left

  /// Tells that somebody waits for a worker, so that slices preempt; or that nobody does. Any thread; cheap.
  package func setOthersWaiting(_ waiting: Bool) { unsafe moon_runtime_set_others_waiting(handle, waiting) }

  /// Gives memory back to the system that states have used and no state uses: after a load, up to 16 MB. Any thread;
  /// some 100 us.
  package func releaseSpareMemory() { unsafe moon_runtime_cool(handle) }

  /// Makes the calling thread a worker.
  package func makeWorker() -> LuaWorker { LuaWorker() }
}
