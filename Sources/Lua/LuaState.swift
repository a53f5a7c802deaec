internal import CLuaShim

/// The Lua state of a job: entries to call, kept between runs or reset after each.
///
///     try state.start(entry: "run", context: run)
///     switch worker.step(state, deadline: deadline) {
///     case .suspended(let new): for s in new { start(s.request, completing: s.ticket, of: state) }
///     case .finished: try state.result()
///     …
///     }
///
/// One thread uses a state at a time; it may be another one at each step, with a happens-before between them (a queue).
/// `cancel` and `complete` may be called by any thread at any time.
package final class LuaState: LuaInstance, @unchecked Sendable {
  let suspensions = LuaSuspensions()
  private(set) var origin: any LuaOrigin
  /// Between `start` and the end of the run.
  private var isRunning = false

  init(runtime: LuaRuntime, state: OpaquePointer, origin: any LuaOrigin, loader: LuaModuleLoader?) throws(LuaError) {
    self.origin = origin
    unsafe super.init(runtime: runtime, state: state, loader: loader)
    try origin.build(self)
  }

  deinit { suspensions.forgetAll() }

  /// What the state was made of, if that is a capsule.
  package var capsule: LuaCapsule? { origin as? LuaCapsule }

  /// Whether there is a function under that name.
  package func hasEntry(_ name: String) -> Bool {
    var name = name
    return name.withUTF8 { bytes in
      unsafe bytes.withMemoryRebound(to: CChar.self) {
        unsafe moon_state_has_entry(state, $0.baseAddress!, $0.count) == 1
      }
    }
  }

  /// Makes the run ready: the next step calls the entry.
  ///
  /// - Parameters:
  ///   - context: what host functions see as `LuaCall.context`; retained until the next start or reset.
  ///   - extra: further arguments after the first one.
  /// - Throws: when there is no such entry, or the arguments do not fit the memory limit.
  package func start(
    entry: String, context: AnyObject?, argument: LuaArgument = .context, extra: [LuaValue] = []
  ) throws(LuaError) {
    precondition(!isRunning, "a run is already going on in this state")
    self.context = context
    var kind = Int32(MOON_ARGUMENT_VALUES)
    var flat: [UInt8] = []
    switch argument {
    case .context:
      kind = Int32(MOON_ARGUMENT_CONTEXT)
      flat = self.flat(extra)
    case .value(let value): flat = self.flat([value] + extra)
    case .none: flat = self.flat(extra)
    }
    unsafe moon_state_clear_cancel(state)
    unsafe moon_state_mark_peak(state)
    var entry = entry
    let status = entry.withUTF8 { bytes in
      unsafe bytes.withMemoryRebound(to: CChar.self) {
        unsafe moon_state_start(state, $0.baseAddress!, $0.count, kind, flat, flat.count)
      }
    }
    switch status {
    case MOON_OK: isRunning = true
    case MOON_ERROR: throw LuaError(.host, "there is no function \"\(entry)\"")
    default: throw abandoned()
    }
  }

  /// The first result of the run that finished. Valid until the next start or reset. Functions in it are an error.
  package func result(limits: LuaLimits = .init(functions: false)) throws(LuaError) -> LuaValue {
    var thread = unsafe lua
    guard unsafe moon_state_results(state, &thread) > 0 else { return .nil }
    return try unsafe read(thread, 1, limits, root: "result")
  }

  /// The second result of the run that finished, where the first one is nil and it is not: the reason of a refusal, as
  /// host functions answer it. One that cannot leave the state is told by its type.
  package func refusal() -> LuaValue? {
    var thread = unsafe lua
    guard unsafe moon_state_results(state, &thread) > 1, unsafe moon_type(thread, 1) == 0,
      unsafe moon_type(thread, 2) > 0
    else { return nil }
    do {
      return try unsafe read(thread, 2, .init(functions: false), root: "reason")
    } catch {
      return .string(LuaString("run returned nil and a reason that cannot be shown: \(error.message)"))
    }
  }

  /// Ends the run, whatever it does; the step (the one going on or the next) returns `.stopped(cancelled)`. Any thread.
  ///
  /// - Returns: true when the run was suspended: the caller must see to it that it is stepped.
  @discardableResult
  package func cancel() -> Bool {
    unsafe moon_state_cancel(state)
    return suspensions.wake()
  }

  /// Gives a suspended call its results. Any thread. True: the run has become ready; the caller must see to it that it
  /// is stepped. This is told exactly once for each time the run fell asleep.
  package func complete(_ ticket: LuaTicket, with results: [LuaValue]) -> Bool {
    suspensions.complete(ticket, .results(results))
  }

  /// Makes a suspended call raise an error (with the script's position before the message). Otherwise as
  /// `complete(_:with:)`.
  package func complete(_ ticket: LuaTicket, raising message: String) -> Bool {
    suspensions.complete(ticket, .failure(message))
  }

  /// Gives a suspended call its results by a closure that pushes them, on the run's worker, when the run takes them.
  /// What it captures is held until then, or until nobody wants it. Otherwise as `complete(_:with:)`.
  package func complete(
    _ ticket: LuaTicket, building build: @escaping @Sendable (inout LuaCall) -> LuaReturn
  ) -> Bool {
    suspensions.complete(ticket, .build(build))
  }

  /// Makes a call that was suspended by `LuaCall.suspendAndRepeat` begin again. Otherwise as `complete(_:with:)`.
  package func complete(_ ticket: LuaTicket, repeatingWith carried: any AnyObject & Sendable) -> Bool {
    suspensions.complete(ticket, .again(carried))
  }

  /// Bytes that the host holds for the run from now on, outside the state. They count under its limit; a reset sets
  /// them to 0. On the thread that has the state.
  package func setAside(_ bytes: Int) { unsafe moon_state_set_aside(state, bytes) }

  /// Whether a host function that wants to suspend the run raises an error instead. On the thread that has the state.
  package var refusesToWait = false

  /// Whether another run may start: false after a stop.
  package var isReusable: Bool { unsafe moon_state_is_whole(state) }

  /// Back to what the state was when it was made, in the same memory.
  package func reset() throws(LuaError) { try reset(to: origin, memoryLimit: memoryLimit) }

  /// As if the state were made anew from `origin`, in the same memory. After an error the state is garbage: drop it.
  ///
  /// - Parameter memoryLimit: nil for the default of the configuration.
  package func reset(to origin: any LuaOrigin, memoryLimit: Int?) throws(LuaError) {
    self.origin = origin
    unsafe moon_state_set_limit(state, memoryLimit ?? runtime.configuration.memoryLimit)
    endRun()
    context = nil
    forgetObjects()
    unsafe moon_state_reset(state)
    try origin.build(self)
  }

  /// Bytes that the state may use.
  package var memoryLimit: Int { unsafe moon_state_limit(state) }

  /// Collects the garbage of a state that is kept between runs. O(what is alive).
  package func collect() { _ = unsafe moon_state_collect(state) }

  /// Ends the bookkeeping of a run: what it still waits for is abandoned.
  private func endRun() {
    isRunning = false
    suspensions.forgetAll()
  }

  /// One step, on the thread that calls. `LuaWorker.step` is the way in.
  func step(deadline: Int64) -> LuaStep {
    switch unsafe moon_step(state, deadline) {
    case MOON_FINISHED:
      endRun()
      return .finished
    case MOON_FAILED:
      endRun()
      return .failed(failure())
    case MOON_SUSPENDED:
      let (fresh, ready) = suspensions.sleep(on: unsafe moon_state_ticket(state))
      return ready ? .sliced(fresh) : .suspended(fresh)
    case MOON_SLICED:
      return .sliced(suspensions.takeFresh())
    default:
      endRun()
      return .stopped(stop())
    }
  }
}

