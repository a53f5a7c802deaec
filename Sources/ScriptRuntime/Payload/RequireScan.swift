/// The modules that a text asks for by a literal name: `require "net.retry"`, `require("net.retry")`.
///
/// A lexer's look and no more: comments and strings are passed over, names that are made at run time are not seen.
package struct RequireScan {
  /// A name, and the line that it stands in.
  package struct Request: Equatable {
    package let name: String
    package let line: Int
  }

  private let bytes: [UInt8]
  private var at = 0
  private var line = 1
  private var requests: [Request] = []

  /// All of them, in the order of the text. O(number of bytes).
  package static func requests(in bytes: [UInt8]) -> [Request] {
    var scan = RequireScan(bytes: bytes)
    scan.run()
    return scan.requests
  }

  private init(bytes: [UInt8]) { self.bytes = bytes }

  private mutating func run() {
    while at < bytes.count {
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "-") where peek(1) == UInt8(ascii: "-"): skipComment()
      case UInt8(ascii: "\""), UInt8(ascii: "'"): _ = takeString()
      case UInt8(ascii: "["): if takeLong() == nil { advance() }
      case _ where Self.isWord(byte): takeWord()
      default: advance()
      }
    }
  }

  private func peek(_ offset: Int) -> UInt8 { at + offset < bytes.count ? bytes[at + offset] : 0 }

  private mutating func advance() {
    guard at < bytes.count else { return }
    if bytes[at] == 10 { line += 1 }
    at += 1
  }

  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private mutating func skipComment() {
    at += 2
    if peek(0) == UInt8(ascii: "["), takeLong() != nil { return }
    while at < bytes.count, bytes[at] != 10 { at += 1 }
  }

  private mutating func skipSpace() {
    while at < bytes.count {
      if peek(0) == UInt8(ascii: "-"), peek(1) == UInt8(ascii: "-") {
        skipComment()
      } else if bytes[at] == 32 || (9...13).contains(bytes[at]) {
        advance()
      } else {
        return
      }
    }
  }

  private mutating func takeWord() {
    let start = at
    while at < bytes.count, Self.isWord(bytes[at]) { at += 1 }
    guard bytes[start..<at].elementsEqual("require".utf8) else { return }
    // `loader.require "x"` is something else.
    if start > 0, bytes[start - 1] == UInt8(ascii: ".") || bytes[start - 1] == UInt8(ascii: ":") { return }
    let place = line
    skipSpace()
    if peek(0) == UInt8(ascii: "(") {
      advance()
      skipSpace()
    }
    let name: [UInt8]?
    switch peek(0) {
    case UInt8(ascii: "\""), UInt8(ascii: "'"): name = takeString()
    case UInt8(ascii: "["): name = takeLong()
    default: name = nil
    }
    guard let name else { return }
    // `require("plugins." .. kind)` names no module.
    skipSpace()
    if peek(0) == UInt8(ascii: "."), peek(1) == UInt8(ascii: ".") { return }
    requests.append(Request(name: String(decoding: name, as: UTF8.self), line: place))
  }

  /// The bytes of a short string, or nil when it has escapes or no end.
  private mutating func takeString() -> [UInt8]? {
    let quote = bytes[at]
    at += 1
    let start = at
    var isPlain = true
    while at < bytes.count, bytes[at] != quote {
      if bytes[at] == 10 { return nil }
      if bytes[at] == UInt8(ascii: "\\") {
        isPlain = false
        advance()
        if at == bytes.count { return nil }
      }
      advance()
    }
    guard at < bytes.count else { return nil }
    defer { at += 1 }
    return isPlain ? Array(bytes[start..<at]) : nil
  }

  /// The bytes of a `[[long string]]`; nil when none begins here, and then nothing is taken, or when it has no end.
  private mutating func takeLong() -> [UInt8]? {
    var level = 0
    while peek(1 + level) == UInt8(ascii: "=") { level += 1 }
    guard peek(1 + level) == UInt8(ascii: "[") else { return nil }
    at += level + 2
    let start = at
    while at < bytes.count {
      if bytes[at] == UInt8(ascii: "]"), peek(level + 1) == UInt8(ascii: "]"),
        (0..<level).allSatisfy({ peek($0 + 1) == UInt8(ascii: "=") })
      {
        let text = Array(bytes[start..<at])
        at += level + 2
        return text
      }
      advance()
    }
    return nil
  }
}
