package import CLuaShim

/// What `LuaDeclaration` and `LuaState` have in common: ownership of one Lua state, the host objects in it, and its
/// errors.
///
/// One thread at a time uses an instance (with a happens-before between two of them); what may be called from any
/// thread says so.
// Sendable: the state and the fields belong to the thread whose turn it is.
@safe package class LuaInstance: @unchecked Sendable {
  package let runtime: LuaRuntime
  /// Owned: made by `init`, freed by `deinit` or with the template.
  let state: OpaquePointer
  /// What `LuaCall.context` gives to host functions.
  package internal(set) var context: AnyObject?
  /// Answers `require`.
  let loader: LuaModuleLoader?
  /// Whether the script of this state's code assigns the global of that name anywhere: reading it before is then no
  /// mistake. Asked on the way to an error only.
  package var declares: (@Sendable (String) -> Bool)?
  /// Host objects by number. They stay until the state is reset: a script may hold any of them.
  private(set) var objects: [any LuaObject] = []
  /// Bytes of the values that were copied out of the state since it was fresh.
  private(set) var bytesRead = 0
  private var objectNumbers: [ObjectIdentifier: UInt32] = [:]
  private let ownsState: Bool

  /// Takes over a C state.
  init(runtime: LuaRuntime, state: OpaquePointer, loader: LuaModuleLoader?, ownsState: Bool = true) {
    self.runtime = runtime
    unsafe self.state = state
    self.loader = loader
    self.ownsState = ownsState
    unsafe moon_state_set_owner(state, Unmanaged.passUnretained(self).toOpaque())
  }

  deinit {
    // Nobody else refers to the state: steps retain the instance, and the monitor only looks at states in a step.
    if ownsState { unsafe moon_state_free(state) }
  }

  /// The instance that a callback from C speaks of. Its caller is inside a step or a call of that instance, which
  /// retains it.
  static func from(_ owner: UnsafeMutableRawPointer?) -> LuaInstance {
    unsafe Unmanaged<LuaInstance>.fromOpaque(owner!).takeUnretainedValue()
  }

  /// The `lua_State*` of the main thread, for captures.
  package var lua: OpaquePointer { unsafe moon_state_lua(state) }

  /// Bytes in use, as the allocator rounds them.
  package var bytes: Int { unsafe Int(moon_state_used(state)) }
  /// The most bytes in use since the last start (or reset).
  package var peakBytes: Int { unsafe Int(moon_state_peak(state)) }
  /// Bytes of memory that the state holds, its slot included.
  package var footprint: Int { unsafe Int(moon_state_footprint(state)) }

  /// The number of an object in this state.
  func handle(for object: any LuaObject) -> UInt32 {
    let id = ObjectIdentifier(object)
    if let number = objectNumbers[id] { return number }
    let number = UInt32(objects.count)
    objects.append(object)
    objectNumbers[id] = number
    return number
  }

  func forgetObjects() {
    objects.removeAll()
    objectNumbers.removeAll()
    bytesRead = 0
  }

  /// Runs a C function on the main thread under a guard and a pcall. Its results stay on that thread's stack.
  package func protected(
    _ function: moon_function, _ argument: UnsafeMutableRawPointer?, results: Int32
  ) throws(LuaError) {
    switch unsafe moon_protected(lua, function, argument, results) {
    case MOON_OK: return
    case MOON_ERROR: throw unsafe popError(from: lua)
    default: throw abandoned()
    }
  }

  /// The error that an abandon outside a step amounts to: nothing but memory can cause it there.
  func abandoned() -> LuaError {
    LuaError(.memory, "out of memory: the state may use \(unsafe moon_state_limit(state)) bytes")
  }

  /// Takes an error message off a stack.
  func popError(from thread: OpaquePointer, _ kind: LuaError.Kind = .runtime) -> LuaError {
    var size = 0
    // A message on the stack is a string here: our own C code raised it, or Lua's parser.
    let text = unsafe moon_string(thread, -1, &size)
    let message = unsafe text.map {
      unsafe String(showing: UnsafeRawBufferPointer(start: $0, count: size))
    }
    unsafe moon_pop(thread, 1)
    return LuaError(kind, message ?? "error without a message")
  }

  /// Copies the value at an index of a stack, functions as references if the limits allow them.
  func read(_ thread: OpaquePointer, _ index: Int32, _ limits: LuaLimits, root: String) throws(LuaError) -> LuaValue {
    var flat = unsafe moon_flat()
    defer { unsafe moon_flat_free(&flat) }
    var bounds = moon_limits(
      depth: UInt32(clamping: limits.depth), nodes: UInt32(clamping: limits.nodes), bytes: limits.bytes,
      functions: limits.functions, lenient: limits.lenient)
    switch unsafe moon_read_value(thread, index, &bounds, root, &flat) {
    case MOON_OK:
      bytesRead &+= unsafe flat.size
      let bytes = unsafe UnsafeRawBufferPointer(start: flat.bytes, count: flat.size)
      var reader = unsafe LuaFlatReader(bytes, objects: objects)  // `flat` lives until the end of this function
      return reader.read()
    case MOON_ERROR: throw unsafe popError(from: thread, .host)
    default: throw abandoned()
    }
  }

  /// The flat form of some values, for C.
  func flat(_ values: [LuaValue]) -> [UInt8] {
    if values.isEmpty { return [] }
    var writer = LuaFlatWriter(for: self)
    for value in values { writer.write(value) }
    return writer.bytes
  }

  /// Bytes of an error's message.
  private static let messageLimit = 3 * 4_096

  /// The error of a step that failed.
  func failure() -> LuaError {
    let error = unsafe moon_state_error(state)
    func text(_ p: UnsafePointer<CChar>?, _ n: Int) -> String? {
      unsafe p.map { unsafe String(showing: UnsafeRawBufferPointer(start: $0, count: n)) }
    }
    var message = unsafe text(error.message, error.message_size) ?? "error without a message"
    // Bytes that are no text take four when they are shown.
    if message.utf8.count > Self.messageLimit {
      message = String(decoding: message.utf8.prefix(Self.messageLimit), as: UTF8.self)
    }
    var value: LuaValue?
    if unsafe error.has_value {
      var flat = unsafe moon_flat()
      defer { unsafe moon_flat_free(&flat) }
      var bounds = moon_limits(depth: 32, nodes: 10_000, bytes: 1 << 20, functions: false, lenient: false)
      if unsafe moon_state_error_value(state, &bounds, &flat) == MOON_OK {
        var reader = unsafe LuaFlatReader(UnsafeRawBufferPointer(start: flat.bytes, count: flat.size), objects: objects)
        value = reader.read()
      } else if unsafe moon_state_is_whole(state) {
        unsafe moon_pop(lua, 1)  // why it could not be read
      }
    }
    let kind: LuaError.Kind = unsafe error.is_memory ? .memory : error.is_syntax ? .syntax : .runtime
    let place = unsafe error.has_value ? LuaLocation(error.place) : nil
    return LuaError(
      kind, Self.text(of: message, value), file: place?.file, line: place?.line,
      traceback: unsafe text(error.traceback, error.traceback_size), value: value)
  }

  /// A table that was thrown and that has no text of its own is shown as JSON, where it has such a form.
  private static func text(of message: String, _ value: LuaValue?) -> String {
    guard let value, message.hasPrefix("table: 0x"), let json = try? value.json() else { return message }
    let shown = json.utf8.count <= 1000 ? json : String(json.prefix(1000)) + "…"
    return "error value \(json == "[]" ? "{}" : shown)"
  }

  /// Why and where a step was stopped.
  func stop() -> LuaStop {
    let stop = unsafe moon_state_stop(state)
    let reason: LuaStop.Reason =
      switch stop.reason {
      case MOON_STOP_MEMORY: .outOfMemory
      case MOON_STOP_CANCELLED: .cancelled
      default: .deadline
      }
    let location = stop.line > 0 ? LuaLocation(file: stop.file_text, line: Int(stop.line)) : nil
    return LuaStop(
      reason: reason, location: location, forced: stop.forced,
      depth: unsafe Int(moon_state_stop_depth(state)))
  }
}

// For tests.
extension LuaInstance {
  /// The n-th allocation from now on abandons the run, as if memory were over. 0: none does.
  package func failAllocation(_ nth: Int) { unsafe moon_state_fail_allocation(state, UInt64(nth)) }
}

extension moon_stop {
  var file_text: String {
    unsafe withUnsafeBytes(of: file) { bytes in
      unsafe String(showing: bytes.prefix { $0 != 0 })
    }
  }
}

extension LuaLocation {
  init?(_ place: moon_place) {
    guard place.line > 0 else { return nil }
    let file = unsafe withUnsafeBytes(of: place.file) { bytes in
      unsafe String(showing: bytes.prefix { $0 != 0 })
    }
    self.init(file: file, line: Int(place.line))
  }
}
