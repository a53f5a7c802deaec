/// The bytes are not what a ``WireWriter`` wrote.
package struct WireError: Error, Sendable, Equatable, CustomStringConvertible {
  /// What is wrong, without what was in the bytes.
  package var description: String
  package init(_ description: String) { self.description = description }
}

/// Reads what a ``WireWriter`` has written. Whatever the bytes are, it reads nothing beside them, takes no more memory
/// than they have, and ends with a value or an error.
package struct WireReader: Sendable {
  private let bytes: ArraySlice<UInt8>
  private var position: Int

  package init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// Bytes that are left.
  package var rest: Int { bytes.endIndex - position }

  /// Ends the reading: an error when something is left.
  package func end() throws(WireError) {
    if rest > 0 { throw WireError("\(rest) bytes more than were expected") }
  }

  private mutating func take(_ count: Int) throws(WireError) -> ArraySlice<UInt8> {
    guard count <= rest else { throw WireError("ends \(count - rest) bytes too early") }
    defer { position += count }
    return bytes[position..<position + count]
  }

  package mutating func number<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(WireError)
    -> Number
  {
    var value: Number = 0
    for (index, byte) in try take(Number.bitWidth / 8).enumerated() {
      value |= Number(truncatingIfNeeded: byte) << (8 * index)
    }
    return value
  }

  package mutating func int() throws(WireError) -> Int { Int(try number(Int64.self)) }
  package mutating func double() throws(WireError) -> Double { Double(bitPattern: try number()) }

  package mutating func bool() throws(WireError) -> Bool {
    switch try number(UInt8.self) {
    case 0: return false
    case 1: return true
    case let other: throw WireError("\(other) is neither true nor false")
    }
  }

  private mutating func count() throws(WireError) -> Int { Int(try number(UInt32.self)) }

  package mutating func byteList() throws(WireError) -> [UInt8] { Array(try take(try count())) }

  package mutating func text() throws(WireError) -> String {
    guard let text = String(validating: try take(try count()), as: UTF8.self) else {
      throw WireError("a text is not UTF-8")
    }
    return text
  }

  package mutating func optional<Value>(
    _ body: (inout WireReader) throws(WireError) -> Value
  ) throws(WireError) -> Value? {
    try bool() ? try body(&self) : nil
  }

  /// A list whose elements take at least a byte each, so that its count cannot be more than there are bytes.
  package mutating func list<Value>(
    _ body: (inout WireReader) throws(WireError) -> Value
  ) throws(WireError) -> [Value] {
    let count = try count()
    guard count <= rest else { throw WireError("a list of \(count) elements in \(rest) bytes") }
    var values: [Value] = []
    for _ in 0..<count { values.append(try body(&self)) }
    return values
  }

  package mutating func optionalText() throws(WireError) -> String? {
    try optional { reader throws(WireError) in try reader.text() }
  }
  package mutating func optionalNumber() throws(WireError) -> Int64? {
    try optional { reader throws(WireError) in try reader.number() }
  }
  package mutating func optionalInt() throws(WireError) -> Int? {
    try optional { reader throws(WireError) in try reader.int() }
  }
  package mutating func texts() throws(WireError) -> [String] {
    try list { reader throws(WireError) in try reader.text() }
  }
}
