import Hosting
import JobModel
import Lua

/// `--param key=value` as one JSON object. A value that is JSON is that, and any other is text.
enum Parameters {
  static func json(_ parameters: [String]) throws -> JSONText? {
    guard !parameters.isEmpty else { return nil }
    var object = JSONObject()
    var seen: Set<String> = []
    for parameter in parameters {
      let (key, value) = try split(parameter)
      guard seen.insert(key).inserted else { throw CommandFailure(.usage, "--param \(key) is given twice") }
      // As it was written, so that no digit of a number is lost.
      if LuaValue.parseJSON(value) != nil { object.set(key, json: value) } else { object.set(key, value) }
    }
    return JSONText(object.json)
  }

  /// A sentence for each parameter that a job with declared parameters does not declare.
  static func unknown(_ parameters: [String], declared: JSONText?) -> [String] {
    guard let declared, case .table(let table)? = LuaValue.parseJSON(declared.text) else { return [] }
    let names = table.fields.map(\.key)
    return parameters.compactMap { parameter in
      guard let (key, _) = try? split(parameter), table[key] == nil else { return nil }
      let close = closestName(to: key, in: names).map { " (did you mean \"\($0)\"?)" } ?? ""
      return "--param \(key): the job declares no such parameter\(close); it has \(names.joined(separator: ", "))"
    }
  }

  private static func split(_ parameter: String) throws -> (key: String, value: String) {
    guard let equals = parameter.utf8.firstIndex(of: UInt8(ascii: "=")), equals != parameter.startIndex else {
      throw CommandFailure(.usage, "--param \(parameter): write key=value")
    }
    let key = String(parameter[..<equals])
    let value = String(parameter[parameter.utf8.index(after: equals)...])
    // What the system handed over was not UTF-8: bytes are lost already.
    guard !parameter.unicodeScalars.contains("\u{FFFD}") else {
      throw CommandFailure(.usage, "--param \(key): the value is not UTF-8, which JSON text must be")
    }
    return (key, value)
  }
}
