/// Reads trigger expressions without Lua: calls of constructors with literal arguments, as in
/// `any_of { cron("0 3 * * *", { timezone = "Europe/Berlin" }), every "90s" }`.
///
/// That is the form in which triggers print and store themselves, and nearly everything that people type. Variables,
/// arithmetic and functions need a Lua state; for those ``parse(_:context:)`` throws ``NotLiteral``, and the caller may
/// turn to one. A bare cron expression (`0 3 * * *`) is read as `cron "0 3 * * *"`.
package enum TriggerText {
  /// The text is not a constructor call with literals: one sentence, and where (in bytes).
  package struct NotLiteral: Error, Sendable, CustomStringConvertible {
    package let message: String
    package let position: Int
    package var description: String { message }
  }

  /// The trigger that `text` writes. Throws ``TriggerError`` when a constructor refuses its arguments, ``NotLiteral``
  /// when the text is not in this form.
  package static func parse(_ text: String, context: TriggerContext) throws -> BuiltTrigger {
    if isBareCron(text) { return try TriggerBuilder.build("cron", [.string(text)], context: context) }
    var reader = LuaLiteralReader(text, context: context)
    let value = try reader.expression(depth: 0)
    try reader.expectEnd()
    guard case .trigger(let trigger) = value else {
      throw NotLiteral(message: "expected a trigger like cron \"0 3 * * *\", not \(value.typeName)", position: 0)
    }
    return BuiltTrigger(trigger, notes: reader.notes)
  }

  /// Whether the text looks like a cron expression rather than a call.
  private static func isBareCron(_ text: String) -> Bool {
    guard let first = text.utf8.first(where: { $0 != 32 }) else { return false }
    return "*@?0123456789".utf8.contains(first) || text.hasPrefix("CRON_TZ=") || text.hasPrefix("TZ=")
  }
}

/// A recursive reader of Lua's literals and of calls of trigger constructors.
struct LuaLiteralReader {
  private typealias NotLiteral = TriggerText.NotLiteral

  private let bytes: [UInt8]
  private var position = 0
  private let context: TriggerContext
  private(set) var notes: [TriggerNote] = []

  /// More than the longest and deepest text that a trigger of a script can have (docs/security.md).
  private static let longest = 8 << 20
  private static let deepest = 200

  init(_ text: String, context: TriggerContext) {
    bytes = Array(text.utf8.prefix(LuaLiteralReader.longest))
    self.context = context
  }

  private func fail(_ message: String) -> NotLiteral { NotLiteral(message: message, position: position) }

  mutating func expectEnd() throws {
    skipSpace()
    guard position == bytes.count else {
      throw fail(
        "unexpected text \"\(String(decoding: bytes[position...].prefix(40), as: UTF8.self))\" after the trigger")
    }
  }

  mutating func expression(depth: Int) throws -> SpecValue {
    guard depth < LuaLiteralReader.deepest else { throw fail("the expression is nested too deeply") }
    skipSpace()
    guard position < bytes.count else { throw fail("the expression ends too early") }
    switch bytes[position] {
    case UInt8(ascii: "\""), UInt8(ascii: "'"):
      return .string(try quoted())
    case UInt8(ascii: "{"):
      return try table(depth: depth)
    case UInt8(ascii: "["):
      return .string(try longBracket())
    case UInt8(ascii: "-"), UInt8(ascii: "."), 48...57:
      return try number()
    case let byte where isNameStart(byte):
      return try named(depth: depth)
    default:
      throw fail("unexpected \"\(String(decoding: bytes[position...].prefix(1), as: UTF8.self))\"")
    }
  }

