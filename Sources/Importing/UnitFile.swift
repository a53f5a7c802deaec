internal import Chronology

/// A unit file of systemd: sections with `Key=value` lines, as `systemd.syntax(7)` describes them.
///
/// Pure; any thread.
struct UnitFile: Sendable {
  struct Setting: Sendable, Hashable {
    var section: String
    var key: String
    var value: String
  }

  /// All settings in their order; a line that ends in a backslash goes on in the next one.
  let settings: [Setting]
  /// Whether there is nothing at all in it.
  let isEmpty: Bool

  init(_ text: String) {
    isEmpty = text.isEmpty
    var settings: [Setting] = []
    var section = ""
    var pending = ""
    for line in text.fileLines {
      var line = UnitFile.trimmed(line)
      // Comments may stand between the parts of a continued line.
      if line.hasPrefix("#") || line.hasPrefix(";") { continue }
      if line.hasSuffix("\\") {
        pending += line.dropLast() + " "
        continue
      }
      line = UnitFile.trimmed((pending + line)[...])
      pending = ""
      if line.hasPrefix("["), line.hasSuffix("]") {
        section = String(line.dropFirst().dropLast())
      } else if let equals = line.firstIndex(of: "=") {
        let key = UnitFile.trimmed(line[..<equals])
        settings.append(
          Setting(section: section, key: key, value: UnitFile.trimmed(line[line.index(after: equals)...])))
      }
    }
    self.settings = settings
  }

  /// The values of a key that may be given several times; an empty one takes back those before it.
  func values(_ section: String, _ key: String) -> [String] {
    var values: [String] = []
    for setting in settings where setting.section == section && setting.key == key {
      if setting.value.isEmpty { values = [] } else { values.append(setting.value) }
    }
    return values
  }

  /// The settings of several keys of which an empty one takes back all before it, whichever key they have.
  func settings(_ section: String, of keys: Set<String>) -> [Setting] {
    var kept: [Setting] = []
    for setting in settings where setting.section == section && keys.contains(setting.key) {
      if setting.value.isEmpty { kept = [] } else { kept.append(setting) }
    }
    return kept
  }

  /// The last value of a key.
  func value(_ section: String, _ key: String) -> String? { values(section, key).last }

  /// Whether a key is `yes`, `true`, `on` or `1`.
  func flag(_ section: String, _ key: String) -> Bool {
    ["yes", "true", "on", "1", "y", "t"].contains(value(section, key)?.lowercased() ?? "")
  }

  private static func trimmed(_ text: Substring) -> String {
    let isBlank = { (character: Character) in character == " " || character == "\t" || character == "\r" }
    var text = text.drop(while: isBlank)
    while let last = text.last, isBlank(last) { text = text.dropLast() }
    return String(text)
  }

  private static func trimmed(_ text: String) -> String { trimmed(text[...]) }
}

/// The small languages inside of unit files.
enum UnitText {
  /// Words of `Environment=` or of a variable: blanks part them, quotes of either kind hold them together, and C
  /// escapes are read; `nil` when a quote is not closed.
  static func words(_ text: String) -> [String]? {
    var rest = Array(text.utf8)[...]
    var words: [String] = []
    while let word = nextWord(&rest) {
      guard let text = word else { return nil }
      words.append(text)
    }
    return words
  }

  /// The commands of an `Exec…=` line, in words: a `;` of its own parts them, `\;` is a semicolon.
  static func commands(_ text: String) -> [[String]]? {
    var rest = Array(text.utf8)[...]
    var commands: [[String]] = [[]]
    while true {
      rest = rest.drop(while: isBlank)
      if isAlone(";", rest) {
        rest = rest.dropFirst()
        commands.append([])
      } else if isAlone("\\;", rest) {
        rest = rest.dropFirst(2)
        commands[commands.count - 1].append(";")
      } else if let word = nextWord(&rest) {
        guard let text = word else { return nil }
        commands[commands.count - 1].append(text)
      } else {
        return commands.filter { !$0.isEmpty }
      }
    }
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 32 || byte == 9 || byte == 10 || byte == 13 }

  private static func isAlone(_ word: String, _ rest: ArraySlice<UInt8>) -> Bool {
    guard rest.starts(with: word.utf8) else { return false }
    return rest.dropFirst(word.utf8.count).first.map(isBlank) ?? true
  }

