/// The words of a Lua text, as Lua's own reader parts them: comments are gone, strings are their values.
///
/// Only for looking at scripts that have loaded: what is no Lua ends the list early and is no error.
struct LuaTokens {
  enum Token: Equatable {
    /// A name or a keyword.
    case name(String)
    case string(String)
    case number
    /// An operator or a bracket; those of several characters that matter here, `==`, `..`, `...` and `::`, are one.
    case symbol(String)
  }

  struct Located: Equatable {
    let token: Token
    /// Counted from 1.
    let line: Int
  }

  private let bytes: [UInt8]
  private var position = 0
  private var line = 1

  static func read(_ bytes: [UInt8]) -> [Located] {
    var reader = LuaTokens(bytes)
    var tokens: [Located] = []
    while let token = reader.next() { tokens.append(token) }
    return tokens
  }

  private init(_ bytes: [UInt8]) {
    self.bytes = bytes
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    // A first line for the shell.
    if position < bytes.count, bytes[position] == UInt8(ascii: "#") { skipLine() }
  }

  private var byte: UInt8? { position < bytes.count ? bytes[position] : nil }

  private func isAt(_ text: String) -> Bool { bytes[position...].starts(with: text.utf8) }

  private mutating func skipLine() {
    while let byte, byte != 10 { position += 1 }
  }

  private mutating func next() -> Located? {
    skipBlanks()
    guard let byte else { return nil }
    let start = line
    switch byte {
    case _ where LuaTokens.isLetter(byte):
      let from = position
      while let byte = self.byte, LuaTokens.isLetter(byte) || LuaTokens.isDigit(byte) { position += 1 }
      return Located(token: .name(String(decoding: bytes[from..<position], as: UTF8.self)), line: start)
    case UInt8(ascii: "\""), UInt8(ascii: "'"):
      return string(quote: byte).map { Located(token: .string($0), line: start) }
    case UInt8(ascii: "["):
      if let level = longLevel() { return long(level).map { Located(token: .string($0), line: start) } }
    case _ where LuaTokens.isDigit(byte):
      number()
      return Located(token: .number, line: start)
    default: break
    }
    for symbol in ["...", "..", "==", "::"] where isAt(symbol) {
      position += symbol.utf8.count
      return Located(token: .symbol(symbol), line: start)
    }
    position += 1
    return Located(token: .symbol(String(Character(Unicode.Scalar(byte)))), line: start)
  }

  private mutating func skipBlanks() {
    while let byte {
      if byte == 10 { line += 1 }
      if byte <= 32 {
        position += 1
      } else if isAt("--") {
        position += 2
        if let level = longLevel() { _ = long(level) } else { skipLine() }
      } else {
        return
      }
    }
  }

  /// The number of `=` between the brackets that open a long string here.
  private func longLevel() -> Int? {
    guard position < bytes.count, bytes[position] == UInt8(ascii: "[") else { return nil }
    let equals = bytes[(position + 1)...].prefix { $0 == UInt8(ascii: "=") }.count
    let cursor = position + 1 + equals
    return cursor < bytes.count && bytes[cursor] == UInt8(ascii: "[") ? equals : nil
  }

  private mutating func long(_ level: Int) -> String? {
    position += level + 2
    let start = position
    let close = Array("]\(String(repeating: "=", count: level))]".utf8)
    while position < bytes.count {
      if bytes[position...].starts(with: close) {
        defer { position += close.count }
        return String(decoding: bytes[start..<position], as: UTF8.self)
      }
      if bytes[position] == 10 { line += 1 }
      position += 1
    }
    return nil
  }

  /// A string in quotes. Escapes that matter to names and paths are read; the others stay as they are.
  private mutating func string(quote: UInt8) -> String? {
    position += 1
    var text: [UInt8] = []
    while let byte {
      position += 1
      if byte == quote { return String(decoding: text, as: UTF8.self) }
      if byte == 10 { return nil }
      guard byte == UInt8(ascii: "\\"), let next = self.byte else {
        text.append(byte)
        continue
      }
      position += 1
      if next == 10 { line += 1 }
      switch next {
      case UInt8(ascii: "z"):
        while let blank = self.byte, blank <= 32 {
          if blank == 10 { line += 1 }
          position += 1
        }
      case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"), 10: text.append(next)
      default: text += [byte, next]
      }
    }
    return nil
  }

  private mutating func number() {
    while let byte {
      let isSign = byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
      let isExponent = "eEpP".utf8.contains(position > 0 ? bytes[position - 1] : 0)
      // `1..2` is no number; Lua refuses it, and it is not met here.
      guard LuaTokens.isLetter(byte) || LuaTokens.isDigit(byte) || byte == UInt8(ascii: ".") || isSign && isExponent
      else { return }
      position += 1
    }
  }

  private static func isLetter(_ byte: UInt8) -> Bool { (97...122).contains(byte | 0x20) || byte == 95 }
  private static func isDigit(_ byte: UInt8) -> Bool { (48...57).contains(byte) }
}
