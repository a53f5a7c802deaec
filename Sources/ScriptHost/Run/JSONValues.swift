package import JobModel
package import Lua

extension JSONText {
  /// A Lua value as JSON.
  ///
  /// A table with the keys 1…n is an array, one with string keys an object with its keys sorted; an empty one is `[]`. Refused are
  /// functions and objects, NaN and infinities, tables with both kinds of keys or others, strings that are not UTF-8, nesting deeper than
  /// 100, and more than `limit` bytes. O(n).
  package static func encoding(_ value: LuaValue, limit: Int) -> Result<JSONText, HostRefusal> {
    var writer = JSONWriter(limit: limit)
    do throws(HostRefusal) {
      try writer.write(value, depth: 0)
    } catch {
      return .failure(error)
    }
    return .success(JSONText(String(decoding: writer.bytes, as: UTF8.self)))
  }
}

extension LuaValue {
  /// A JSON document as a Lua value; nil when it is not JSON. `null` becomes nil: a field with it is absent.
  init?(json: JSONText) {
    guard case .success(let value) = Self.decodingJSON(Array(json.text.utf8)) else { return nil }
    self = value
  }

  /// A JSON document (RFC 8259, strictly) as a Lua value, or why it is none, with line and column. Whole numbers beyond 64 bits become
  /// floats; of equal keys the last one counts. O(n).
  package static func decodingJSON(_ bytes: [UInt8]) -> Result<LuaValue, HostRefusal> {
    var reader = JSONReader(bytes)
    do throws(HostRefusal) {
      return .success(try reader.document())
    } catch {
      return .failure(error)
    }
  }
}

/// How deep arrays and objects may be nested.
private let depthLimit = 100

private struct JSONWriter {
  var bytes: [UInt8] = []
  let limit: Int
  private static let digits = Array("0123456789abcdef".utf8)

  init(limit: Int) { self.limit = limit }

  mutating func write(_ value: LuaValue, depth: Int) throws(HostRefusal) {
    guard depth <= depthLimit else { throw HostRefusal("it is nested deeper than \(depthLimit), or contains itself") }
    switch value {
    case .nil: put("null")
    case .bool(let flag): put(flag ? "true" : "false")
    case .integer(let number): put(String(number))
    case .number(let number):
      guard number.isFinite else { throw HostRefusal("\(number) cannot be written as JSON") }
      put(String(number))
    case .string(let string): try write(string.bytes)
    case .table(let table): try write(table, depth: depth)
    case .function, .object: throw HostRefusal("\(value.typeName) cannot be written as JSON")
    }
    guard bytes.count <= limit else { throw HostRefusal("it has more than \(limit) bytes as JSON, which is the limit") }
  }

  private mutating func write(_ table: LuaTable, depth: Int) throws(HostRefusal) {
    guard table.others.isEmpty else {
      throw HostRefusal("a table's keys must be strings, or 1 to n without a hole, to be written as JSON")
    }
    guard table.array.isEmpty || table.fields.isEmpty else {
      throw HostRefusal("a table with both list items and named fields (such as \"\(table.fields[0].key)\") cannot be "
        + "written as JSON: put the items into a field of their own")
    }
    if table.fields.isEmpty {
      put("[")
      for (index, item) in table.array.enumerated() {
        if index > 0 { put(",") }
        try write(item, depth: depth + 1)
      }
      put("]")
    } else {
      put("{")
      for (index, field) in table.fields.enumerated() {
        if index > 0 { put(",") }
        try write(Array(field.key.utf8))
        put(":")
        try write(field.value, depth: depth + 1)
      }
      put("}")
    }
  }

  private mutating func put(_ text: String) { bytes += text.utf8 }

