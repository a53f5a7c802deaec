/// A Lua value outside Lua: a copy, with no tie to the state it came from (but for functions and objects, which belong
/// to it).
///
///     let value: LuaValue = ["name": "backup", "hosts": ["a", "b"], "limit": 2.5]
package enum LuaValue: Sendable, Equatable {
  case `nil`
  case bool(Bool)
  case integer(Int64)
  case number(Double)
  case string(LuaString)
  case table(LuaTable)
  /// A function that the declaring state holds for the host.
  case function(LuaReference)
  /// A Swift object; equal when identical.
  case object(any LuaObject)

  package static func == (a: LuaValue, b: LuaValue) -> Bool {
    switch (a, b) {
    case (.nil, .nil): true
    case (.bool(let x), .bool(let y)): x == y
    case (.integer(let x), .integer(let y)): x == y
    case (.number(let x), .number(let y)): x == y
    case (.string(let x), .string(let y)): x == y
    case (.table(let x), .table(let y)): x == y
    case (.function(let x), .function(let y)): x == y
    case (.object(let x), .object(let y)): x === y
    default: false
    }
  }

  /// A string's text; nil for every other value.
  package var text: String? { if case .string(let s) = self { s.text } else { nil } }

  /// What Lua's `type` says of the value, and "an integer" apart from "a number", for error messages.
  package var typeName: String {
    switch self {
    case .nil: "nil"
    case .bool: "a boolean"
    case .integer, .number: "a number"
    case .string: "a string"
    case .table: "a table"
    case .function: "a function"
    case .object(let object): "a \(object.luaTypeName)"
    }
  }
}

extension LuaValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral,
  ExpressibleByStringLiteral, ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  package init(nilLiteral: ()) { self = .nil }
  package init(booleanLiteral value: Bool) { self = .bool(value) }
  package init(integerLiteral value: Int64) { self = .integer(value) }
  package init(floatLiteral value: Double) { self = .number(value) }
  package init(stringLiteral value: String) { self = .string(LuaString(value)) }
  package init(arrayLiteral elements: LuaValue...) { self = .table(LuaTable(array: elements)) }
  package init(dictionaryLiteral elements: (String, LuaValue)...) {
    self = .table(LuaTable(fields: elements.map { (key: $0.0, value: $0.1) }))
  }
}

/// A Lua string: bytes, usually UTF-8.
package struct LuaString: Sendable, Hashable, ExpressibleByStringLiteral, CustomStringConvertible {
  package var bytes: [UInt8]

  package init(bytes: [UInt8]) { self.bytes = bytes }
  package init(_ text: String) { bytes = Array(text.utf8) }
  package init(stringLiteral value: String) { self.init(value) }

  /// The bytes as text; what is not UTF-8 is replaced by U+FFFD.
  package var text: String { String(decoding: bytes, as: UTF8.self) }
  package var description: String { text }
}