  /// Takes a word from the front: `nil` at the end, and `.some(nil)` where a quote is not closed.
  private static func nextWord(_ rest: inout ArraySlice<UInt8>) -> String?? {
    rest = rest.drop(while: isBlank)
    guard !rest.isEmpty else { return nil }
    var word: [UInt8] = []
    var quote: UInt8?
    while let byte = rest.popFirst() {
      if byte == UInt8(ascii: "\\") {
        guard !rest.isEmpty else { return .some(nil) }
        word += escape(&rest)
      } else if byte == quote {
        quote = nil
      } else if quote == nil, byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") {
        quote = byte
      } else if quote == nil, isBlank(byte) {
        break
      } else {
        word.append(byte)
      }
    }
    return quote == nil ? .some(String(decoding: word, as: UTF8.self)) : .some(nil)
  }

  private static let escapes: [UInt8: UInt8] = [
    UInt8(ascii: "a"): 7, UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12, UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13,
    UInt8(ascii: "t"): 9, UInt8(ascii: "v"): 11, UInt8(ascii: "s"): 32, UInt8(ascii: "\\"): 92, 34: 34, 39: 39,
  ]

  /// What a backslash and the bytes that follow it stand for; where they are no escape of C, they are themselves.
  private static func escape(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
    guard let letter = rest.first else { return [92] }
    if let byte = escapes[letter] {
      rest = rest.dropFirst()
      return [byte]
    }
    func number(_ digits: ArraySlice<UInt8>, _ count: Int, radix: Int) -> UInt32? {
      let isSigned = digits.first == UInt8(ascii: "+") || digits.first == UInt8(ascii: "-")
      guard digits.count == count, !isSigned else { return nil }
      // A NUL would end the string.
      return UInt32(String(decoding: digits, as: UTF8.self), radix: radix).flatMap { $0 == 0 ? nil : $0 }
    }
    let after = rest.dropFirst()
    if letter == UInt8(ascii: "x"), let value = number(after.prefix(2), 2, radix: 16) {
      rest = after.dropFirst(2)
      return [UInt8(truncatingIfNeeded: value)]
    }
    if (48...51).contains(letter), let value = number(rest.prefix(3), 3, radix: 8), value < 256 {
      rest = rest.dropFirst(3)
      return [UInt8(truncatingIfNeeded: value)]
    }
    for (name, count) in [(UInt8(ascii: "u"), 4), (UInt8(ascii: "U"), 8)] where letter == name {
      guard let value = number(after.prefix(count), count, radix: 16), let scalar = Unicode.Scalar(value) else { break }
      rest = after.dropFirst(count)
      return Array(String(Character(scalar)).utf8)
    }
    return [92]
  }

  /// A time span of `systemd.time(7)` in nanoseconds: `1h 30min`, `15min`, `2 weeks`, `90` (seconds); `nil` when it is
  /// none, or has no end.
  static func span(_ text: String) -> Int64? {
    var total = 0.0
    var rest = text[...]
    var isEmpty = true
    while true {
      rest = rest.drop { $0 == " " || $0 == "\t" }
      guard !rest.isEmpty else { break }
      let digits = rest.prefix { $0.isASCII && ($0.isNumber || $0 == ".") }
      guard let number = Double(digits) else { return nil }
      rest = rest.dropFirst(digits.count).drop { $0 == " " }
      let unit = rest.prefix { $0.isLetter }
      rest = rest.dropFirst(unit.count)
      guard let seconds = units[String(unit)] else { return nil }
      total += number * seconds
      isEmpty = false
    }
    return isEmpty ? nil : Int64(exactly: (total * 1e9).rounded())
  }

  /// Seconds by name.
  private static let units: [String: Double] = [
    "": 1, "usec": 1e-6, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "nsec": 1e-9, "ns": 1e-9, "msec": 1e-3, "ms": 1e-3,
    "seconds": 1,
    "second": 1, "sec": 1, "s": 1, "minutes": 60, "minute": 60, "min": 60, "m": 60, "hours": 3600, "hour": 3600,
    "hr": 3600,
    "h": 3600, "days": 86_400, "day": 86_400, "d": 86_400, "weeks": 604_800, "week": 604_800, "w": 604_800,
    "months": 2_629_800, "month": 2_629_800, "M": 2_629_800, "years": 31_557_600, "year": 31_557_600, "y": 31_557_600,
  ]
}
