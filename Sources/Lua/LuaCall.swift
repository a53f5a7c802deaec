internal import CLuaShim

/// A call of a host function: its arguments, its results, and the run it belongs to. Arguments are numbered from 1, as
/// in Lua. Lives only as long as the call.
@safe package struct LuaCall: ~Copyable {  // made by a callback for the time that C waits for it, so `lua` is valid
  let lua: OpaquePointer
  let instance: LuaInstance
  /// How many arguments the script gave.
  package let count: Int
  /// Values pushed that C did not provide room for are asked for from here on.
  private var room: Int
  /// A push that could not be made: the answer is an error then.
  private var problem: String?
  /// The number of the host function that is called.
  let function: Int32?
  /// What the call waited for before it was repeated (`suspendAndRepeat`).
  package internal(set) var carried: (any AnyObject & Sendable)?

  init(_ lua: OpaquePointer, _ instance: LuaInstance, function: Int32? = nil) {
    unsafe self.lua = lua
    self.instance = instance
    self.function = function
    carried = nil
    count = unsafe Int(moon_top(lua))
    room = 16  // LUA_MINSTACK is 20; a few are kept for the wrappers
    problem = nil
  }

  // MARK: Reading

  /// The type of an argument; `.none` beyond the last.
  package func type(_ index: Int) -> LuaType {
    LuaType(rawValue: unsafe moon_type(lua, Int32(index))) ?? .none
  }

  /// Whether an argument is nil or missing.
  package func isNil(_ index: Int) -> Bool { unsafe moon_type(lua, Int32(index)) <= 0 }

  /// A boolean argument; nil when it is of another type. No typed read converts.
  package func bool(_ index: Int) -> Bool? {
    type(index) == .bool ? unsafe moon_bool(lua, Int32(index)) : nil
  }

  /// An integer, or a float with an integral value in the range of integers.
  package func integer(_ index: Int) -> Int64? {
    var value: Int64 = 0
    return unsafe moon_integer(lua, Int32(index), &value) ? value : nil
  }

  package func number(_ index: Int) -> Double? {
    var value = 0.0
    return unsafe moon_number(lua, Int32(index), &value) ? value : nil
  }

  /// A copy of a string argument; what is not UTF-8 is replaced by U+FFFD.
  package func string(_ index: Int) -> String? {
    unsafe withBytes(index) { unsafe String(decoding: $0, as: UTF8.self) }
  }

  /// The bytes of a string argument without a copy; nil when it is not a string. The pointer ends with the closure.
  package func withBytes<R>(_ index: Int, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R? {
    var size = 0
    // The string is on the stack of this call, so it stays where it is.
    guard let bytes = unsafe moon_string(lua, Int32(index), &size) else { return nil }
    return unsafe try body(UnsafeRawBufferPointer(start: bytes, count: size))
  }

  /// A copy of an argument, with everything in it. `root` begins the path in errors.
  package func value(
    _ index: Int, limits: LuaLimits = .init(), root: String = "argument"
  ) throws(LuaError) -> LuaValue {
    switch type(index) {
    case .none, .nil: return .nil
    case .bool: return .bool(unsafe moon_bool(lua, Int32(index)))
    default: return try unsafe instance.read(lua, Int32(index), limits, root: root)
    }
  }

  /// Bytes of all values that host functions have read from this state since it was fresh.
  package var bytesRead: Int { instance.bytesRead }

  /// The Swift object that an argument stands for.
  package func object(_ index: Int) -> (any LuaObject)? {
    let handle = unsafe moon_object_handle(lua, Int32(index))
    return handle >= 0 && handle < instance.objects.count ? instance.objects[Int(handle)] : nil
  }

  /// Keeps a function argument in the registry of the state.
  package func reference(toFunctionAt index: Int) throws(LuaError) -> LuaReference {
    guard type(index) == .function else { throw LuaError(.host, "expected a function, got \(type(index))") }
    let slot = unsafe moon_reference(lua, Int32(index))
    guard slot != 0 else { throw instance.abandoned() }
    return LuaReference(slot: slot, location: unsafe LuaLocation(moon_reference_place(lua, slot)))
  }

  // MARK: Pushing

  private mutating func reserve() {
    room -= 1
    if room >= 0 { return }
    if unsafe moon_reserve(lua, 64) == MOON_OK { room = 63 } else { problem = "too many values" }
  }

  package mutating func pushNil() {
    reserve()
    if problem == nil { unsafe moon_push_nil(lua) }
  }

  package mutating func push(_ value: Bool) {
    reserve()
    if problem == nil { unsafe moon_push_bool(lua, value) }
  }

  package mutating func push(_ value: Int64) {
    reserve()
    if problem == nil { unsafe moon_push_integer(lua, value) }
  }

  package mutating func push(_ value: Int) { push(Int64(value)) }

  package mutating func push(_ value: Double) {
    reserve()
    if problem == nil { unsafe moon_push_number(lua, value) }
  }

  package mutating func push(_ value: String) {
    var value = value
    value.withUTF8 { unsafe push(bytes: UnsafeRawBufferPointer($0)) }
  }

  package mutating func push(_ value: [UInt8]) {
    unsafe value.withUnsafeBytes { unsafe push(bytes: $0) }
  }

  /// Pushes a string of any bytes.
  package mutating func push(bytes: UnsafeRawBufferPointer) {
    reserve()
    // Abandoned: C leaves after we return.
    if problem == nil { _ = unsafe moon_push_bytes(lua, bytes.baseAddress, bytes.count) }
  }

  /// Pushes a value with everything in it, in one protected call.
  package mutating func push(_ value: LuaValue) {
    switch value {
    case .nil: pushNil()
    case .bool(let b): push(b)
    case .integer(let i): push(i)
    case .number(let n): push(n)
    case .string(let s): push(s.bytes)
    case .table, .function, .object:
      reserve()
      if problem != nil { return }
      let flat = instance.flat([value])
      if unsafe moon_push_values(lua, flat, flat.count, nil) == MOON_ERROR {
        problem = unsafe instance.popError(from: lua).message
      }
    }
  }

  /// Pushes the value of a JSON text; nil when it is not JSON. `null` is nil. The value is made inside the state, so
  /// its memory limit holds.
  package mutating func push(json text: String) {
    reserve()
    if problem != nil { return }
    let size = text.utf8.count
    // A C string ends with a zero byte, as the call wants it, and lives until its end.
    let status = unsafe text.withCString { unsafe moon_push_json(lua, $0, size) }
    if status == MOON_ERROR {
      unsafe moon_pop(lua, 1)
      unsafe moon_push_nil(lua)
    }
  }

  /// Makes one table of the values pushed last, under these names.
  package mutating func pushRecord(_ names: [String]) {
    reserve()
    if problem != nil { return }
    let terminated = names.map { $0 + "\0" }.joined()
    // Each name has its zero byte, and the text lives until the end of the call.
    let status = unsafe terminated.withCString { unsafe moon_push_record(lua, $0, Int32(names.count)) }
    if status == MOON_ERROR { problem = unsafe instance.popError(from: lua).message }
  }

  /// Pushes an argument again, as a result.
  package mutating func pushArgument(_ index: Int) {
    reserve()
    if problem == nil { unsafe moon_push_copy(lua, Int32(index)) }
  }

  // MARK: The run

  /// What `LuaState.start` or the declaration was given for host functions.
  package var context: AnyObject? { instance.context }

  /// Whether a script is loading.
  package var isDeclaring: Bool { unsafe moon_state_is_declaring(instance.state) }

  /// The file and line of the script that called; functions of preludes do not count.
  package var caller: LuaLocation? { unsafe LuaLocation(moon_caller(lua)) }

  /// Whether `suspend` works here: not while a script is loading, and not inside a C call of Lua such as a comparator
  /// of `table.sort` or a callback of `string.gsub`.
  package var canSuspend: Bool { unsafe moon_can_suspend(lua) }

  /// Asks to suspend the run until somebody completes the ticket that the step hands out with `request`. The function's
  /// results are those of the completion.
  ///
  ///     return call.suspend(SleepRequest(until: deadline))
  package mutating func suspend(_ request: any LuaRequest) -> LuaReturn {
    guard let state = instance as? LuaState, canSuspend else { return Self.refusal }
    if state.refusesToWait { return .raise(Self.waitRefusal) }
    let ticket = state.suspensions.open(request, repeating: nil)
    unsafe moon_state_set_ticket(state.state, ticket.number)
    return .suspend
  }

  /// Like `suspend`, but when somebody completes the ticket by `LuaState.complete(_:repeatingWith:)`, the host function
  /// is called again with the same arguments, and finds in `carried` what that brought.
  package mutating func suspendAndRepeat(after request: any LuaRequest) -> LuaReturn {
    guard let state = instance as? LuaState, canSuspend else { return Self.refusal }
    if state.refusesToWait { return .raise(Self.waitRefusal) }
    let ticket = state.suspensions.open(request, repeating: function)
    unsafe moon_state_set_ticket(state.state, ticket.number)
    return .suspend
  }

  // MARK: Memory

  /// Bytes that the state uses, as the allocator rounds them.
  package var bytesInUse: Int { instance.bytes }

  /// Asks for memory outside the state before it is taken. False: it does not fit under the state's limit, and the run
  /// ends as out of memory when the function returns; return at once.
  package func claim(_ bytes: Int) -> Bool { unsafe moon_claim(lua, bytes) == MOON_OK }

  /// Bytes that the host holds for the run from now on, outside the state. They count under its limit.
  package func setAside(_ bytes: Int) { unsafe moon_state_set_aside(instance.state, bytes) }

  static var refusal: LuaReturn {
    .raise("cannot suspend inside a C call (table.sort comparator, gsub callback)")
  }

  /// Blocks this worker until the monotonic clock (nanoseconds) shows `instant`. False: the run is being stopped;
  /// return at once.
  package func block(until instant: Int64) -> Bool { unsafe moon_block(lua, instant) }

  /// Whether the run is to end: its deadline has passed or somebody cancelled it.
  package var isStopping: Bool { unsafe moon_is_stopping(lua) }

  // MARK: The answer

  /// Turns a body's answer into what C obeys. Pushes the message of an error.
  mutating func conclude(_ answer: LuaReturn) -> Int32 {
    if let problem {
      room = 1
      self.problem = nil
      push(problem)
      return Int32(MOON_RAISE)
    }
    switch answer {
    case .results(let n): return Int32(n)
    case .raise(let message):
      push(message)
      return Int32(MOON_RAISE)
    case .raiseValue: return Int32(MOON_RAISE_VALUE)
    case .suspend: return Int32(MOON_SUSPEND)
    }
  }
}

/// The types of Lua values.
package enum LuaType: Int32, Sendable, CustomStringConvertible {
  case none = -1
  case `nil` = 0
  case bool = 1
  case lightUserdata = 2
  case number = 3
  case string = 4
  case table = 5
  case function = 6
  case userdata = 7
  case thread = 8

  /// As Lua's error messages name it.
  package var description: String {
    switch self {
    case .none: "no value"
    case .nil: "nil"
    case .bool: "a boolean"
    case .lightUserdata, .userdata: "a userdata"
    case .number: "a number"
    case .string: "a string"
    case .table: "a table"
    case .function: "a function"
    case .thread: "a coroutine"
    }
  }
}
