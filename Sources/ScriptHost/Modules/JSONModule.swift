internal import JobModel
internal import Lua

/// `json.encode(value)` and `json.decode(text)`.
enum JSONModule {
  /// Bytes of a document.
  static let limit = 16 << 20

  static func module() -> LuaModule { LuaModule("json", functions: [encode, decode]) }

  /// The text; a value that has no JSON is misuse.
  private static let encode = LuaFunction.host("encode", as: "json.encode", in: .both) { call, arguments throws(Misuse) in
    switch JSONText.encoding(try arguments.value(call, 1), limit: limit) {
    case .success(let text):
      call.push(text.text)
      return .results(1)
    case .failure(let refusal): throw arguments.misuse(refusal.message)
    }
  }

  /// The value, or nil and why not: a document from outside may always be broken.
  private static let decode = LuaFunction.host("decode", as: "json.decode", in: .both) { call, arguments throws(Misuse) in
    switch LuaValue.decodingJSON(try arguments.bytes(call, 1, "JSON text")) {
    case .success(let value):
      call.push(value)
      return .results(1)
    case .failure(let refusal):
      call.pushNil()
      call.push("json.decode: \(refusal.message)")
      return .results(2)
    }
  }
}
