internal import JobModel
internal import Lua

/// How a host is called among those that share a store with it, and what it has that others have not.
package struct NodeConfiguration: Sendable, Hashable {
  /// nil: as its machine.
  package var name: String?
  /// Words that jobs may ask for; each once, sorted.
  package var labels: [String] = []

  package init() {}

  /// Bytes of a name or a label.
  static let most = 63
  static let labelsMost = 50

  /// Letters, digits, `.`, `-` and `_`, beginning with a letter or a digit: what the name of a machine may be.
  static func isName(_ text: String) -> Bool {
    guard let first = text.utf8.first, text.utf8.count <= most, isAlphanumeric(first) else { return false }
    return text.utf8.allSatisfy { isAlphanumeric($0) || ".-_".utf8.contains($0) }
  }

  private static func isAlphanumeric(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: false
    }
  }
}

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
    problem(
      path,
      "\(path.joined(separator: ".")): \(quoted(text)) must have 1 to \(NodeConfiguration.most) letters, digits, dots, "
        + "dashes and underscores, and begin with a letter or a digit")
    return nil
  }
}
