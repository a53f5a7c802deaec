internal import Basics

/// The UTF-8 of an answer on its way: JSON's marks, strings and numbers, one after the other.
struct AnswerBytes {
  private var bytes: [UInt8] = []
  /// Whether a string had anything but the printable characters of ASCII.
  private var hasOthers = false

  init() { bytes.reserveCapacity(512) }

  /// The text; what does not show stands in it as JSON writes it.
  var finished: String {
    let text = String(decoding: bytes, as: UTF8.self)
    return hasOthers ? VisibleText.json(text) : text
  }

  /// A part of JSON that is made here: ASCII, and on one line.
  mutating func append(_ part: String) { bytes.append(contentsOf: part.utf8) }

  /// The name of a field, with what stands before and behind it.
  mutating func write(name: String, isFirst: Bool) {
    if !isFirst { bytes.append(UInt8(ascii: ",")) }
    write(string: name)
    bytes.append(UInt8(ascii: ":"))
  }

  mutating func write(string: String) {
    bytes.append(UInt8(ascii: "\""))
    var needsEscape = false
    var isPlain = true
    for byte in string.utf8 {
      if byte < 0x20 || byte == 0x22 || byte == 0x5C { needsEscape = true }
      if byte >= 0x7F { isPlain = false }
    }
    if !isPlain { hasOthers = true }
    // Most strings need no escape: they are copied as a whole.
    if needsEscape {
      for scalar in string.unicodeScalars { write(escaping: scalar) }
    } else {
      bytes.append(contentsOf: string.utf8)
    }
    bytes.append(UInt8(ascii: "\""))
  }

  private mutating func write(escaping scalar: Unicode.Scalar) {
    switch scalar {
    case "\"": append("\\\"")
    case "\\": append("\\\\")
    case "\n": append("\\n")
    case "\r": append("\\r")
    case "\t": append("\\t")
    case _ where scalar.value < 0x20:
      let hex = String(scalar.value, radix: 16)
      append("\\u" + String(repeating: "0", count: 4 - hex.count) + hex)
    default: bytes.append(contentsOf: UTF8.encode(scalar)!)
    }
  }

  mutating func write(number: Double) {
    // JSON has no other form for what is no number.
    append(
      number.isFinite
        ? (number == number.rounded() && abs(number) < 1e15 ? String(Int64(number)) : "\(number)") : "null")
  }
}