  private mutating func write(_ string: [UInt8]) throws(HostRefusal) {
    guard String(validating: string, as: UTF8.self) != nil else {
      throw HostRefusal("a string that is not UTF-8 cannot be written as JSON: use hash.base64")
    }
    bytes.append(UInt8(ascii: "\""))
    for byte in string {
      switch byte {
      case UInt8(ascii: "\""): put("\\\"")
      case UInt8(ascii: "\\"): put("\\\\")
      case 8: put("\\b")
      case 9: put("\\t")
      case 10: put("\\n")
      case 12: put("\\f")
      case 13: put("\\r")
      case 0..<0x20:
        put("\\u00")
        bytes.append(Self.digits[Int(byte >> 4)])
        bytes.append(Self.digits[Int(byte & 15)])
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}

private struct JSONReader {
  private let bytes: [UInt8]
  private var at = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func document() throws(HostRefusal) -> LuaValue {
    let value = try value(depth: 0)
    skipSpace()
    guard at == bytes.count else { throw problem("there is more after the end of the value") }
    return value
  }

  private func problem(_ text: String) -> HostRefusal {
    let before = bytes[..<min(at, bytes.count)]
    let line = before.reduce(1) { $0 + ($1 == 10 ? 1 : 0) }
    let column = before.count - (before.lastIndex(of: 10).map { $0 + 1 } ?? 0) + 1
    return HostRefusal("line \(line), column \(column): \(text)")
  }

  private var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func skipSpace() {
    while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { at += 1 }
  }

  private mutating func value(depth: Int) throws(HostRefusal) -> LuaValue {
    skipSpace()
    guard depth <= depthLimit else { throw problem("nested deeper than \(depthLimit)") }
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(LuaString(bytes: try string()))
    case UInt8(ascii: "t"): return try word("true", true)
    case UInt8(ascii: "f"): return try word("false", false)
    case UInt8(ascii: "n"): return try word("null", .nil)
    case UInt8(ascii: "-"), (UInt8(ascii: "0")...UInt8(ascii: "9"))?: return try number()
    case nil: throw problem("the text ends where a value should be")
    default: throw problem("expected a value")
    }
  }

  private mutating func word(_ text: String, _ value: LuaValue) throws(HostRefusal) -> LuaValue {
    guard bytes[at...].starts(with: text.utf8) else { throw problem("expected \(text)") }
    at += text.utf8.count
    return value
  }

  private mutating func object(depth: Int) throws(HostRefusal) -> LuaValue {
    at += 1
    var fields: [(key: String, value: LuaValue)] = []
    skipSpace()
    if next == UInt8(ascii: "}") {
      at += 1
      return .table(LuaTable())
    }
    while true {
      skipSpace()
      guard next == UInt8(ascii: "\"") else { throw problem("expected a key in quotes") }
      let key = String(decoding: try string(), as: UTF8.self)
      skipSpace()
      guard next == UInt8(ascii: ":") else { throw problem("expected : after the key") }
      at += 1
      fields.append((key, try value(depth: depth + 1)))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): at += 1
      case UInt8(ascii: "}"):
        at += 1
        return .table(LuaTable(fields: fields))
      default: throw problem("expected , or } in an object")
      }
    }
  }

  private mutating func array(depth: Int) throws(HostRefusal) -> LuaValue {
    at += 1
    var items: [LuaValue] = []
    skipSpace()
    if next == UInt8(ascii: "]") {
      at += 1
      return .table(LuaTable())
    }
    while true {
      items.append(try value(depth: depth + 1))
      skipSpace()
      switch next {
      case UInt8(ascii: ","): at += 1
      case UInt8(ascii: "]"):
        at += 1
        return .table(LuaTable(array: items))
      default: throw problem("expected , or ] in an array")
      }
    }
  }

  private mutating func number() throws(HostRefusal) -> LuaValue {
    let start = at
    var isWhole = true
    if next == UInt8(ascii: "-") { at += 1 }
    if next == UInt8(ascii: "0") { at += 1 } else { try digits() }
    if next == UInt8(ascii: ".") {
      isWhole = false
      at += 1
      try digits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      isWhole = false
      at += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
      try digits()
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isWhole, let integer = Int64(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else { throw problem("the number is too large") }
    return .number(number)
  }

  private mutating func digits() throws(HostRefusal) {
    let start = at
    while let byte = next, (48...57).contains(byte) { at += 1 }
    guard at > start else { throw problem("expected a digit") }
  }

  private mutating func string() throws(HostRefusal) -> [UInt8] {
    at += 1
    var text: [UInt8] = []
    let start = at
    while let byte = next {
      switch byte {
      case UInt8(ascii: "\""):
        at += 1
        guard String(validating: text, as: UTF8.self) != nil else {
          at = start
          throw problem("the string is not UTF-8")
        }
        return text
      case UInt8(ascii: "\\"): try escape(into: &text)
      case 0..<0x20: throw problem("a control character in a string must be written as \\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))")
      default:
        text.append(byte)
        at += 1
      }
    }
    throw problem("the text ends inside a string")
  }

  private mutating func escape(into text: inout [UInt8]) throws(HostRefusal) {
    at += 1
    let letter = next
    at += 1
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(letter!)
    case UInt8(ascii: "b"): text.append(8)
    case UInt8(ascii: "f"): text.append(12)
    case UInt8(ascii: "n"): text.append(10)
    case UInt8(ascii: "r"): text.append(13)
    case UInt8(ascii: "t"): text.append(9)
    case UInt8(ascii: "u"):
      var code = try fourDigits()
      if (0xD800..<0xDC00).contains(code), bytes[at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
        at += 2
        let low = try fourDigits()
        guard (0xDC00..<0xE000).contains(low) else { throw problem("half of a surrogate pair is missing") }
        code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw problem("half of a surrogate pair is missing") }
      text += Array(String(Character(scalar)).utf8)
    default:
      at -= 1
      throw problem("unknown escape in a string")
    }
  }

  private mutating func fourDigits() throws(HostRefusal) -> UInt32 {
    guard at + 4 <= bytes.count, let code = UInt32(String(decoding: bytes[at..<(at + 4)], as: UTF8.self), radix: 16),
      bytes[at] != UInt8(ascii: "+")
    else { throw problem("expected four hexadecimal digits after \\u") }
    at += 4
    return code
  }
}