  /// `nil`, `true`, `false`, or a constructor with its arguments.
  private mutating func named(depth: Int) throws -> SpecValue {
    let start = position
    let name = takeName()
    switch name {
    case "nil": return .nothing
    case "true": return .boolean(true)
    case "false": return .boolean(false)
    default: break
    }
    skipSpace()
    guard position < bytes.count, !LuaText.reserved.contains(name) else {
      throw NotLiteral(message: "\"\(name)\" is no literal", position: start)
    }
    let arguments: [SpecValue]
    switch bytes[position] {
    case UInt8(ascii: "("):
      position += 1
      arguments = try list(closing: UInt8(ascii: ")"), depth: depth)
    case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "{"), UInt8(ascii: "["):
      arguments = [try expression(depth: depth + 1)]
    default:
      throw NotLiteral(message: "\"\(name)\" is no literal", position: start)
    }
    let built = try TriggerBuilder.build(name, arguments, context: context)
    notes += built.notes
    return .trigger(built.trigger)
  }

  private mutating func list(closing: UInt8, depth: Int) throws -> [SpecValue] {
    var items: [SpecValue] = []
    skipSpace()
    if take(closing) { return items }
    while true {
      items.append(try expression(depth: depth + 1))
      skipSpace()
      if take(closing) { return items }
      guard take(UInt8(ascii: ",")) else { throw fail("expected \",\" or \"\(Character(Unicode.Scalar(closing)))\"") }
    }
  }

  private mutating func table(depth: Int) throws -> SpecValue {
    position += 1
    var items: [SpecValue] = []
    var fields: [SpecValue.Field] = []
    while true {
      skipSpace()
      if take(UInt8(ascii: "}")) { break }
      if let key = try fieldKey() {
        fields.append(SpecValue.Field(key: key, value: try expression(depth: depth + 1)))
      } else {
        items.append(try expression(depth: depth + 1))
      }
      skipSpace()
      if take(UInt8(ascii: "}")) { break }
      guard take(UInt8(ascii: ",")) || take(UInt8(ascii: ";")) else { throw fail("expected \",\" or \"}\"") }
    }
    if fields.isEmpty { return .list(items) }
    return .table(items.enumerated().map { SpecValue.Field(key: "\($0.offset + 1)", value: $0.element) } + fields)
  }

  /// `name =` or `["text"] =` or `[3] =`, or `nil` where a positional item begins.
  private mutating func fieldKey() throws -> String? {
    let start = position
    guard position < bytes.count else { throw fail("the table has no end") }
    var key: String?
    if isNameStart(bytes[position]) {
      key = takeName()
    } else if bytes[position] == UInt8(ascii: "["), position + 1 < bytes.count,
      bytes[position + 1] != UInt8(ascii: "["), bytes[position + 1] != UInt8(ascii: "=")
    {
      position += 1
      switch try expression(depth: LuaLiteralReader.deepest - 1) {
      case .string(let text): key = text
      case .integer(let number): key = "\(number)"
      default: throw fail("a key is a string or a whole number")
      }
      skipSpace()
      guard take(UInt8(ascii: "]")) else { throw fail("expected \"]\"") }
    }
    skipSpace()
    if let key, position < bytes.count, bytes[position] == UInt8(ascii: "="),
      position + 1 >= bytes.count || bytes[position + 1] != UInt8(ascii: "=")
    {
      position += 1
      return key
    }
    position = start
    return nil
  }
}

// MARK: Tokens

extension LuaLiteralReader {
  private mutating func take(_ byte: UInt8) -> Bool {
    guard position < bytes.count, bytes[position] == byte else { return false }
    position += 1
    return true
  }

  private mutating func skipSpace() {
    while position < bytes.count {
      if [32, 9, 10, 13].contains(bytes[position]) {
        position += 1
      } else if bytes[position...].starts(with: "--".utf8), !bytes[position...].starts(with: "--[".utf8) {
        position = bytes[position...].firstIndex(of: 10) ?? bytes.count
      } else {
        return
      }
    }
  }

  private func isNameStart(_ byte: UInt8) -> Bool { (65...90).contains(byte & 0xDF) || byte == 95 }

  private mutating func takeName() -> String {
    let start = position
    while position < bytes.count, isNameStart(bytes[position]) || (48...57).contains(bytes[position]) { position += 1 }
    return String(decoding: bytes[start..<position], as: UTF8.self)
  }

  private mutating func number() throws -> SpecValue {
    let start = position
    _ = take(UInt8(ascii: "-"))
    while position < bytes.count {
      let byte = bytes[position]
      let isExponentSign = (byte == 43 || byte == 45) && bytes[position - 1] | 0x20 == UInt8(ascii: "e")
      guard (48...57).contains(byte) || byte == 46 || byte | 0x20 == UInt8(ascii: "e") || isExponentSign else { break }
      position += 1
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if let integer = Int64(text) { return .integer(integer) }
    guard let number = Double(text), position == bytes.count || !isNameStart(bytes[position]) else {
      throw fail("\"\(text)\" is no number")
    }
    return .number(number)
  }

  private mutating func quoted() throws -> String {
    let quote = bytes[position]
    position += 1
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      if byte == quote { return String(decoding: text, as: UTF8.self) }
      if byte == 10 { break }
      text.append(byte == UInt8(ascii: "\\") ? try escape() : byte)
    }
    throw fail("a string has no end")
  }

  private mutating func escape() throws -> UInt8 {
    guard position < bytes.count else { throw fail("a string has no end") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "n"), 10: return 10
    case UInt8(ascii: "t"): return 9
    case UInt8(ascii: "r"): return 13
    case UInt8(ascii: "\\"), UInt8(ascii: "\""), UInt8(ascii: "'"): return byte
    case 48...57:
      var value = Int(byte) - 48
      for _ in 0..<2 where position < bytes.count && (48...57).contains(bytes[position]) {
        value = value * 10 + Int(bytes[position]) - 48
        position += 1
      }
      guard value < 256 else { break }
      return UInt8(value)
    default: break
    }
    throw fail("unknown escape in a string")
  }

  /// `[[text]]`.
  private mutating func longBracket() throws -> String {
    guard bytes[position...].starts(with: "[[".utf8) else { throw fail("unexpected \"[\"") }
    let start = position + 2
    var end = start
    while end + 1 < bytes.count {
      if bytes[end] == 93, bytes[end + 1] == 93 {
        position = end + 2
        return String(decoding: bytes[start..<end], as: UTF8.self)
      }
      end += 1
    }
    throw fail("a string has no end")
  }
}
