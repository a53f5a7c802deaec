/// Text of others made visible: on a terminal and in a log every character shows, and none of them acts.
///
/// Names, messages, paths and rows come from scripts, files and stores. Written as they are, a line break forges a
/// record, an escape sequence drives the terminal, an override of the writing direction reverses a sentence, and an
/// invisible character makes two names look like one. Here each of those becomes its escape: `\n`, `\t` and `\r`;
/// `\x1B` for the other control characters of ASCII; `\u{9B}` for everything beyond.
///
///     VisibleText.line("a\nb\u{1B}[2J\u{202E}c")     // a\nb\x1B[2J\u{202E}c
///
/// Everything that leaves the process goes through it, and going through it twice changes nothing: a backslash stays as
/// it is, so what is written as `\n` may also have been these two characters. All functions are O(n), and free for
/// printable ASCII.
package enum VisibleText {
  /// The text as one line.
  package static func line(_ text: String) -> String { isPlain(text) ? text : escaped(text, keepsLineBreaks: false) }

  /// The same for a text of our own that has several lines: a line feed stays.
  package static func lines(_ text: String) -> String { isPlain(text) ? text : escaped(text, keepsLineBreaks: true) }

  /// A JSON document on one line: what does not show stands in it as JSON writes it, `\u001b`, and a line break or tab
  /// between its parts becomes a space. A valid document stays one, and says the same.
  package static func json(_ document: String) -> String {
    if isPlain(document) { return document }
    var text = ""
    for scalar in document.unicodeScalars {
      switch scalar {
      // RFC 8259 allows these between tokens only, never in a string.
      case "\n", "\r", "\t": text += " "
      case _ where isHidden(scalar): for unit in UTF16.encode(scalar)! { text += "\\u" + hex(UInt32(unit), width: 4) }
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text
  }

  /// Whether a character is invisible, or acts on what stands around it: control and format characters, line and
  /// paragraph separators, and whatever Unicode tells renderers to ignore.
  package static func isHidden(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.value < 0x7F { return scalar.value < 0x20 }
    if scalar.value < 0xA0 { return true }
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate: return true
    default: return scalar.properties.isDefaultIgnorableCodePoint
    }
  }

  private static func isPlain(_ text: String) -> Bool { text.utf8.allSatisfy { $0 >= 0x20 && $0 < 0x7F } }

  private static func escaped(_ text: String, keepsLineBreaks: Bool) -> String {
    var line = ""
    var isAfterSymbol = false
    for scalar in text.unicodeScalars {
      defer { isAfterSymbol = scalar.value > 0x7F && scalar.properties.isEmoji }
      // An emoji's colour is chosen by this selector, which shows.
      let isSelector = scalar.value == 0xFE0F && isAfterSymbol
      if !isHidden(scalar) || isSelector || keepsLineBreaks && scalar == "\n" {
        line.unicodeScalars.append(scalar)
      } else {
        line += escape(scalar)
      }
    }
    return line
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    case _ where scalar.value < 0x80: byte(UInt8(scalar.value))
    default: "\\u{" + hex(scalar.value, width: 1).uppercased() + "}"
    }
  }

  /// `\xE9`, as C and Lua write a byte.
  package static func byte(_ byte: UInt8) -> String { "\\x" + hex(UInt32(byte), width: 2).uppercased() }

  private static func hex(_ value: UInt32, width: Int) -> String {
    let digits = String(value, radix: 16)
    return String(repeating: "0", count: max(0, width - digits.utf8.count)) + digits
  }
}

// MARK: Columns

extension VisibleText {
  /// How many columns of a terminal a visible line takes: combining marks take none, East Asian wide characters and
  /// emoji two. What terminals disagree about (flags, joined emoji) is counted by its parts.
  package static func width(_ line: String) -> Int {
    if isPlain(line) { return line.utf8.count }
    return line.unicodeScalars.reduce(0) { $0 + width($1) }
  }

  private static func width(_ scalar: Unicode.Scalar) -> Int {
    if scalar.value < 0x300 { return 1 }
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .enclosingMark: return 0
    default: return wide.contains { $0.contains(scalar.value) } ? 2 : 1
    }
  }

  /// The blocks that Unicode's EastAsianWidth.txt has as wide or full width.
  private static let wide: [ClosedRange<UInt32>] = [
    0x1100...0x115F, 0x231A...0x231B, 0x23E9...0x23EC, 0x25FD...0x25FE, 0x2614...0x2615, 0x2648...0x2653,
    0x26A1...0x26A1, 0x26BD...0x26BE, 0x26D4...0x26D4, 0x2705...0x2705, 0x270A...0x270B, 0x2728...0x2728,
    0x274C...0x274C, 0x2753...0x2757, 0x2795...0x2797, 0x2B50...0x2B50, 0x2E80...0x303E, 0x3041...0x33FF,
    0x3400...0x4DBF, 0x4E00...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
    0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1F9FF, 0x1FA70...0x1FAFF,
    0x20000...0x3FFFD,
  ]

  /// The line with spaces after it, up to a width in columns.
  package static func padded(_ line: String, to columns: Int) -> String {
    line + String(repeating: " ", count: max(0, columns - width(line)))
  }
}
