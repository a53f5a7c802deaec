/// One line of an iCalendar text (RFC 5545, 3.1): `NAME;PARAMETER=value:value`.
struct ContentLine: Sendable, Hashable {
  /// In capitals.
  let name: String
  /// Names in capitals; values without their quotes.
  let parameters: [Parameter]
  let value: String
  /// Where it begins in the text: its line, counted from 1, and its byte.
  let line: Int
  let offset: Int
  /// Bytes from ``offset`` to the value.
  let valueOffset: Int

  struct Parameter: Sendable, Hashable {
    let name: String
    let value: String
  }

  /// The value of the parameter of that name, which is written in capitals.
  func parameter(_ name: String) -> String? { parameters.first { $0.name == name }?.value }
}

extension ContentLine {
  /// The lines of a text, with folded ones (continued by a space or tab) joined. Empty lines are left out, line ends
  /// may be of any kind.
  ///
  /// - Complexity: O(n).
  struct Reader {
    private let bytes: ArraySlice<UInt8>
    private var position: Int
    private var line = 1

    init(_ bytes: some Sequence<UInt8>) {
      let all = Array(bytes)
      // A byte order mark is no part of the text.
      self.bytes = all.starts(with: [0xEF, 0xBB, 0xBF]) ? all[3...] : all[...]
      position = self.bytes.startIndex
    }

    /// The next line as it was written, or `nil` at the end of the text.
    mutating func nextRaw() -> (bytes: [UInt8], line: Int, offset: Int)? {
      while position < bytes.endIndex {
        let (line, offset) = (line, position)
        var text = takePhysicalLine()
        // Joined by bytes: a fold may lie inside a character.
        while position < bytes.endIndex, bytes[position] == 32 || bytes[position] == 9 {
          position += 1
          text += takePhysicalLine()
        }
        if !text.isEmpty { return (text, line, offset) }
      }
      return nil
    }

    /// The next line, taken apart.
    mutating func next() throws(ContentLineError) -> ContentLine? {
      guard let raw = nextRaw() else { return nil }
      return try ContentLine(raw.bytes, line: raw.line, offset: raw.offset)
    }

    private mutating func takePhysicalLine() -> [UInt8] {
      let start = position
      while position < bytes.endIndex, bytes[position] != 10, bytes[position] != 13 { position += 1 }
      let text = Array(bytes[start..<position])
      if position < bytes.endIndex {
        position += bytes[position] == 13 && position + 1 < bytes.endIndex && bytes[position + 1] == 10 ? 2 : 1
        line += 1
      }
      return text
    }
  }

  /// Takes a line apart at its first colon outside quotes.
  init(_ bytes: [UInt8], line: Int, offset: Int) throws(ContentLineError) {
    func fail(_ message: String) -> ContentLineError { ContentLineError(message: message, line: line) }
    func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
    var position = 0
    func takeName() throws(ContentLineError) -> String {
      let start = position
      while position < bytes.count, bytes[position] == 45 || bytes[position].isLetterOrDigit { position += 1 }
      guard position > start else {
        let shown = String(decoding: bytes.prefix(40), as: UTF8.self)
        throw fail(
          "\"\(shown)\" is no line of a calendar; write NAME:VALUE, or begin it with a space to continue the line before"
        )
      }
      return text(start..<position).uppercased()
    }
    name = try takeName()
    var parameters: [Parameter] = []
    while position < bytes.count, bytes[position] == UInt8(ascii: ";") {
      position += 1
      let name = try takeName()
      guard position < bytes.count, bytes[position] == UInt8(ascii: "=") else {
        throw fail("the parameter \(name) has no value; write \(name)=VALUE")
      }
      position += 1
      var value: [UInt8] = []
      var isQuoted = false
      while position < bytes.count {
        let byte = bytes[position]
        if byte == UInt8(ascii: "\"") {
          isQuoted.toggle()
        } else if !isQuoted, byte == UInt8(ascii: ":") || byte == UInt8(ascii: ";") {
          break
        } else {
          value.append(byte)
        }
        position += 1
      }
      guard !isQuoted else { throw fail("a quotation mark is not closed") }
      parameters.append(Parameter(name: name, value: String(decoding: value, as: UTF8.self)))
    }
    guard position < bytes.count, bytes[position] == UInt8(ascii: ":") else {
      throw fail("\(name) has no value; write \(name):VALUE")
    }
    self.parameters = parameters
    value = text(position + 1..<bytes.count)
    valueOffset = position + 1
    self.line = line
    self.offset = offset
  }
}

/// Why a line of a calendar cannot be read: one sentence, and which line.
struct ContentLineError: Error, Sendable, Hashable {
  let message: String
  /// Counted from 1.
  let line: Int
}

extension UInt8 {
  /// Whether it is an ASCII letter or digit.
  fileprivate var isLetterOrDigit: Bool { (65...90).contains(self & 0xDF) || (48...57).contains(self) }
}
