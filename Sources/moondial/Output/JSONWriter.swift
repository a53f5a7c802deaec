import Basics
import JobModel
import Lua

/// Builds one JSON object field by field, in the order given, without a tree in between.
struct JSONObject {
  private var text = "{"

  private mutating func name(_ name: String) {
    if text.utf8.count > 1 { text += "," }
    text += JSONObject.quote(name) + ":"
  }

  /// Leaves the field out when `value` is nil.
  mutating func set(_ name: String, _ value: String?) {
    guard let value else { return }
    self.name(name)
    text += JSONObject.quote(value)
  }
  mutating func set(_ name: String, _ value: (some BinaryInteger)?) {
    guard let value else { return }
    self.name(name)
    text += String(value)
  }
  mutating func set(_ name: String, _ value: Double?) {
    guard let value, value.isFinite else { return }
    self.name(name)
    text += String(value)
  }
  mutating func set(_ name: String, _ value: Bool?) {
    guard let value else { return }
    self.name(name)
    text += value ? "true" : "false"
  }
  mutating func setNull(_ name: String) {
    self.name(name)
    text += "null"
  }
  /// `json` is a document of its own, made here.
  mutating func set(_ name: String, json: String?) {
    guard let json else { return }
    self.name(name)
    text += json
  }

  /// `stored` is a document that somebody else keeps. If it is none any more, its text is the value: what is printed
  /// stays JSON, and nothing is hidden.
  mutating func set(_ name: String, stored: String?) {
    guard let stored else { return }
    let isDocument = (try? LuaValue(json: stored)) != nil
    set(name, json: isDocument ? stored : JSONObject.quote(stored))
  }

  var json: String { text + "}" }

  static func array(_ documents: some Sequence<String>) -> String { "[" + documents.joined(separator: ",") + "]" }

  /// RFC 8259: quotes, backslashes and control characters are escaped, everything else stays UTF-8; what does not show
  /// is escaped by ``Terminal/json(_:)``.
  static func quote(_ text: String) -> String { quotedJSON(text) }
}
