internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// A host function was called in a way that cannot be meant: an error in the script, at the line of the call.
struct Misuse: Error {
  let message: String
  /// Not an error: the call takes that many bytes along, for which there is no room now. It begins again when there is.
  let waitsFor: (room: AnswerReservation, bytes: Int)?

  init(_ message: String) {
    self.message = message
    waitsFor = nil
  }

  init(waitingFor bytes: Int, in room: AnswerReservation) {
    message = "no room for \(bytes) bytes"
    waitsFor = (room, bytes)
  }
}

extension LuaFunction {
  /// A host function whose body may throw `Misuse`. `full` is its name as scripts write it, for messages: `kv.get`.
  static func host(
    _ name: String, as full: String, in availability: Availability = .run,
    _ body: @escaping @Sendable (inout LuaCall, Arguments) throws(Misuse) -> LuaReturn
  ) -> LuaFunction {
    let arguments = Arguments(function: full)
    return LuaFunction(name, in: availability) { (call: inout LuaCall) -> LuaReturn in
      do throws(Misuse) {
        let answer = try body(&call, arguments)
        if case .raise(LuaCall.waitRefusal) = answer { return .raise("\(full) \(LuaCall.waitRefusal)") }
        return answer
      } catch {
        guard let (room, bytes) = error.waitsFor else { return .raise(error.message) }
        let answer = call.suspendAndRepeat(after: RoomRequest(room, bytes: bytes))
        if case .raise(LuaCall.waitRefusal) = answer { return .raise("\(full) \(LuaCall.waitRefusal)") }
        return answer
      }
    }
  }
}

/// Reads the arguments of a call with error messages that say what to write instead.
struct Arguments {
  /// The function's name in messages.
  let function: String

  func misuse(_ text: String) -> Misuse { Misuse("\(function): \(text)") }

  /// The run that calls.
  func run(_ call: borrowing LuaCall) throws(Misuse) -> RunContext {
    guard let context = call.context as? RunContext else {
      throw misuse("works only in a run; at the top level of a script there is nothing to do it for")
    }
    return context
  }

  /// Room for `bytes` that the call takes along out of the Lua state, such as a text for the store; to be released when
  /// they are gone. A call for which there is none waits, and begins again.
  func hold(_ bytes: Int, for call: borrowing LuaCall) throws(Misuse) -> AnswerReservation {
    if let room = call.carried as? AnswerReservation { return room }
    let answers = try run(call).answers
    answers.note(used: call.bytesInUse)
    let room = answers.room()
    if room.take(bytes) { return room }
    throw Misuse(waitingFor: bytes, in: room)
  }

  /// Bytes that a name, a path, a pattern, a time or the like may have: as many as the kernel takes of a path
  /// (`PATH_MAX` without its zero byte, limits.h). What is longer is refused before any of it is copied or looked at,
  /// for it can be as large as a run's memory.
  static let nameBytes = 4_095
  /// Bytes of a text for people, such as why a run failed.
  static let textBytes = 1 << 20

  /// A string; `what` names the parameter.
  ///
  /// - Parameters:
  ///   - size: the bytes that it may have.
  ///   - shown: the argument's number in messages, where that is another one.
  func string(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, in size: ClosedRange<Int> = 0...nameBytes,
    shownAt shown: Int? = nil
  ) throws(Misuse) -> String {
    try check(call, index, what, size)
    if let text = call.string(index) { return text }
    throw misuse("expected \(what) (a string) as argument \(shown ?? index), got \(name(call, index))")
  }

  func string(_ call: borrowing LuaCall, optional index: Int, _ what: String) throws(Misuse) -> String? {
    call.isNil(index) ? nil : try string(call, index, what)
  }

  /// The same as bytes, which need not be text.
  func bytes(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, in size: ClosedRange<Int>, shownAt shown: Int? = nil
  ) throws(Misuse) -> [UInt8] {
    try check(call, index, what, size)
    if let bytes = unsafe call.withBytes(index, { unsafe Array($0) }) { return bytes }
    throw misuse("expected \(what) (a string) as argument \(shown ?? index), got \(name(call, index))")
  }