/// How a state gets its entries, each time it is new.
package protocol LuaOrigin: Sendable {
  /// Builds into a fresh state and registers the roots.
  func build(_ state: LuaState) throws(LuaError)
}

/// A chunk that is run in the state itself and returns the table of entries. For tests and small embeddings; hosts of
/// scripts use capsules, which run a script's top level once, not once per state.
package struct LuaSourceOrigin: LuaOrigin {
  let source: String
  let chunkName: String

  package func build(_ state: LuaState) throws(LuaError) {
    var source = source
    let status = source.withUTF8 { bytes in
      unsafe bytes.withMemoryRebound(to: CChar.self) {
        unsafe moon_state_load(state.state, $0.baseAddress ?? UnsafePointer(state.state), $0.count, "@\(chunkName)")
      }
    }
    guard status == MOON_OK else { throw state.abandoned() }
    while true {
      switch unsafe moon_step(state.state, moon_now() + state.runtime.configuration.declareTimeout) {
      case MOON_FINISHED:
        guard unsafe moon_state_take_roots(state.state) == MOON_OK else {
          throw LuaError(.host, "\(chunkName): the chunk must return a table of functions")
        }
        return
      case MOON_SLICED: continue
      case MOON_FAILED: throw state.failure()
      case MOON_SUSPENDED: throw LuaError(.host, "\(chunkName): the chunk must not suspend")
      default: throw LuaError(.memory, "\(chunkName): stopped while its state was built")
      }
    }
  }
}

extension LuaRuntime {
  /// A state whose entries are the functions in the table that the chunk returns.
  package func makeState(
    source: String, chunkName: String, memoryLimit: Int? = nil, loader: LuaModuleLoader? = nil
  ) throws(LuaError) -> LuaState {
    try makeState(LuaSourceOrigin(source: source, chunkName: chunkName), memoryLimit: memoryLimit, loader: loader)
  }

  /// A state from any origin.
  package func makeState(
    _ origin: any LuaOrigin, memoryLimit: Int? = nil, loader: LuaModuleLoader? = nil
  ) throws(LuaError) -> LuaState {
    let limit = memoryLimit ?? configuration.memoryLimit
    guard let state = unsafe moon_state_new(handle, nil, limit, false) else {
      throw LuaError(
        .memory, "no room for another Lua state: \(configuration.regionSize) bytes of address space are in use")
    }
    return try unsafe LuaState(runtime: self, state: state, origin: origin, loader: loader)
  }
}
