internal import Lua

extension SQLiteValue {
  /// Nil for NULL: a column that is none is not in its row.
  var lua: LuaValue? {
    switch self {
    case .null: nil
    case .integer(let number): .integer(number)
    case .number(let number): .number(number)
    case .text(let bytes), .blob(let bytes): .string(LuaString(bytes: bytes))
    }
  }

  /// A number, a boolean (0 or 1), text, bytes that are no text, `json.null`, or `{ blob = bytes }`.
  init?(_ value: LuaValue) {
    switch value {
    case .nil: self = .null
    case .bool(let flag): self = .integer(flag ? 1 : 0)
    case .integer(let number): self = .integer(number)
    case .number(let number): self = .number(number)
    case .string(let text):
      self = String(validating: text.bytes, as: UTF8.self) == nil ? .blob(text.bytes) : .text(text.bytes)
    case .table(let table):
      guard table.array.isEmpty, table.others.isEmpty, table.fields.count == 1, case .string(let bytes)? = table["blob"]
      else { return nil }
      self = .blob(bytes.bytes)
    default: return nil
    }
  }
}
