extension LuaValue {
  /// Tables in tables, both ways.
  private static let jsonDepth = 100

  /// The value as JSON text (RFC 8259), by the rules of `json.encode` in scripts: keys 1…n are an array, string keys an
  /// object sorted by bytes, an empty table is `[]`, nil is `null`, floats keep a point or an exponent. O(n).
  ///
  /// - Throws: with the path, for a function, an object, NaN, an infinity, mixed keys, text that is not UTF-8, more
  ///   than 100 levels.
  package func json() throws(LuaError) -> String {
    var writer = JSONWriter()
    try writer.write(self, depth: Self.jsonDepth)
    // Every string was checked to be UTF-8, so nothing is repaired here.
    return String(decoding: writer.bytes, as: UTF8.self)
  }

  /// The value of a JSON text; nil when it is not JSON. `null` is nil; as the element of an array it stays in its
  /// place.
  package static func parseJSON(_ text: String) -> LuaValue? { try? LuaValue(json: text) }

  /// The value of a JSON text. Of equal keys the last one counts; an integer beyond 64 bits becomes a number. O(n).
  ///
  /// - Throws: what is wrong, with line and column.
  package init(json text: String) throws(LuaError) {
    var reader = JSONReader(Array(text.utf8))
    self = try reader.document(depth: Self.jsonDepth)
  }
}

/// Values between two looks whether the run is to end, when a worker does this.
private let lookInterval = 1_024

/// Writes JSON into bytes.
private struct JSONWriter {
  var bytes: [UInt8] = []
  private var nodes = 0
  private var path: [String] = []

  private func error(_ what: String) -> LuaError {
    var place = ""
    for step in path.prefix(8) { place += step.hasPrefix("[") || place.isEmpty ? step : "." + step }
    return LuaError(.host, place.isEmpty ? what : "\(place): \(what)")
  }

  mutating func write(_ value: LuaValue, depth: Int) throws(LuaError) {
    nodes += 1
    if nodes % lookInterval == 0, LuaWorker.isStopping { throw error("the run is being stopped") }
    switch value {
    case .nil: bytes += "null".utf8
    case .bool(let bool): bytes += (bool ? "true" : "false").utf8
    case .integer(let integer): bytes += String(integer).utf8
    case .number(let number):
      guard number.isFinite else { throw error(number.isNaN ? "NaN has no JSON form" : "infinity has no JSON form") }
      bytes += number.description.utf8  // the shortest that reads back: 2.0, 1e+300
    case .string(let string): try write(string.bytes)
    case .table(let table): try write(table, depth: depth)
    case .function: throw error("a function has no JSON form")
    case .object(let object): throw error("a \(object.luaTypeName) has no JSON form")
    }
  }