  private func check(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, _ size: ClosedRange<Int>
  ) throws(Misuse) {
    guard let count = unsafe call.withBytes(index, { $0.count }), !size.contains(count) else { return }
    let range = size.lowerBound == 0 ? "at most \(size.upperBound)" : "\(size.lowerBound) to \(size.upperBound)"
    throw misuse("\(what) has \(range) bytes, this one has \(count)")
  }

  func number(_ call: borrowing LuaCall, _ index: Int, _ what: String) throws(Misuse) -> Double {
    if let number = call.number(index) { return number }
    throw misuse("expected \(what) (a number) as argument \(index), got \(name(call, index))")
  }

  /// A duration: seconds, or text such as `"1h30m"`. Nanoseconds, not negative.
  func duration(_ call: borrowing LuaCall, _ index: Int, _ what: String) throws(Misuse) -> Int64 {
    if let seconds = call.number(index) { return try duration(seconds: seconds, what) }
    if let text = call.string(index) { return try duration(text: text, what) }
    throw misuse("expected \(what) (seconds, or text like \"1m30s\") as argument \(index), got \(name(call, index))")
  }

  func duration(seconds: Double, _ what: String) throws(Misuse) -> Int64 {
    guard seconds >= 0, seconds < 9.2e9 else {
      throw misuse("\(what) must be a number of seconds from 0 up, not \(seconds)")
    }
    return Int64((seconds * 1e9).rounded())
  }

  func duration(text: String, _ what: String) throws(Misuse) -> Int64 {
    let nanoseconds: Int64
    do {
      nanoseconds = try DurationText.parseNanoseconds(text)
    } catch {
      throw misuse("\(what): \(error.message)")
    }
    guard nanoseconds >= 0 else { throw misuse("\(what) must not be negative: \"\(text)\"") }
    return nanoseconds
  }

  /// An options table, or an empty one when it is left out. Unknown keys are errors.
  ///
  /// - Parameter bytes: that the table may have, as a copy.
  func options(
    _ call: borrowing LuaCall, _ index: Int, _ allowed: [String], bytes: Int = 1 << 20
  ) throws(Misuse) -> Options {
    if call.isNil(index) { return Options(arguments: self, reader: nil) }
    guard call.type(index) == .table else {
      throw misuse("expected a table of options as argument \(index), got \(name(call, index))")
    }
    do {
      let limits = LuaLimits(nodes: 10_000, bytes: bytes, functions: false)
      let reader = LuaReader(try call.value(index, limits: limits), path: "options")
      try reader.allow(allowed)
      return Options(arguments: self, reader: reader)
    } catch {
      throw misuse(error.message)
    }
  }

  /// Any value without functions, whose JSON may have `limit` bytes.
  func value(_ call: borrowing LuaCall, _ index: Int, limit: Int = 1 << 20) throws(Misuse) -> LuaValue {
    do {
      return try call.value(index, limits: LuaLimits(forJSONOf: limit))
    } catch {
      throw misuse(error.message)
    }
  }

  /// Any value, as JSON. `nil` for nil.
  ///
  /// - Parameter setting: the quota that says the limit.
  func json(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, limit: Int, setting: String
  ) throws(Misuse) -> JSONText? {
    if call.isNil(index) { return nil }
    switch JSONText.encoding(try value(call, index, limit: limit), limit: limit, setting: setting) {
    case .success(let text): return text
    case .failure(let refusal): throw misuse("\(what): \(refusal.message)")
    }
  }

  /// The same for what leaves the run: values of secrets are hidden in it, and then the log says so.
  func toldJSON(
    _ call: borrowing LuaCall, _ index: Int, _ what: String, limit: Int, setting: String
  ) throws(Misuse) -> JSONText? {
    if call.isNil(index) { return nil }
    let told = try told(try value(call, index, limit: limit), what, by: try run(call))
    switch JSONText.encoding(told, limit: limit, setting: setting) {
    case .success(let text): return text
    case .failure(let refusal): throw misuse("\(what): \(refusal.message)")
    }
  }

  /// A value that leaves the run, without values of secrets.
  func told(_ value: LuaValue, _ what: String, by run: RunContext) throws(Misuse) -> LuaValue {
    guard let told = run.services.secrets.mask.hiding(value) else { return value }
    run.note(.warn, "\(function): the value of a secret in \(what) is hidden: who needs it calls secret itself")
    return told
  }

