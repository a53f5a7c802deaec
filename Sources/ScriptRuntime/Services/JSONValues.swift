package import JobModel
package import Lua

extension LuaLimits {
  /// For a copy of a value whose JSON may have `bytes` bytes: a number takes two bytes there and nine here. What is
  /// larger by any measure is refused before it is copied.
  package init(forJSONOf bytes: Int) {
    let bytes = min(bytes, 1 << 40)
    self.init(nodes: bytes / 2 + 1_000, bytes: 5 * bytes + 4_096, functions: false)
  }
}

extension JSONText {
  /// A Lua value as JSON by the rules of `json.encode`, if that has at most `limit` bytes.
  ///
  /// - Parameter setting: the quota that says the limit, if one does.
  package static func encoding(_ value: LuaValue, limit: Int, setting: String? = nil) -> Result<JSONText, HostRefusal> {
    let text: String
    do {
      text = try value.json()
    } catch {
      return .failure(HostRefusal(error.message))
    }
    guard text.utf8.count <= limit else {
      let message = "it has \(text.utf8.count) bytes as JSON, more than the \(limit) that are allowed"
      let advice = ": keep what is large in kv or a file, and its name here"
      return .failure(HostRefusal(setting.map { Quotas.message(message + advice, $0) } ?? message))
    }
    return .success(JSONText(text))
  }
}

extension LuaValue {
  /// A JSON document as a Lua value; nil when it is not JSON, which cannot be for what was written by
  /// `JSONText.encoding`.
  package init?(json: JSONText) {
    guard let value = Self.parseJSON(json.text) else { return nil }
    self = value
  }
}
