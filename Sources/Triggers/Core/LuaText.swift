/// Writes values as Lua: in messages, and when a trigger prints itself.
package enum LuaText {
  /// A literal that Lua reads back as `value`.
  static func literal(_ value: SpecValue) -> String {
    switch value {
    case .nothing: "nil"
    case .boolean(let flag): flag ? "true" : "false"
    case .integer(let number): "\(number)"
    case .number(let number): self.number(number)
    case .string(let text): quote(text)
    case .list(let items): items.isEmpty ? "{}" : "{ " + items.map(literal).joined(separator: ", ") + " }"
    case .table(let fields): table(fields.map { ($0.key, literal($0.value)) })
    case .trigger(let trigger): trigger.lua
    }
  }

  /// `{ hour = 9, "x" }`, from keys and finished literals.
  package static func table(_ fields: [(key: String, literal: String)]) -> String {
    guard !fields.isEmpty else { return "{}" }
    let written = fields.map { field in
      if field.key.utf8.allSatisfy({ (48...57).contains($0) }) { return field.literal }
      return isName(field.key) ? "\(field.key) = \(field.literal)" : "[\(quote(field.key))] = \(field.literal)"
    }
    return "{ " + written.joined(separator: ", ") + " }"
  }

  /// A string literal.
  package static func quote(_ text: String) -> String {
    // Nearly every text: printable, and nothing to escape. A schedule's text is written for each job that is
    // registered.
    if text.utf8.allSatisfy({ $0 >= 32 && $0 < 127 && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "\\") }) {
      return "\"" + text + "\""
    }
    var literal = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": literal += "\\\""
      case "\\": literal += "\\\\"
      case "\n": literal += "\\n"
      case "\t": literal += "\\t"
      case "\r": literal += "\\r"
      default:
        if scalar.value < 32 || scalar.value == 127 {
          let digits = String(scalar.value)
          literal += "\\" + String(repeating: "0", count: 3 - digits.utf8.count) + digits
        } else {
          literal.unicodeScalars.append(scalar)
        }
      }
    }
    return literal + "\""
  }

  /// `call "text"`, or `call("text", { … })` when there are options.
  static func call(_ name: String, _ argument: String, options: [(key: String, literal: String)] = []) -> String {
    if !options.isEmpty { return "\(name)(\(argument), \(table(options)))" }
    return argument.hasPrefix("\"") || argument.hasPrefix("{") ? "\(name) \(argument)" : "\(name)(\(argument))"
  }

  private static func number(_ number: Double) -> String {
    if number.isNaN { return "(0/0)" }
    if number.isInfinite { return number < 0 ? "-math.huge" : "math.huge" }
    return "\(number)"
  }

  /// A number without a fraction where it has none: `52.52`, `-3`.
  static func plain(_ number: Double) -> String { Int(exactly: number).map { "\($0)" } ?? self.number(number) }

  private static func isName(_ text: String) -> Bool {
    let letters = text.utf8
    guard let first = letters.first, !(48...57).contains(first) else { return false }
    return letters.allSatisfy { (65...90).contains($0 & 0xDF) || (48...57).contains($0) || $0 == 95 }
      && !reserved.contains(text)
  }

  /// The words that are no names in Lua.
  static let reserved: Set<String> = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local", "nil",
    "not", "or",
    "repeat", "return", "then", "true", "until", "while",
  ]
}
