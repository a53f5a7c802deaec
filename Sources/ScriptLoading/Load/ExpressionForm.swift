internal import Chronology
internal import Triggers

/// What a text that should be a trigger looks like, before Lua is asked: Lua's own words for what is no Lua
/// (`<eof> expected near '3'`) help nobody.
enum ExpressionForm: Equatable {
  /// A cron expression, right or wrong.
  case cron
  /// Something that a trigger can be made of, or that is none: how to write it.
  case other(String)
  /// An expression of Lua, as far as one can see.
  case lua

  init(_ text: String) {
    let words = text.split { $0 == " " || $0 == "\t" || $0.isNewline }.map(String.init)
    guard let first = words.first else {
      self = .other("it is empty; write a trigger like cron \"0 9 * * mon-fri\" or every \"90s\"")
      return
    }
    if ExpressionForm.isCron(words) {
      self = .cron
    } else if let written = ExpressionForm.written(text.trimmed, first: first, count: words.count) {
      self = .other("\(quoted(text)) is no trigger as it stands; write \(written)")
    } else {
      self = .lua
    }
  }

  /// A nickname, or words of which each could be a field, the first one by its first letter: no Lua looks like that.
  private static func isCron(_ words: [String]) -> Bool {
    guard let first = words[0].utf8.first else { return false }
    if first == UInt8(ascii: "@") || first == UInt8(ascii: "*") { return true }
    if words[0].hasPrefix("TZ=") || words[0].hasPrefix("CRON_TZ=") { return words.count > 1 }
    let isHash = words[0] == "H" || words[0].hasPrefix("H/") || words[0].hasPrefix("H(")
    guard words.count > 1, (48...57).contains(first) || isHash || "?~".contains(words[0]) else { return false }
    let fields = words.prefix(5)
    return words.count >= 5 && (48...57).contains(first) || fields.allSatisfy(isField)
  }

  /// Whether a field of a cron expression is `H`, `H/15`, `H(0-29)`.
  static func usesHash(_ expression: String) -> Bool {
    expression.split(whereSeparator: { $0 == " " || $0 == "," }).contains {
      let item = $0.lowercased()
      return item == "h" || item.hasPrefix("h/") || item.hasPrefix("h(")
    }
  }

  private static func isField(_ word: String) -> Bool {
    guard let first = word.utf8.first else { return false }
    let letters = "*?,-/~#()".utf8
    guard word.utf8.allSatisfy({ letters.contains($0) || (48...57).contains($0) || (97...122).contains($0 | 0x20) })
    else { return false }
    if "*?~".utf8.contains(first) || (48...57).contains(first) { return true }
    let lower = word.lowercased()
    return lower == "h" || lower.hasPrefix("h/") || lower.hasPrefix("h(") || lower.hasPrefix("l")
      || names.contains(String(lower.prefix(3)))
  }

  private static let names: Set<String> = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    "sun", "mon", "tue", "wed", "thu", "fri", "sat",
  ]

  /// How to write what is meant, where that can be told: a duration, a time, a rule, an event of systemd.
  private static func written(_ text: String, first: String, count: Int) -> String? {
    if text.hasPrefix("FREQ=") || text.hasPrefix("RRULE:") || text.hasPrefix("DTSTART") {
      return "rrule \(quoted(text))"
    }
    if first == "cron" || first == "every" || first == "at" || first == "on_calendar", count > 1 {
      let rest = text.dropFirst(first.count).trimmed
      // `cron 0 3 * * *`: its text has no quotation marks.
      let text = duration(rest) ?? rest
      if let letter = rest.utf8.first, (48...57).contains(letter) || "*@".utf8.contains(letter), isTrigger(first, text)
      {
        return "\(first) \(quoted(text))"
      }
    }
    if let duration = duration(text) { return "every \(quoted(duration))" }
    if (48...57).contains(text.utf8.first ?? 0), (try? ISO8601.parse(text)) != nil { return "at \(quoted(text))" }
    let isEvent =
      text.contains("..") || text.contains(":") || count == 1 && text.utf8.allSatisfy { $0 > 96 && $0 < 123 }
    if isEvent, !text.contains("\""), !text.contains("'"), !text.contains("("), isTrigger("on_calendar", text) {
      return "on_calendar \(quoted(text))"
    }
    return nil
  }

  private static func isTrigger(_ constructor: String, _ text: String) -> Bool {
    let context = TriggerContext(zones: TimeZoneDatabase(), jobName: "job")
    return (try? TriggerBuilder.build(constructor, [.string(text)], context: context)) != nil
  }

  /// `5m` for `5m`, `5 minutes`, `every 5 min`; `nil` when it is no length of time.
  private static func duration(_ text: String) -> String? {
    if text.utf8.first.map({ (48...57).contains($0) }) != true { return nil }
    if text.contains(where: \.isLetter), (try? DurationText.parse(text)) != nil { return text }
    let words = text.split(separator: " ")
    let units = ["second": "s", "sec": "s", "minute": "m", "min": "m", "hour": "h", "day": "d", "week": "w"]
    guard words.count == 2, let number = Int(words[0]), number > 0 else { return nil }
    let unit = words[1].lowercased()
    return (units[unit] ?? units[String(unit.dropLast())]).map { "\(number)\($0)" }
  }
}

extension StringProtocol {
  /// Without the white space around it.
  fileprivate var trimmed: String {
    var text = Substring(self).drop { $0.isWhitespace }
    while text.last?.isWhitespace == true { text = text.dropLast() }
    return String(text)
  }
}