  /// What is at an index, for messages.
  func name(_ call: borrowing LuaCall, _ index: Int) -> String {
    call.type(index).description
  }
}

/// A table of named options.
struct Options {
  let arguments: Arguments
  let reader: LuaReader?

  func string(_ key: String) throws(Misuse) -> String? {
    guard let field = reader?.field(key) else { return nil }
    do { return try field.string() } catch { throw arguments.misuse(error.message) }
  }

  /// A string's bytes, which need not be text.
  func bytes(_ key: String) throws(Misuse) -> [UInt8]? {
    guard let field = reader?.field(key) else { return nil }
    guard case .string(let string) = field.value else {
      throw arguments.misuse("\(field.path): expected a string, got \(field.value.typeName)")
    }
    return string.bytes
  }

  func bool(_ key: String) throws(Misuse) -> Bool? {
    guard let field = reader?.field(key) else { return nil }
    do { return try field.bool() } catch { throw arguments.misuse(error.message) }
  }

  func integer(_ key: String) throws(Misuse) -> Int? {
    guard let field = reader?.field(key) else { return nil }
    do { return Int(clamping: try field.integer()) } catch { throw arguments.misuse(error.message) }
  }

  /// A number of bytes, from 0 to what one answer of the run may have; `standard`, or less if that is less, when it is
  /// left out.
  func size(_ key: String, of run: RunContext, standard: Int) throws(Misuse) -> Int {
    let largest = run.answers.largestAnswer
    guard let bytes = try integer(key) else { return min(standard, largest) }
    guard bytes >= 0, bytes <= largest else {
      let reason =
        largest == AnswerBudget.largestAnswer ? "the most that one answer may have" : "the job's whole memory"
      throw arguments.misuse("options.\(key) must be from 0 to \(largest) bytes (\(reason)), not \(bytes)")
    }
    return bytes
  }

  /// Nanoseconds.
  func duration(_ key: String) throws(Misuse) -> Int64? {
    guard let field = reader?.field(key) else { return nil }
    switch field.value {
    case .integer(let seconds): return try arguments.duration(seconds: Double(seconds), field.path)
    case .number(let seconds): return try arguments.duration(seconds: seconds, field.path)
    case .string(let text): return try arguments.duration(text: text.text, field.path)
    default:
      throw arguments.misuse("\(field.path): expected seconds, or text like \"1m30s\", got \(field.value.typeName)")
    }
  }

  /// The same as text; what is not UTF-8 is replaced by U+FFFD.
  func strings(_ key: String) throws(Misuse) -> [(key: String, value: String)]? {
    try byteStrings(key)?.map { (String(decoding: $0.key, as: UTF8.self), String(decoding: $0.value, as: UTF8.self)) }
  }

  /// A table with string keys and string, number or boolean values, as bytes; sorted by keys.
  func byteStrings(_ key: String) throws(Misuse) -> [(key: [UInt8], value: [UInt8])]? {
    guard let field = reader?.field(key) else { return nil }
    guard case .table(let table) = field.value, table.array.isEmpty else {
      throw arguments.misuse("\(field.path): expected a table of names and values, got \(field.value.typeName)")
    }
    var named: [(key: [UInt8], value: LuaValue)] = table.fields.map { (Array($0.key.utf8), $0.value) }
    for other in table.others {
      guard case .string(let name) = other.key else {
        throw arguments.misuse("\(field.path): expected names as keys, got \(other.key.typeName)")
      }
      named.append((name.bytes, other.value))
    }
    var result: [(key: [UInt8], value: [UInt8])] = []
    for (name, value) in named {
      switch value {
      case .string(let text): result.append((name, text.bytes))
      case .integer(let number): result.append((name, Array(String(number).utf8)))
      case .number(let number): result.append((name, Array(String(number).utf8)))
      case .bool(let flag): result.append((name, Array((flag ? "true" : "false").utf8)))
      default:
        throw arguments.misuse(
          "\(field.path).\(String(decoding: name, as: UTF8.self)): expected a string, got \(value.typeName)")
      }
    }
    return result
  }
}
