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

  init(_ text: String) {
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
  /// Words of a command line or of `Environment=`: blanks part them, quotes of either kind hold them together, and C
  /// escapes are read; `nil` when a quote is not closed.
  static func words(_ text: String) -> [String]? {
    var words: [String] = []
    var word = ""
    var isWord = false
    var quote: Character?
    var characters = text.makeIterator()
    while let character = characters.next() {
      switch character {
      case "\\":
        guard let next = characters.next() else { return nil }
        isWord = true
        word += ["n": "\n", "t": "\t", "s": " ", "r": "\r", "\\": "\\", "\"": "\"", "'": "'"][next] ?? "\\\(next)"
      case _ where character == quote:
        quote = nil
      case "\"", "'":
        guard quote == nil else {
          word.append(character)
          continue
        }
        quote = character
        isWord = true
      case " ", "\t":
        if quote != nil {
          word.append(character)
        } else if isWord {
          words.append(word)
          (word, isWord) = ("", false)
        }
      default:
        word.append(character)
        isWord = true
      }
    }
    guard quote == nil else { return nil }
    return isWord ? words + [word] : words
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
