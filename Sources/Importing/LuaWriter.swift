internal import Basics
internal import Chronology
internal import Triggers

/// Writes the pieces that imported scripts are made of.
enum LuaWriter {
  /// Lines are broken before this column.
  static let width = 120

  /// A string as a person would write it: in quotes, or in long brackets when quotes would need escapes.
  static func string(_ text: String) -> String {
    let hasEscapes = text.utf8.contains { $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\\") }
    // What does not show is written as an escape, so that whoever reads the script sees it: in quotes Lua reads the
    // same escapes, `\u{202E}`.
    let isVisible = VisibleText.line(text) == text
    guard hasEscapes, isVisible else { return VisibleText.line(LuaText.quote(text)) }
    var equals = ""
    // The closing bracket must not be in the text, nor begin with the text's last character.
    while (text + "]").contains("]\(equals)]") { equals += "=" }
    return "[\(equals)[\(text)]\(equals)]"
  }

  /// `{ "a", "b" }`.
  static func list(_ texts: [String]) -> String { "{ \(texts.map(string).joined(separator: ", ")) }" }

  /// `{ PATH = "/bin", ["a-b"] = "c" }`.
  static func table(_ fields: [(key: String, literal: String)]) -> String { LuaText.table(fields) }

  /// Comment lines with the grant that a script needs: the programs that it starts, and the variables that it sets for
  /// them, each by its name, since no `*` covers `PATH`.
  static func grant(to script: String, programs: [String], variables: [String]) -> [String] {
    var fields = [(key: "exec", literal: list(programs))]
    if !variables.isEmpty { fields.append(("exec_env", list(variables))) }
    let what = variables.isEmpty ? "Its programs need" : "Its programs, and the variables that it sets for them, need"
    let entry = table([(script, table(fields))])
    return comment(wrapping: "\(what) a grant in moondial.lua:") + ["--   grants = \(entry)"]
  }

  /// A line as a comment. A bracket right after the dashes would begin a long comment, and a carriage return, which is
  /// no line end elsewhere, is one in Lua.
  static func comment(_ text: some StringProtocol) -> String {
    let text = String(text.map { $0.isNewline ? " " : $0 }).trimmingSuffix { $0 == " " || $0 == "\t" }
    let line = VisibleText.line(String(text))
    return line.isEmpty || line.first == " " ? "--\(line)" : "-- \(line)"
  }

  /// Words as comment lines of the usual width.
  static func comment(wrapping text: String) -> [String] {
    var lines: [String] = []
    var line = "--"
    for word in text.split(whereSeparator: { $0 == " " || $0.isNewline }) {
      if line.count + 1 + word.count > width, line != "--" {
        lines.append(line)
        line = "--"
      }
      line += " \(word)"
    }
    return lines + [line]
  }

  /// A job on one line, or on several when that is too long.
  static func job(_ name: String, _ fields: [(key: String, literal: String)]) -> String {
    let short = "job \(LuaText.quote(name)) { \(fields.map { "\($0.key) = \($0.literal)" }.joined(separator: ", ")) }"
    guard short.count > width || short.contains("\n") else { return short }
    let lines = fields.map { "  \($0.key) = \($0.literal),\n" }
    return "job \(LuaText.quote(name)) {\n\(lines.joined())}"
  }
}

extension String {
  /// The lines of a file. (`\r\n` is one character, and so no `\n`.)
  var fileLines: [Substring] {
    var text = self[...]
    // Editors of other systems begin files with a mark that is no part of the text.
    if text.first == "\u{FEFF}" { text = text.dropFirst() }
    return text.split(omittingEmptySubsequences: false) { $0 == "\n" || $0 == "\r\n" }
  }
}

extension StringProtocol {
  fileprivate func trimmingSuffix(_ isDropped: (Character) -> Bool) -> SubSequence {
    var end = endIndex
    while end > startIndex, isDropped(self[index(before: end)]) { end = index(before: end) }
    return self[startIndex..<end]
  }
}
