/// The values of one statement, in PostgreSQL's binary format, with their types.
///
/// A list is one value: an array. So a statement writes any number of rows (`FROM unnest($1, $2, …)`), and has one text
/// however many they are.
///
/// Texts are written as ``PostgresText`` says. Values whose order matters byte by byte, such as the keys of `kv`,
/// travel as `bytea`.
struct PostgresParameters {
  /// `pg_type.oid` of the types that are used.
  private enum Kind {
    static let integer: UInt32 = 20
    static let text: UInt32 = 25
    static let flag: UInt32 = 16
    static let bytes: UInt32 = 17
    static let integers: UInt32 = 1016
    static let texts: UInt32 = 1009
    static let flags: UInt32 = 1000
    static let manyBytes: UInt32 = 1001
  }

  private(set) var types: [UInt32] = []
  /// All values, one after the other.
  private(set) var storage: [UInt8] = []
  /// Where each begins, and how many bytes it has; -1: it is null.
  private(set) var spans: [(start: Int, count: Int)] = []

  init() {}

  // MARK: Single values

  mutating func add(_ value: Int64?) {
    guard let value else { return addNull(Kind.integer) }
    add(Kind.integer) { $0.append(bigEndian: value) }
  }

  mutating func add(_ value: Int?) { add(value.map(Int64.init)) }

  mutating func add(_ value: String?) {
    guard let value else { return addNull(Kind.text) }
    add(Kind.text) { $0.append(text: value) }
  }

  mutating func add(_ value: Bool) { add(Kind.flag) { $0.append(UInt8(value ? 1 : 0)) } }

  mutating func add(bytes value: some Collection<UInt8>) { add(Kind.bytes) { $0 += value } }

  // MARK: Lists

  mutating func add<Element>(_ rows: [Element], _ value: (Element) -> Int64?) {
    addArray(rows, of: Kind.integer, as: Kind.integers) { row, bytes in
      guard let value = value(row) else { return false }
      bytes.append(bigEndian: value)
      return true
    }
  }

  mutating func add<Element>(_ rows: [Element], _ value: (Element) -> String?) {
    addArray(rows, of: Kind.text, as: Kind.texts) { row, bytes in
      guard let value = value(row) else { return false }
      bytes.append(text: value)
      return true
    }
  }

  mutating func add<Element>(_ rows: [Element], _ value: (Element) -> Bool) {
    addArray(rows, of: Kind.flag, as: Kind.flags) { row, bytes in
      bytes.append(UInt8(value(row) ? 1 : 0))
      return true
    }
  }

  mutating func add<Element>(bytes rows: [Element], _ value: (Element) -> some Collection<UInt8>) {
    addArray(rows, of: Kind.bytes, as: Kind.manyBytes) { row, bytes in
      bytes += value(row)
      return true
    }
  }

  // MARK: How

  private mutating func addNull(_ type: UInt32) {
    types.append(type)
    spans.append((storage.count, -1))
  }

  private mutating func add(_ type: UInt32, _ write: (inout [UInt8]) -> Void) {
    types.append(type)
    let start = storage.count
    write(&storage)
    spans.append((start, storage.count - start))
  }

  /// An array of one dimension: dimensions, whether there may be nulls, the type, how many, the first index; then each
  /// element with its size (`array_recv` in arrayfuncs.c).
  private mutating func addArray<Element>(
    _ rows: [Element], of element: UInt32, as type: UInt32, _ write: (Element, inout [UInt8]) -> Bool
  ) {
    add(type) { bytes in
      bytes.append(bigEndian: Int32(rows.isEmpty ? 0 : 1))
      bytes.append(bigEndian: Int32(1))
      bytes.append(bigEndian: Int32(bitPattern: element))
      guard !rows.isEmpty else { return }
      bytes.append(bigEndian: Int32(truncatingIfNeeded: rows.count))
      bytes.append(bigEndian: Int32(1))
      for row in rows {
        let size = bytes.count
        bytes.append(bigEndian: Int32(-1))
        guard write(row, &bytes) else { continue }
        bytes.put(Int32(truncatingIfNeeded: bytes.count - size - 4), at: size)
      }
    }
  }
}

extension [UInt8] {
  /// Big-endian, as everything that goes over the wire.
  fileprivate mutating func append(bigEndian value: some FixedWidthInteger) {
    var shift = value.bitWidth - 8
    while shift >= 0 {
      append(UInt8(truncatingIfNeeded: value >> shift))
      shift -= 8
    }
  }

  fileprivate mutating func put(_ value: Int32, at index: Int) {
    for offset in 0..<4 { self[index + offset] = UInt8(truncatingIfNeeded: value >> (24 - 8 * Int32(offset))) }
  }

  fileprivate mutating func append(text: String) {
    let start = count
    self += text.utf8
    guard self[start...].contains(where: { $0 == 0 || $0 == PostgresText.escape[0] }) else { return }
    let written = PostgresText.escaped(self[start...])
    replaceSubrange(start..., with: written)
  }
}

/// PostgreSQL's texts cannot hold the character NUL: it is written as U+F8FA and `0`, and U+F8FA, which is nobody's
/// letter, as itself and `1`.
enum PostgresText {
  /// U+F8FA.
  static let escape: [UInt8] = [0xef, 0xa3, 0xba]

  static func escaped(_ bytes: some Collection<UInt8>) -> [UInt8] {
    var written: [UInt8] = []
    written.reserveCapacity(bytes.count + 8)
    var rest = Array(bytes)[...]
    while let byte = rest.first {
      if byte == 0 {
        written += escape + [UInt8(ascii: "0")]
        rest = rest.dropFirst()
      } else if byte == escape[0], rest.starts(with: escape) {
        written += escape + [UInt8(ascii: "1")]
        rest = rest.dropFirst(escape.count)
      } else {
        written.append(byte)
        rest = rest.dropFirst()
      }
    }
    return written
  }

  /// What was written; a text of somebody else's, in which the sign means nothing, stays as it is.
  ///
  /// By bytes: an accent that follows the sign makes one letter of both for a reader.
  static func unescaped(_ text: String) -> String {
    guard text.utf8.contains(escape[0]) else { return text }
    var read: [UInt8] = []
    read.reserveCapacity(text.utf8.count)
    var rest = Array(text.utf8)[...]
    while let byte = rest.first {
      let mark = byte == escape[0] && rest.starts(with: escape) ? rest.dropFirst(escape.count).first : nil
      switch mark {
      case UInt8(ascii: "0")?: read.append(0)
      case UInt8(ascii: "1")?: read += escape
      default:
        read.append(byte)
        rest = rest.dropFirst()
        continue
      }
      rest = rest.dropFirst(escape.count + 1)
    }
    return String(decoding: read, as: UTF8.self)
  }
}
