internal import JobModel
internal import Lua

/// `node`: this host among others.
extension ConfigurationDecoder {
  /// `node = { name = "web1", labels = { "eu", "gpu" } }`
  mutating func decodeNode(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    for (key, value) in fields(["node"], value, like: "{ name = \"web1\", labels = { \"eu\" } }") {
      let path = ["node", key]
      switch key {
      case "name":
        guard let name = read(path, { $0.string($1, value, "a name like \"web1\"") }) else { continue }
        if let name = checkedName(path, name) { configuration.node.name = name }
      case "labels":
        let labels = words(path, value).compactMap { checkedName(path, $0) }
        configuration.node.labels = Set(labels).sorted()
      default: break
      }
    }
  }

  /// A list of words; a text, as variables and flags give it, is split at its commas and spaces.
  private mutating func words(_ path: [String], _ value: LuaValue) -> [String] {
    if case .string(let text) = value, !text.bytes.isEmpty {
      return text.text.split { $0 == "," || $0 == " " }.map(String.init)
    }
    return read(path) {
      $0.names($1, value, of: "a word like \"gpu\"", atMost: NodeConfiguration.labelsMost)
    } ?? []
  }

  private mutating func checkedName(_ path: [String], _ text: String) -> String? {
    if NodeConfiguration.isName(text) { return text }
    problem(path, "\(path.joined(separator: ".")): \(NodeConfiguration.mistake(text))")
    return nil
  }
}
