package import Lua
internal import Triggers

extension SpecValue {
  /// A Lua value as a trigger's builder takes it. Trigger values inside it are built by `build`, innermost first.
  ///
  /// A table without named fields is a list, every other one a table with its positions first ("1", "2", …), then its
  /// named fields by name, then the rest.
  init(
    _ value: LuaValue, build: (TriggerSpecification) throws(TriggerError) -> AnyTrigger
  ) throws(TriggerError) {
    switch value {
    case .nil: self = .nothing
    case .bool(let bool): self = .boolean(bool)
    case .integer(let integer): self = .integer(integer)
    case .number(let number): self = .number(number)
    case .string(let string): self = .string(string.text)
    case .table(let table): self = try SpecValue(table, build: build)
    case .object(let object):
      guard let specification = object as? TriggerSpecification else {
        throw TriggerError("a \(object.luaTypeName) cannot be part of a trigger")
      }
      self = .trigger(try build(specification))
    case .function:
      throw TriggerError("a function cannot be part of a trigger")
    }
  }

  private init(
    _ table: LuaTable, build: (TriggerSpecification) throws(TriggerError) -> AnyTrigger
  ) throws(TriggerError) {
    if table.isSequence {
      var items: [SpecValue] = []
      items.reserveCapacity(table.array.count)
      for item in table.array { items.append(try SpecValue(item, build: build)) }
      self = .list(items)
      return
    }
    var entries: [(key: String, value: SpecValue)] = []
    for (index, item) in table.array.enumerated() {
      entries.append(("\(index + 1)", try SpecValue(item, build: build)))
    }
    for field in table.fields { entries.append((field.key, try SpecValue(field.value, build: build))) }
    for other in table.others { entries.append((other.key.keyText, try SpecValue(other.value, build: build))) }
    self = .table(entries)
  }
}

extension LuaValue {
  /// How a table key reads in a message: `3`, `true`, `name`.
  var keyText: String {
    switch self {
    case .nil: "nil"
    case .bool(let bool): "\(bool)"
    case .integer(let integer): "\(integer)"
    case .number(let number): "\(number)"
    case .string(let string): string.text
    case .table: "a table"
    case .function: "a function"
    case .object(let object): "a \(object.luaTypeName)"
    }
  }

  /// The value as a message quotes it: `"abc"`, `12`, `true`; tables and functions by their kind.
  var shown: String {
    switch self {
    case .string(let string): quoted(string.text)
    case .integer, .number, .bool: keyText
    default: typeName
    }
  }
}

/// Writes values as Lua, for people: functions by their kind, objects as they describe themselves. What is longer than
/// ``limit`` bytes is cut, and not looked at: a value may share its parts, and be written out a million times as long.
struct LuaTextWriter {
  static let limit = 1_000

  private var text = ""
  private var isFull: Bool { text.utf8.count > LuaTextWriter.limit }

  /// A call of a trigger's constructor: `cron("0 3 * * *")`.
  static func call(_ name: String, _ arguments: [LuaValue]) -> String {
    var writer = LuaTextWriter()
    writer.call(name, arguments)
    guard writer.isFull else { return writer.text }
    return String(decoding: writer.text.utf8.prefix(limit), as: UTF8.self) + "…"
  }

  private mutating func call(_ name: String, _ arguments: [LuaValue]) {
    text += name + "("
    for (index, argument) in arguments.enumerated() where !isFull {
      if index > 0 { text += ", " }
      write(argument)
    }
    text += ")"
  }

  private mutating func write(_ value: LuaValue) {
    if isFull { return }
    switch value {
    case .string(let string):
      let start = String(decoding: string.bytes.prefix(LuaTextWriter.limit), as: UTF8.self)
      text += "\"\(start.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
    case .table(let table): write(table)
    case .object(let object):
      if let specification = object as? TriggerSpecification {
        call(specification.constructor, specification.arguments)
      } else {
        text += object.luaDescription
      }
    default: text += value.keyText
    }
  }

  private mutating func write(_ table: LuaTable) {
    guard !(table.array.isEmpty && table.fields.isEmpty && table.others.isEmpty) else {
      text += "{}"
      return
    }
    var separator = "{ "
    func next(_ text: inout String) {
      text += separator
      separator = ", "
    }
    for item in table.array where !isFull {
      next(&text)
      write(item)
    }
    for field in table.fields where !isFull {
      next(&text)
      text += field.key + " = "
      write(field.value)
    }
    for other in table.others where !isFull {
      next(&text)
      text += "["
      write(other.key)
      text += "] = "
      write(other.value)
    }
    text += " }"
  }
}

extension LuaTable {
  /// The value of a named field, if there is one. (A Lua table never holds `nil`; a literal of ours might.)
  package func field(_ key: String) -> LuaValue? {
    guard let value = self[key], value != LuaValue.nil else { return Optional.none }
    return value
  }
}

/// `text` in double quotes, cut after 60 characters.
package func quoted(_ text: String) -> String {
  text.count <= 60 ? "\"\(text)\"" : "\"\(text.prefix(57))…\""
}
