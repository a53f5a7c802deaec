import Basics
import Chronology
import Testing

@Suite("Text of others made visible")
struct VisibleTextTests {
  @Test(
    "what does not show, or acts, is written out",
    arguments: [
      ("plain text, 100 %", "plain text, 100 %"), ("", ""), ("ä ö 日本 🌙 e\u{301}", "ä ö 日本 🌙 e\u{301}"),
      ("a\nb\r\tc", "a\\nb\\r\\tc"), ("\r\n", "\\r\\n"), ("\u{0}\u{1B}[2J\u{7F}", "\\x00\\x1B[2J\\x7F"),
      ("\u{80}\u{85}\u{9B}31m", "\\u{80}\\u{85}\\u{9B}31m"), ("\u{2028}\u{2029}", "\\u{2028}\\u{2029}"),
      ("\u{200E}\u{200F}\u{202A}\u{202E}\u{2066}\u{2069}", "\\u{200E}\\u{200F}\\u{202A}\\u{202E}\\u{2066}\\u{2069}"),
      ("a\u{200B}b\u{200D}c\u{FEFF}\u{AD}", "a\\u{200B}b\\u{200D}c\\u{FEFF}\\u{AD}"),
      ("\u{E0001}\u{E0041}\u{E007F}", "\\u{E0001}\\u{E0041}\\u{E007F}"), ("\u{115F}\u{3164}", "\\u{115F}\\u{3164}"),
      // A selector that colours an emoji shows; after a letter it hides.
      ("✔\u{FE0F}", "✔\u{FE0F}"), ("a\u{FE0F}", "a\\u{FE0F}"), ("back\\slash \\n", "back\\slash \\n"),
    ])
  func line(text: String, visible: String) {
    #expect(VisibleText.line(text) == visible)
    #expect(VisibleText.line(visible) == visible)
  }

  @Test("in lines of our own only the line feed stays")
  func lines() {
    #expect(VisibleText.lines("a\nb\r\n\u{1B}c") == "a\nb\\r\n\\x1Bc")
  }

  @Test("JSON stays JSON that says the same, on one line and without hidden characters")
  func json() {
    #expect(VisibleText.json("{\n\t\"a\": \"\u{9B}\u{202E}x\u{7F}\"\r\n}") == #"{  "a": "\u009b\u202ex\u007f"  }"#)
    #expect(VisibleText.json("\"\u{E0041}ä\"") == #""\udb40\udc41ä""#)
  }

  @Test("no scalar of any plane gets through that hides or acts")
  func everyScalar() {
    for value in UInt32(0)...0x10FFFF {
      guard let scalar = Unicode.Scalar(value) else { continue }
      let text = String(Character(scalar))
      let shown = VisibleText.line(text)
      let acts =
        value < 0x20 || (0x7F...0x9F).contains(value) || [0x2028, 0x2029, 0xFEFF].contains(value)
        || (0x200B...0x200F).contains(value) || (0x202A...0x202E).contains(value) || (0x2060...0x206F).contains(value)
        || (0xE0000...0xE0FFF).contains(value)
      if acts { #expect(shown != text && shown.utf8.allSatisfy { (0x20..<0x7F).contains($0) }, "\(value)") }
      if VisibleText.isHidden(scalar) != (shown != text) { Issue.record("\(value)") }
    }
  }

  @Test(
    "columns are counted as terminals do",
    arguments: [
      ("abc", 3), ("", 0), ("日本", 4), ("e\u{301}", 1), ("ä", 1), ("🌙", 2), ("한글", 4), ("－", 2), ("ß€", 2),
    ])
  func width(text: String, columns: Int) {
    #expect(VisibleText.width(text) == columns)
    #expect(VisibleText.width(VisibleText.padded(text, to: 10)) == 10)
  }
}
