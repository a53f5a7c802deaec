internal import CLuaShim

/// Finds the source of a script's module.
package typealias LuaModuleLoader = @Sendable (String) -> LuaModuleSource

/// What a loader found.
package enum LuaModuleSource: Sendable {
  /// The module's text, and the name that errors show: `lib/net/retry.lua`.
  case source([UInt8], chunkName: String)
  /// Nothing; the text says where it was looked for.
  case missing(String)
}

/// A module that a script required. For the reload graph: names that were not found count too.
package struct LuaRequiredModule: Sendable, Equatable {
  package let name: String
  /// Nil: it was not found.
  package let chunkName: String?

  package init(name: String, chunkName: String?) {
    self.name = name
    self.chunkName = chunkName
  }
}

/// A state in which a script's top level runs: it declares, and its functions are captured from there.
///
///     let declaration = try runtime.makeDeclaration(context: collector, loader: loader)
///     try declaration.evaluate(source, chunkName: "scripts/backup.lua")
///
/// One thread at a time. Host functions that wait, and clocks, are not available in it; `math.random` is seeded by the
/// chunk's text, so that equal text declares equal jobs.
package final class LuaDeclaration: LuaInstance, @unchecked Sendable {
  /// Nanoseconds that evaluating may take. Changed between two evaluations.
  package var timeout: Int64
  /// What was required, in the order of first requests.
  package private(set) var requiredModules: [LuaRequiredModule] = []

  private var isPrepared = false

  init(
    runtime: LuaRuntime, state: OpaquePointer, timeout: Int64, context: AnyObject?, loader: LuaModuleLoader?
  ) {
    self.timeout = timeout
    unsafe super.init(runtime: runtime, state: state, loader: loader)
    self.context = context
  }

  /// Compiles and runs a chunk; its results, functions as references.
  ///
  /// - Throws: the script's error, with position and traceback; or that it took too long or too much memory.
  package func evaluate(_ source: [UInt8], chunkName: String) throws(LuaError) -> [LuaValue] {
    if source.count > runtime.configuration.sourceLimit {
      throw LuaError(
        .syntax, "\(chunkName): the source has \(source.count) bytes; the limit is \(runtime.configuration.sourceLimit)"
      )
    }
    try prepareCapture()
    seed(source)
    return try run(source, name: "@\(chunkName)")
  }

  package func evaluate(_ source: String, chunkName: String) throws(LuaError) -> [LuaValue] {
    try evaluate(Array(source.utf8), chunkName: chunkName)
  }

  /// Compiles a chunk and does not run it: for a module that only runs will ask for.
  ///
  /// - Throws: the syntax error; or that it took too long or too much memory.
  package func check(_ source: [UInt8], chunkName: String) throws(LuaError) {
    if source.count > runtime.configuration.sourceLimit {
      throw LuaError(
        .syntax, "\(chunkName): the source has \(source.count) bytes; the limit is \(runtime.configuration.sourceLimit)"
      )
    }
    let status = unsafe source.withUnsafeBytes { bytes in
      unsafe moon_state_compile(
        state, bytes.baseAddress.map { unsafe $0.assumingMemoryBound(to: CChar.self) } ?? UnsafePointer(state),
        bytes.count, "@\(chunkName)")
    }
    guard status == MOON_OK else { throw abandoned() }
    _ = try finish()
  }

  /// What the chunks evaluated so far do with globals: all that they assign, and those that the script reads although
  /// nobody has set them yet. Empty when the bytecode of this Lua is not understood. O(size of the chunks).
  package func globalUses() -> [LuaGlobalUse] {
    var flat = unsafe moon_flat()
    defer { unsafe moon_flat_free(&flat) }
    switch unsafe moon_state_globals(state, &flat) {
    case MOON_OK: break
    case MOON_ERROR:
      unsafe moon_pop(lua, 1)
      return []
    default: return []
    }
    let bytes = unsafe UnsafeRawBufferPointer(start: flat.bytes, count: flat.size)
    return unsafe LuaGlobalUse.read(bytes)  // `flat` lives until the end of this function
  }

  /// The value of an expression.
  ///
  ///     try declaration.evaluate(expression: "cron '0 9 * * *'")
  package func evaluate(expression: String, chunkName: String = "expression") throws(LuaError) -> LuaValue {
    try run(Array("return \(expression)".utf8), name: "=\(chunkName)").first ?? .nil
  }

  /// Calls a function that the script gave to the host.
  package func call(_ reference: LuaReference, _ arguments: [LuaValue] = []) throws(LuaError) -> [LuaValue] {
    let flat = flat(arguments)
    switch unsafe moon_state_call_reference(state, reference.slot, flat, flat.count) {
    case MOON_OK: return try finish()
    case MOON_ERROR: throw LuaError(.host, "the function is not there any more: its state was reset")
    default: throw abandoned()
    }
  }

  /// Ends the evaluation that goes on, and every one until the next `reset`, which throws `cancelled`. Any thread.
  package func cancel() { unsafe moon_state_cancel(state) }

  /// Back to the pristine template, in less than a microsecond. References become invalid.
  package func reset() {
    forgetObjects()
    requiredModules.removeAll()
    isPrepared = false
    unsafe moon_state_reset(state)
  }

  /// Notes what the host had before the script, so that a capture can tell the script's own globals. Only scripts pay
  /// for it: expressions are never captured.
  private func prepareCapture() throws(LuaError) {
    guard !isPrepared else { return }
    isPrepared = true
    switch unsafe moon_state_prepare_capture(state) {
    case MOON_OK: return
    case MOON_ERROR: throw unsafe popError(from: lua, .host)
    default: throw abandoned()
    }
  }

  func note(_ name: String, _ answer: LuaModuleSource) {
    let chunkName: String? = if case .source(_, let chunkName) = answer { chunkName } else { nil }
    requiredModules.append(LuaRequiredModule(name: name, chunkName: chunkName))
  }

  /// FNV-1a over the text, drawn out to the four words of the generator.
  private func seed(_ source: [UInt8]) {
    var hash: UInt64 = 0xcbf2_9ce4_8422_2325
    for byte in source { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
    var words: [UInt64] = []
    for i in 1...4 as ClosedRange<UInt64> { words.append((hash &+ i &* 0x9e37_79b9_7f4a_7c15) | 1) }
    unsafe moon_state_seed(state, words)
  }

  private func run(_ source: [UInt8], name: String) throws(LuaError) -> [LuaValue] {
    unsafe moon_state_mark_peak(state)
    let status = unsafe source.withUnsafeBytes { bytes in
      // An empty array has no address; the size is 0 then and nothing is read.
      unsafe moon_state_load(
        state, bytes.baseAddress.map { unsafe $0.assumingMemoryBound(to: CChar.self) } ?? UnsafePointer(state),
        bytes.count, name)
    }
    guard status == MOON_OK else { throw abandoned() }
    return try finish()
  }

  /// Steps to the end within the budget.
  private func finish() throws(LuaError) -> [LuaValue] {
    let deadline = moon_now() + timeout
    while true {
      switch unsafe moon_step(state, deadline) {
      case MOON_FINISHED:
        var thread = unsafe lua
        let count = unsafe moon_state_results(state, &thread)
        var values: [LuaValue] = []
        for index in stride(from: 1, through: count, by: 1) {
          values.append(try unsafe read(thread, index, LuaLimits(), root: "result"))
        }
        return values
      case MOON_FAILED: throw failure()
      case MOON_SLICED: continue
      default: throw stopError()
      }
    }
  }

  private func stopError() -> LuaError {
    let stop = stop()
    let place = stop.location.map { "\($0): " } ?? ""
    switch stop.reason {
    case .deadline:
      return LuaError(.deadline, "\(place)the script was still loading after \(timeout / 1_000_000) ms")
    case .cancelled: return LuaError(.cancelled, "\(place)loading was cancelled")
    case .outOfMemory:
      return LuaError(
        .memory, "\(place)the script uses more than \(unsafe moon_state_limit(state)) bytes while it is loading")
    }
  }
}

extension LuaRuntime {
  /// A state to load a script in. Limits not given are those of the configuration.
  package func makeDeclaration(
    memoryLimit: Int? = nil, timeout: Int64? = nil, context: AnyObject? = nil, loader: LuaModuleLoader? = nil
  ) throws(LuaError) -> LuaDeclaration {
    guard let state = unsafe moon_state_new(handle, nil, memoryLimit ?? configuration.declareMemoryLimit, true) else {
      throw LuaError(
        .memory, "no room for another Lua state: \(configuration.regionSize) bytes of address space are in use")
    }
    return unsafe LuaDeclaration(
      runtime: self, state: state, timeout: timeout ?? configuration.declareTimeout, context: context, loader: loader)
  }
}
