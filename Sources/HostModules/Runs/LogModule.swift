internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `log.debug/info/warn/error(message, fields)` and `print`.
enum LogModule {
  /// That which the prelude makes.
  static let functions = ["print"]

  static func modules() -> [LuaModule] {
    [
      LuaModule("log", functions: LogLevel.allCases.map(function)),
      // tostring may call a script's metamethod, so the text is made in Lua.
      LuaModule(
        "",
        prelude: """
          local module = ...
          local select, tostring, concat, info = select, tostring, table.concat, log.info
          module.print = function(...)
            local words = { ... }
            for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
            info(concat(words, "\\t"))
          end
          """),
    ]
  }

  private static func function(_ level: LogLevel) -> LuaFunction {
    .host(level.rawValue, as: "log.\(level.rawValue)", in: .both) { call, _ in
      let run = call.context as? RunContext
      // While a script is loaded there is no run, and no sink that belongs to one.
      guard let run else { return .none }
      guard level >= run.services.log.threshold else { return .none }
      let size = unsafe call.withBytes(1) { $0.count } ?? 0
      run.log(
        level, message(call, run), of: size > largestMessage ? size : nil, fields: fields(call, run))
      return .none
    }
  }

  /// Bytes of a message that are looked at. Lines are cut far below it; without a bound here a message as large as the
  /// run's memory would be copied on the way.
  private static let largestMessage = 1 << 20

  /// A message is usually a string; what else it may be is shown as fields show it.
  private static func message(_ call: borrowing LuaCall, _ run: RunContext) -> String {
    if let text = unsafe call.withBytes(1, { unsafe String(showing: $0.prefix(largestMessage)) }) { return text }
    guard let value = try? call.value(1, limits: copy) else { return "<\(call.type(1)) that is too large>" }
    switch run.services.secrets.mask.masked(value).loggable {
    case .string(let text): return text.text
    case .integer(let number): return String(number)
    case .number(let number): return String(number)
    case .nil: return "nil"
    case let value: return (try? value.json()) ?? "<\(call.type(1))>"
    }
  }

  /// What is copied to be shown: of more than these only the size is told.
  private static let copy: LuaLimits = {
    var limits = LuaLimits(forJSONOf: 1 << 20)
    limits.lenient = true
    return limits
  }()

  /// The second argument as a JSON object: a table's fields, a list with its indices as names, anything else as
  /// `value`. In the place of those with more bytes than a line may have stands how many there were. Never an error:
  /// whoever logs wants to know, and not to fail.
  private static func fields(_ call: borrowing LuaCall, _ run: RunContext) -> JSONText? {
    if call.isNil(2) { return nil }
    let limit = run.services.quotas().logLineBytes
    guard let value = try? call.value(2, limits: copy) else {
      return JSONText("{\"cut\":\"more than 1 MB of fields, \(limit) bytes are kept\"}")
    }
    // Before anything is made visible: a value may be bytes that are no text.
    let fields = run.services.secrets.mask.masked(value).named
    if !fields.hasTwins, let text = try? fields.json() { return kept(text, limit) }
    return (try? fields.loggable.json()).flatMap { kept($0, limit) }
  }

  private static func kept(_ text: String, _ limit: Int) -> JSONText? {
    let size = text.utf8.count
    if size > limit { return JSONText("{\"cut\":\"\(size) bytes of fields, \(limit) are kept\"}") }
    return text == "[]" ? nil : JSONText(text)
  }
}

extension LuaValue {
  /// A table with names only; what is no table has the name `value`.
  fileprivate var named: LuaValue {
    guard case .table(let table) = self else { return .table(LuaTable(fields: [("value", self)])) }
    return table.array.isEmpty ? self : .table(table.withNames { $0 })
  }

  /// The value with everything that JSON does not have made visible: bytes that are no text as `\xE9`, `nan` and `inf`
  /// as texts, keys that are no strings as their text.
  fileprivate var loggable: LuaValue {
    switch self {
    case .nil, .bool, .integer: self
    case .number(let number):
      number.isFinite ? self : .string(number.isNaN ? "nan" : number < 0 ? "-inf" : "inf")
    case .string(let text):
      String(validating: text.bytes, as: UTF8.self) == nil ? .string(LuaString(String(showing: text.bytes))) : self
    case .table(let table):
      table.isSequence
        ? .table(LuaTable(array: table.array.map(\.loggable))) : .table(table.withNames(\.loggable))
    case .function: .string("<function>")
    case .object(let object): .string(LuaString(object.luaDescription))
    }
  }

  /// Whether a table in it has a name twice: words stand in place of keys that cannot be copied.
  fileprivate var hasTwins: Bool {
    guard case .table(let table) = self else { return false }
    let isDoubled = zip(table.fields, table.fields.dropFirst()).contains { $0.key == $1.key }
    return isDoubled || table.array.contains(where: \.hasTwins) || table.fields.contains { $0.value.hasTwins }
      || table.others.contains { $0.value.hasTwins }
  }

  /// A key as a name.
  fileprivate var fieldName: String {
    switch self {
    case .bool(let flag): flag ? "true" : "false"
    case .integer(let number): String(number)
    case .number(let number): String(number)
    case .string(let text): String(showing: text.bytes)
    default: "<\(typeName)>"
    }
  }
}

extension LuaTable {
  /// The table with string keys alone. Keys that become equal by that are told apart by a number.
  fileprivate func withNames(_ change: (LuaValue) -> LuaValue) -> LuaTable {
    var named: [(key: String, value: LuaValue)] = []
    var taken: Set<[UInt8]> = []
    func add(_ name: String, _ value: LuaValue) {
      var (free, number) = (name, 1)
      while !taken.insert(Array(free.utf8)).inserted {
        number += 1
        free = "\(name) (\(number))"
      }
      named.append((free, change(value)))
    }
    for field in fields { add(field.key, field.value) }
    for (index, value) in array.enumerated() { add(String(index + 1), value) }
    for other in others { add(other.key.fieldName, other.value) }
    return LuaTable(fields: named)
  }
}
