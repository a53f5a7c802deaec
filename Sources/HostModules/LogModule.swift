internal import JobModel
internal import Lua
internal import ScriptRuntime

/// `log.debug/info/warn/error(message, fields)` and `print`.
enum LogModule {
  static func modules() -> [LuaModule] {
    [
      LuaModule("log", functions: LogLevel.allCases.map(function)),
      // tostring may call a script's metamethod, so the text is made in Lua.
      LuaModule(
        "",
        prelude: """
          local module = ...
          local select, tostring, concat, info = select, tostring, table.concat, log.info
          module.print = function(...)
            local words = { ... }
            for i = 1, select("#", ...) do words[i] = tostring(words[i]) end
            info(concat(words, "\\t"))
          end
          """),
    ]
  }

  private static func function(_ level: LogLevel) -> LuaFunction {
    .host(level.rawValue, as: "log.\(level.rawValue)", in: .both) { call, arguments throws(Misuse) in
      let run = call.context as? RunContext
      // While a script is loaded there is no run, and no sink that belongs to one.
      guard let run else { return .none }
      guard level >= run.services.log.threshold else { return .none }
      let fields = try arguments.fields(call, 2, limit: run.services.quotas().logLineBytes)
      run.log(level, message(call, arguments), fields: fields)
      return .none
    }
  }

  /// A message is usually a string; numbers and booleans are shown as Lua shows them.
  private static func message(_ call: borrowing LuaCall, _ arguments: Arguments) -> String {
    if let text = unsafe call.withBytes(1, { unsafe String(showing: $0) }) { return text }
    if let integer = call.integer(1), call.type(1) == .number { return String(integer) }
    if let number = call.number(1) { return String(number) }
    if let flag = call.bool(1) { return flag ? "true" : "false" }
    if case .success(let json)? = (try? arguments.value(call, 1)).map({ JSONText.encoding($0, limit: 1 << 16) }) {
      return json.text
    }
    return arguments.name(call, 1)
  }
}

extension Arguments {
  /// Fields of a log line: a table, as a JSON object. A list becomes an object too, with its indices as names. In the
  /// place of those with more than `limit` bytes stands how many there were.
  func fields(_ call: borrowing LuaCall, _ index: Int, limit: Int) throws(Misuse) -> JSONText? {
    if call.isNil(index) { return nil }
    guard call.type(index) == .table else {
      throw misuse("expected a table of fields as argument \(index), got \(name(call, index))")
    }
    var value = try self.value(call, index)
    if case .table(let table) = value, !table.array.isEmpty {
      let numbered = table.array.enumerated().map { (key: String($0.offset + 1), value: $0.element) }
      value = .table(LuaTable(fields: numbered + table.fields, others: table.others))
    }
    switch JSONText.encoding(value, limit: .max) {
    case .success(let text) where text.text.utf8.count > limit:
      return JSONText("{\"cut\":\"\(text.text.utf8.count) bytes of fields, \(limit) are kept\"}")
    case .success(let text): return text.text == "[]" ? nil : text
    case .failure(let refusal): throw misuse("fields: \(refusal.message)")
    }
  }
}
