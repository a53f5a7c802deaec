internal import Basics
internal import Chronology
internal import Lua

/// One setting given as a flat key and a text, from the environment or a flag.
///
///     MOONDIAL_EXECUTORS__DEFAULT__WORKERS=20        executors.default.workers
///     --set executors.default.workers=20
package struct ConfigurationSetting: Sendable, Hashable {
  /// The names on the way to the value.
  package let path: [String]
  package let text: String
  /// How messages call it: `MOONDIAL_TIMEZONE`, `--set timezone`.
  package let origin: String

  package init(path: [String], text: String, origin: String) {
    self.path = path
    self.text = text
    self.origin = origin
  }

  /// Names after `MOONDIAL_` that commands read by themselves.
  private static let others: Set<String> = ["STATE", "SERVER", "TOKEN", "LOG_FORMAT", "LOG_LEVEL"]

  /// The settings among environment variables, by name. Names of one word that are no setting are left to whoever reads
  /// them; below a setting, two underscores stand for the dot.
  package static func settings(inEnvironment environment: [String: String]) -> [ConfigurationSetting] {
    let prefix = "MOONDIAL_"
    return environment.keys.sorted().compactMap { name in
      guard name.hasPrefix(prefix) else { return nil }
      let rest = String(name.dropFirst(prefix.count))
      guard !others.contains(rest), !rest.hasPrefix("SECRET_"), !rest.hasPrefix("TEST") else { return nil }
      let path = rest.lowercased().components(separatedBy: "__")
      guard path.count > 1 || ConfigurationDecoder.topLevel.contains(path[0]) else { return nil }
      return ConfigurationSetting(path: path, text: environment[name] ?? "", origin: name)
    }
  }

  /// The variables that begin with `MOONDIAL_` and mean nothing, each with the one that may be meant.
  package static func unknown(inEnvironment names: some Sequence<String>) -> [(name: String, near: String?)] {
    let prefix = "MOONDIAL_"
    let settings = ConfigurationDecoder.topLevel.map { prefix + $0.uppercased() }
    return names.sorted().compactMap { name in
      guard name.hasPrefix(prefix) else { return nil }
      let rest = String(name.dropFirst(prefix.count))
      guard !others.contains(rest), !rest.hasPrefix("SECRET_"), !rest.hasPrefix("TEST"), !rest.contains("__"),
        !ConfigurationDecoder.topLevel.contains(rest.lowercased())
      else { return nil }
      // `MOONDIAL_EXECUTORS_DEFAULT_WORKERS` lacks the second underscores.
      if let setting = settings.filter({ name.hasPrefix($0 + "_") }).max(by: { $0.count < $1.count }) {
        return (name, setting + "__" + name.dropFirst(setting.count + 1).replacing("_", with: "__"))
      }
      let known = settings + others.map { prefix + $0 }
      return (name, Spelling.closest(to: name, among: known, limit: 1).first)
    }
  }

  /// `KEY=VALUE` of `--set`; `nil` when there is no `=` or a part of the key is empty.
  package init?(flag: String) {
    guard let equals = flag.firstIndex(of: "=") else { return nil }
    let key = String(flag[..<equals])
    self.init(key: key, text: String(flag[flag.index(after: equals)...]), origin: "--set \(key)")
  }

  /// A flat key (`executors.default.workers`) and its text; `nil` when a part of the key is empty.
  package init?(key: String, text: String, origin: String) {
    let path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard path.allSatisfy({ !$0.isEmpty }) else { return nil }
    self.init(path: path, text: text, origin: origin)
  }

  /// The value that the text stands for: `true`, `false`, a number, or itself.
  var value: LuaValue {
    if text == "true" { return .bool(true) }
    if text == "false" { return .bool(false) }
    if let integer = Int64(text) { return .integer(integer) }
    if text.utf8.first.map({ (48...57).contains($0) || $0 == 45 }) == true, let number = Double(text), number.isFinite {
      return .number(number)
    }
    return .string(LuaString(text))
  }
}

extension String {
  /// The parts between occurrences of `separator`.
  fileprivate func components(separatedBy separator: String) -> [String] {
    var parts: [String] = []
    var rest = self[...]
    while let range = rest.firstRange(of: separator) {
      parts.append(String(rest[..<range.lowerBound]))
      rest = rest[range.upperBound...]
    }
    return parts + [String(rest)]
  }
}
