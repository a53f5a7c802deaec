/// A value as a script wrote it, free of Lua: what trigger constructors are given.
package enum SpecValue: Sendable, Hashable {
  case nothing
  case boolean(Bool)
  case integer(Int64)
  case number(Double)
  case string(String)
  /// A table with only positions.
  case list([SpecValue])
  /// A table with fields, in a stable order. Positions beside fields have their number as key: `1`, `2`.
  case table([Field])
  /// A trigger that a constructor made.
  case trigger(AnyTrigger)

  /// A field of a table.
  package struct Field: Sendable, Hashable {
    package let key: String
    package let value: SpecValue

    package init(key: String, value: SpecValue) {
      self.key = key
      self.value = value
    }
  }

  /// A table from pairs.
  package static func table(_ pairs: [(key: String, value: SpecValue)]) -> SpecValue {
    .table(pairs.map { Field(key: $0.key, value: $0.value) })
  }

  /// What messages call it.
  var typeName: String {
    switch self {
    case .nothing: "nil"
    case .boolean: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .list([]): "an empty table"
    case .list, .table: "a table"
    case .trigger: "a trigger"
    }
  }
}

extension SpecValue: CustomStringConvertible {
  /// The value as Lua writes it.
  package var description: String { LuaText.literal(self) }
}