  private mutating func write(_ table: LuaTable, depth: Int) throws(LuaError) {
    if depth == 0 { throw error("more than 100 tables in each other") }
    if let other = table.others.first {
      if case .string = other.key {
        throw error("a key is not UTF-8, which JSON text must be: write its bytes as text, such as hash.hex(key)")
      }
      throw error("a key that is neither a string nor an index without a hole before it")
    }
    if !table.fields.isEmpty && !table.array.isEmpty {
      throw error("the table has both string keys and indices; JSON has no such thing")
    }
    if table.fields.isEmpty {
      bytes.append(UInt8(ascii: "["))
      for (index, element) in table.array.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        path.append("[\(index + 1)]")
        try write(element, depth: depth - 1)
        path.removeLast()
      }
      bytes.append(UInt8(ascii: "]"))
    } else {
      bytes.append(UInt8(ascii: "{"))
      for (index, field) in table.fields.enumerated() {
        if index > 0 { bytes.append(UInt8(ascii: ",")) }
        path.append(field.key)
        try write(Array(field.key.utf8))
        bytes.append(UInt8(ascii: ":"))
        try write(field.value, depth: depth - 1)
        path.removeLast()
      }
      bytes.append(UInt8(ascii: "}"))
    }
  }

  private mutating func write(_ string: [UInt8]) throws(LuaError) {
    guard String(validating: string, as: UTF8.self) != nil else { throw error("the string is not UTF-8") }
    bytes.append(UInt8(ascii: "\""))
    for byte in string {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 8: bytes += "\\b".utf8
      case 9: bytes += "\\t".utf8
      case 10: bytes += "\\n".utf8
      case 12: bytes += "\\f".utf8
      case 13: bytes += "\\r".utf8
      case 0..<0x20: bytes += ((byte < 16 ? "\\u000" : "\\u00") + String(byte, radix: 16)).utf8
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}

/// Reads JSON from bytes that are valid UTF-8.
private struct JSONReader {
  private let bytes: [UInt8]
  private var at = 0
  private var nodes = 0

  init(_ bytes: [UInt8]) { self.bytes = bytes }

  mutating func document(depth: Int) throws(LuaError) -> LuaValue {
    skipSpace()
    let value = try value(depth: depth)
    skipSpace()
    if at < bytes.count { throw error("something after the value") }
    return value
  }

  private func error(_ what: String) -> LuaError {
    var line = 1
    var column = 1
    for byte in bytes[..<min(at, bytes.count)] {
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if byte & 0xc0 != 0x80 {
        column += 1
      }
    }
    return LuaError(.host, "line \(line), column \(column): \(what)")
  }

  /// The byte at the reading position; 0, which no token has, at the end.
  private var next: UInt8 { at < bytes.count ? bytes[at] : 0 }

  private mutating func skipSpace() {
    while at < bytes.count, [0x20, 0x0a, 0x09, 0x0d].contains(bytes[at]) { at += 1 }
  }

  private mutating func take(_ byte: UInt8) -> Bool {
    guard next == byte else { return false }
    at += 1
    return true
  }

  private mutating func value(depth: Int) throws(LuaError) -> LuaValue {
    nodes += 1
    if nodes % lookInterval == 0, LuaWorker.isStopping { throw error("the run is being stopped") }
    switch next {
    case UInt8(ascii: "{"): return try object(depth: depth)
    case UInt8(ascii: "["): return try array(depth: depth)
    case UInt8(ascii: "\""): return .string(LuaString(bytes: try string()))
    case UInt8(ascii: "t"): return try word("true", .bool(true))
    case UInt8(ascii: "f"): return try word("false", .bool(false))
    case UInt8(ascii: "n"): return try word("null", .nil)
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: throw error(at < bytes.count ? "expected a value" : "unexpected end of the text")
    }
  }

  private mutating func word(_ word: String, _ value: LuaValue) throws(LuaError) -> LuaValue {
    guard bytes[at...].starts(with: word.utf8) else { throw error("expected a value") }
    at += word.utf8.count
    return value
  }

  private mutating func array(depth: Int) throws(LuaError) -> LuaValue {
    if depth == 0 { throw error("more than 100 arrays and objects in each other") }
    at += 1
    skipSpace()
    var elements: [LuaValue] = []
    if take(UInt8(ascii: "]")) { return .table(LuaTable()) }
    while true {
      elements.append(try value(depth: depth - 1))
      skipSpace()
      if take(UInt8(ascii: "]")) { return .table(LuaTable(array: elements)) }
      guard take(UInt8(ascii: ",")) else { throw error("expected ',' or ']'") }
      skipSpace()
    }
  }

  private mutating func object(depth: Int) throws(LuaError) -> LuaValue {
    if depth == 0 { throw error("more than 100 arrays and objects in each other") }
    at += 1
    skipSpace()
    var fields: [(key: String, value: LuaValue)] = []
    if take(UInt8(ascii: "}")) { return .table(LuaTable()) }
    while true {
      guard next == UInt8(ascii: "\"") else { throw error("expected a key in quotes") }
      let key = String(decoding: try string(), as: UTF8.self)
      skipSpace()
      guard take(UInt8(ascii: ":")) else { throw error("expected ':'") }
      skipSpace()
      fields.append((key: key, value: try value(depth: depth - 1)))
      skipSpace()
      if take(UInt8(ascii: "}")) { return .table(LuaTable(fields: fields)) }
      guard take(UInt8(ascii: ",")) else { throw error("expected ',' or '}'") }
      skipSpace()
    }
  }

  private var isDigit: Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) }

  private mutating func digits(_ what: String) throws(LuaError) {
    guard isDigit else { throw error(what) }
    while isDigit { at += 1 }
  }

  private mutating func number() throws(LuaError) -> LuaValue {
    let start = at
    var isInteger = true
    _ = take(UInt8(ascii: "-"))
    if take(UInt8(ascii: "0")) {
      if isDigit { throw error("a number must not begin with 0") }
    } else {
      try digits("expected a digit")
    }
    if take(UInt8(ascii: ".")) {
      isInteger = false
      try digits("expected a digit after the point")
    }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      isInteger = false
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      try digits("expected a digit in the exponent")
    }
    let text = String(decoding: bytes[start..<at], as: UTF8.self)
    if isInteger, text != "-0", let integer = Int64(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else {
      at = start
      throw error("the number is too large")
    }
    return .number(number)
  }

  private mutating func hexadecimal() throws(LuaError) -> UInt32 {
    var value: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(next)).hexDigitValue, next < 0x80 else {
        throw error("expected four hexadecimal digits after \\u")
      }
      value = value * 16 + UInt32(digit)
      at += 1
    }
    return value
  }

  private mutating func string() throws(LuaError) -> [UInt8] {
    at += 1
    var result: [UInt8] = []
    while true {
      guard at < bytes.count else { throw error("the string has no end") }
      let byte = bytes[at]
      if byte < 0x20 { throw error("a control character in a string; write it as an escape") }
      at += 1
      if byte == UInt8(ascii: "\"") { return result }
      if byte == UInt8(ascii: "\\") { try escape(into: &result) } else { result.append(byte) }
    }
  }

  private mutating func escape(into result: inout [UInt8]) throws(LuaError) {
    guard at < bytes.count else { throw error("the string has no end") }
    let byte = bytes[at]
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): result.append(byte)
    case UInt8(ascii: "b"): result.append(8)
    case UInt8(ascii: "t"): result.append(9)
    case UInt8(ascii: "n"): result.append(10)
    case UInt8(ascii: "f"): result.append(12)
    case UInt8(ascii: "r"): result.append(13)
    case UInt8(ascii: "u"):
      at += 1
      var code = try hexadecimal()
      if (0xd800..<0xdc00).contains(code) {
        guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else {
          throw error("a high surrogate without a low one after it")
        }
        let low = try hexadecimal()
        guard (0xdc00..<0xe000).contains(low) else { throw error("a high surrogate without a low one after it") }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw error("a low surrogate without a high one before it") }
      result += String(Character(scalar)).utf8
      return
    default: throw error("no such escape in JSON")
    }
    at += 1
  }
}
