/// Whether a text is one JSON document, as RFC 8259 has it: for texts that come from somewhere that may send anything.
///
/// Without recursion; O(n) time, and a byte of memory for each level of nesting.
package struct JSONCheck {
  /// Levels of arrays and objects inside one another.
  package static let deepest = 1_000

  package static func isDocument(_ text: String) -> Bool {
    var check = JSONCheck(Array(text.utf8))
    return check.document()
  }

  private let bytes: [UInt8]
  private var at = 0
  /// What is open: true for an object.
  private var open: [Bool] = []

  private init(_ bytes: [UInt8]) { self.bytes = bytes }

  private var byte: UInt8? { at < bytes.count ? bytes[at] : nil }

  private mutating func take(_ wanted: UInt8) -> Bool {
    guard byte == wanted else { return false }
    at += 1
    return true
  }

  private mutating func skipSpace() {
    while let byte, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { at += 1 }
  }

  private mutating func document() -> Bool {
    while true {
      skipSpace()
      guard let first = byte else { return false }
      var isWhole = true
      switch first {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        at += 1
        guard open.count < Self.deepest else { return false }
        let isObject = first == UInt8(ascii: "{")
        skipSpace()
        if take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) { break }
        open.append(isObject)
        if isObject, !key() { return false }
        isWhole = false
      case UInt8(ascii: "\""): if !string() { return false }
      case UInt8(ascii: "t"): if !word("true") { return false }
      case UInt8(ascii: "f"): if !word("false") { return false }
      case UInt8(ascii: "n"): if !word("null") { return false }
      default: if !number() { return false }
      }
      if isWhole, let end = close() { return end }
    }
  }

  /// Behind a value: whether the document is over and whole; nil: another value follows.
  private mutating func close() -> Bool? {
    while true {
      skipSpace()
      guard let isObject = open.last else { return at == bytes.count }
      if take(UInt8(ascii: ",")) {
        if isObject, !key() { return false }
        return nil
      }
      guard take(isObject ? UInt8(ascii: "}") : UInt8(ascii: "]")) else { return false }
      open.removeLast()
    }
  }

  /// The name of a member and its colon.
  private mutating func key() -> Bool {
    skipSpace()
    guard string() else { return false }
    skipSpace()
    return take(UInt8(ascii: ":"))
  }

  private mutating func string() -> Bool {
    guard take(UInt8(ascii: "\"")) else { return false }
    while let next = byte {
      at += 1
      switch next {
      case UInt8(ascii: "\""): return true
      case 0..<0x20: return false
      case UInt8(ascii: "\\"):
        guard let escaped = byte else { return false }
        at += 1
        guard escaped == UInt8(ascii: "u") else {
          if !"\"\\/bfnrt".utf8.contains(escaped) { return false }
          continue
        }
        guard at + 4 <= bytes.count, bytes[at..<at + 4].allSatisfy(Self.isHexadecimal) else { return false }
        at += 4
      default: break
      }
    }
    return false
  }

  private static func isHexadecimal(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x46, 0x61...0x66: true
    default: false
    }
  }

  private mutating func word(_ word: StaticString) -> Bool {
    let wanted = Array("\(word)".utf8)
    guard bytes[at...].starts(with: wanted) else { return false }
    at += wanted.count
    return true
  }

  private mutating func digits() -> Bool {
    let first = at
    while let byte, (0x30...0x39).contains(byte) { at += 1 }
    return at > first
  }

  private mutating func number() -> Bool {
    _ = take(UInt8(ascii: "-"))
    if !take(UInt8(ascii: "0")), !digits() { return false }
    if take(UInt8(ascii: ".")), !digits() { return false }
    if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
      if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
      return digits()
    }
    return true
  }
}