/// A Lua table as a value. Lua gives no order to keys; here they are sorted, so equal tables are equal values.
package struct LuaTable: Sendable, Equatable {
  /// The values at 1…n, without a hole.
  package var array: [LuaValue]
  /// String keys that are text (UTF-8), sorted by their bytes.
  package private(set) var fields: [(key: String, value: LuaValue)]
  /// All other keys: booleans, then numbers, then strings that are not text, sorted.
  package private(set) var others: [(key: LuaValue, value: LuaValue)]

  /// A table of these parts. Of two equal keys the last one counts. O(n log n).
  package init(
    array: [LuaValue] = [], fields: [(key: String, value: LuaValue)] = [],
    others: [(key: LuaValue, value: LuaValue)] = []
  ) {
    self.array = array
    self.fields = fields
    self.others = others
    if fields.count > 1 {
      // By bytes: to Swift, two ways to write the same letter are equal.
      var last: [[UInt8]: LuaValue] = [:]
      for field in fields { last[Array(field.key.utf8)] = field.value }
      self.fields = last.sorted { $0.key.lexicographicallyPrecedes($1.key) }.map {
        (key: String(decoding: $0.key, as: UTF8.self), value: $0.value)
      }
    }
    if others.count > 1 { self.others.sort { LuaTable.precedes($0.key, $1.key) } }
  }

  /// A table of these parts, whose keys are known to differ, as those of a table in Lua do.
  init(array: [LuaValue], distinctFields: [(key: String, value: LuaValue)], others: [(key: LuaValue, value: LuaValue)])
  {
    self.array = array
    fields = distinctFields
    self.others = others
    if fields.count > 1 { fields.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) } }
    if others.count > 1 { self.others.sort { LuaTable.precedes($0.key, $1.key) } }
  }

  private static func precedes(_ a: LuaValue, _ b: LuaValue) -> Bool {
    if case .string(let x) = a, case .string(let y) = b { return x.bytes.lexicographicallyPrecedes(y.bytes) }
    return rank(a) < rank(b)
  }

  private static func rank(_ key: LuaValue) -> (Int, Double) {
    switch key {
    case .bool(let b): (0, b ? 1 : 0)
    case .integer(let i): (1, Double(i))
    case .number(let n): (1, n)
    default: (2, 0)
    }
  }

  /// The value of a string key, or nil. O(log n).
  package subscript(key: String) -> LuaValue? {
    var low = 0
    var high = fields.count
    let wanted = key.utf8
    while low < high {
      let middle = (low + high) / 2
      if fields[middle].key.utf8.lexicographicallyPrecedes(wanted) { low = middle + 1 } else { high = middle }
    }
    return low < fields.count && fields[low].key.utf8.elementsEqual(wanted)
      ? fields[low].value : Optional<LuaValue>.none
  }

  package var isEmpty: Bool { array.isEmpty && fields.isEmpty && others.isEmpty }

  /// True when the keys are 1…n and nothing else.
  package var isSequence: Bool { fields.isEmpty && others.isEmpty }

  package static func == (a: LuaTable, b: LuaTable) -> Bool {
    a.array == b.array && a.fields.elementsEqual(b.fields, by: ==) && a.others.elementsEqual(b.others, by: ==)
  }
}

/// A function held in the registry of the state that declared it.
package struct LuaReference: Sendable, Hashable {
  /// The registry slot; means something to that state only, until it is reset.
  package var slot: Int32
  /// The file and line where the function begins; nil for a host function.
  package var location: LuaLocation?

  package init(slot: Int32, location: LuaLocation? = nil) {
    self.slot = slot
    self.location = location
  }

  package static func == (a: LuaReference, b: LuaReference) -> Bool { a.slot == b.slot }
  package func hash(into hasher: inout Hasher) { hasher.combine(slot) }
}

/// A Swift object that scripts can hold and pass on but not look into, such as a trigger. It lives as long as the
/// state.
package protocol LuaObject: AnyObject, Sendable {
  /// Its type's name in error messages.
  var luaTypeName: String { get }
  /// What `tostring` gives.
  var luaDescription: String { get }
}

/// How large a value may be that comes out of Lua.
package struct LuaLimits: Sendable {
  /// Tables in tables.
  package var depth = 64
  /// Values in all.
  package var nodes = 1_000_000
  /// Bytes of the copy.
  package var bytes = 64 << 20
  /// Whether functions may be in it, as references. Otherwise one is an error.
  package var functions = true
  /// What cannot be copied (a function, a coroutine, a table in itself, one too deep, a table as a key) becomes a word
  /// in angle brackets; only what is too large is an error.
  package var lenient = false

  package init(depth: Int = 64, nodes: Int = 1_000_000, bytes: Int = 64 << 20, functions: Bool = true) {
    self.depth = depth
    self.nodes = nodes
    self.bytes = bytes
    self.functions = functions
  }
}
