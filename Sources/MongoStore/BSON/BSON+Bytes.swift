extension BSONDocument {
  /// As it is sent.
  var bytes: [UInt8] {
    var bytes: [UInt8] = []
    BSONWriter.write(self, to: &bytes)
    return bytes
  }

  /// The document that has the fields of several, which are given and answered as they are sent.
  static func joined(_ documents: [[UInt8]]) -> [UInt8] {
    var bytes: [UInt8] = []
    bytes.reserveCapacity(documents.reduce(0) { $0 + $1.count })
    BSONWriter.nest(in: &bytes) { bytes in
      for document in documents { bytes.append(contentsOf: document[4..<document.count - 1]) }
    }
    return bytes
  }

  /// nil: these bytes are no document.
  init?(_ bytes: [UInt8]) {
    var reader = BSONReader(bytes: bytes)
    guard let document = reader.document(depth: 0) else { return nil }
    self = document
  }
}

private enum BSONWriter {
  static func write(_ document: BSONDocument, to bytes: inout [UInt8]) {
    nest(in: &bytes) { bytes in
      for (name, value) in document.fields { write(value, named: name, to: &bytes) }
    }
  }

  /// Four bytes that say how long everything from them on is, what `body` writes, and a zero.
  static func nest(in bytes: inout [UInt8], _ body: (inout [UInt8]) -> Void) {
    let start = bytes.count
    bytes.append(contentsOf: [0, 0, 0, 0])
    body(&bytes)
    bytes.append(0)
    let length = UInt32(bytes.count - start)
    for index in 0..<4 { bytes[start + index] = UInt8(truncatingIfNeeded: length >> (8 * UInt32(index))) }
  }

  private static func number(_ number: some FixedWidthInteger, to bytes: inout [UInt8]) {
    unsafe withUnsafeBytes(of: number.littleEndian) { unsafe bytes.append(contentsOf: $0) }  // the bytes of a local
  }

  private static func write(_ value: BSON, named name: String, to bytes: inout [UInt8]) {
    bytes.append(kind(of: value))
    bytes.append(contentsOf: name.utf8)
    bytes.append(0)
    switch value {
    case .double(let value): number(value.bitPattern, to: &bytes)
    case .text(let text):
      number(Int32(text.utf8.count + 1), to: &bytes)
      bytes.append(contentsOf: text.utf8)
      bytes.append(0)
    case .document(let document): write(document, to: &bytes)
    case .encoded(let encoded): bytes.append(contentsOf: encoded)
    case .array(let values):
      nest(in: &bytes) { bytes in
        for (index, value) in values.enumerated() { write(value, named: String(index), to: &bytes) }
      }
    case .bytes(let data):
      number(Int32(data.count), to: &bytes)
      bytes.append(0)
      bytes.append(contentsOf: data)
    case .uuid(let data):
      number(Int32(data.count), to: &bytes)
      bytes.append(4)
      bytes.append(contentsOf: data)
    case .bool(let flag): bytes.append(flag ? 1 : 0)
    case .date(let time), .int(let time): number(time, to: &bytes)
    case .null, .other: break
    }
  }

  private static func kind(of value: BSON) -> UInt8 {
    switch value {
    case .double: 0x01
    case .text: 0x02
    case .document, .encoded: 0x03
    case .array: 0x04
    case .bytes, .uuid: 0x05
    case .bool: 0x08
    case .date: 0x09
    case .null, .other: 0x0a
    case .int: 0x12
    }
  }
}

/// Reads what a server sent; whatever it is, nothing is read beyond its end.
private struct BSONReader {
  let bytes: [UInt8]
  var position = 0
  /// Deeper than any server nests.
  private static let deepest = 200

  init(bytes: [UInt8]) { self.bytes = bytes }

  mutating func document(depth: Int) -> BSONDocument? {
    var fields: [(String, BSON)] = []
    guard each(depth: depth, { name, value in fields.append((name, value)) }) else { return nil }
    return BSONDocument(fields: fields)
  }

  private mutating func each(depth: Int, _ field: (String, BSON) -> Void) -> Bool {
    let start = position
    guard depth < Self.deepest, let length: Int32 = number(), length >= 5, start + Int(length) <= bytes.count else {
      return false
    }
    let end = start + Int(length) - 1
    while position < end {
      let kind = bytes[position]
      position += 1
      guard let name = name(), let value = value(of: kind, depth: depth) else { return false }
      field(name, value)
    }
    guard position == end, bytes[end] == 0 else { return false }
    position += 1
    return true
  }

  private mutating func number<Number: FixedWidthInteger>() -> Number? {
    let size = MemoryLayout<Number>.size
    guard position + size <= bytes.count else { return nil }
    var number: Number = 0
    for index in (0..<size).reversed() { number = number << 8 | Number(truncatingIfNeeded: bytes[position + index]) }
    position += size
    return number
  }

  private mutating func name() -> String? {
    guard let end = bytes[position...].firstIndex(of: 0) else { return nil }
    defer { position = end + 1 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }

  private mutating func slice(_ count: Int) -> ArraySlice<UInt8>? {
    guard count >= 0, position + count <= bytes.count else { return nil }
    defer { position += count }
    return bytes[position..<position + count]
  }

  private mutating func value(of kind: UInt8, depth: Int) -> BSON? {
    switch kind {
    case 0x01: return (number() as UInt64?).map { .double(Double(bitPattern: $0)) }
    case 0x02:
      guard let length: Int32 = number(), length > 0, let text = slice(Int(length)) else { return nil }
      return .text(String(decoding: text.dropLast(), as: UTF8.self))
    case 0x03: return document(depth: depth + 1).map { .document($0) }
    case 0x04:
      var values: [BSON] = []
      return each(depth: depth + 1, { _, value in values.append(value) }) ? .array(values) : nil
    case 0x05:
      guard let length: Int32 = number(), length >= 0, let subtype = slice(1)?.first, let data = slice(Int(length))
      else { return nil }
      return subtype == 4 ? .uuid(Array(data)) : .bytes(Array(data))
    case 0x07: return slice(12).map { _ in .other }
    case 0x08: return slice(1).map { .bool($0.first != 0) }
    case 0x09: return (number() as Int64?).map { .date($0) }
    case 0x0a: return .null
    case 0x10: return (number() as Int32?).map { .int(Int64($0)) }
    case 0x11: return slice(8).map { _ in .other }
    case 0x12: return (number() as Int64?).map { .int($0) }
    case 0x13: return slice(16).map { _ in .other }
    case 0x7f, 0xff: return .other
    default: return nil
    }
  }
}
