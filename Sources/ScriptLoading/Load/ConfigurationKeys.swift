internal import ScriptRuntime

/// The keys that moondial.lua may have, each as a path; `*` stands for a name that the operator chooses.
///
/// The decoder accepts nothing else, so a setting cannot be read without standing here, and the test that sees each
/// setting at work in the binary goes through this list.
package enum ConfigurationKeys {
  /// Paths of settings: `executors.*.workers`.
  package static let all: [String] =
    ["timezone", "kept_states", "answers_memory", "on_failure", "http.listen", "http.hosts", "log_levels.*"]
    + below("http.tokens.*", ["role", "hash", "secret"])
    + below("stores.*", ["url", "synchronous", "lease"])
    + below("node", ["name", "labels"])
    + below("executors.*", ["type", "workers"] + ProcessOptions.names)
    + below("groups.*", FieldReading.groupKeys)
    + below("retention", ["runs", "age", "decisions"])
    + below("retention.jobs.*", ["runs", "age"])
    + below("secrets", ["directory", "command"])
    + below("notify.*", ["mail", "http", "secret"])
    + below("quotas", QuotaSetting.all.map(\.name))
    + below("grants.*", GrantTable.kinds)
    + below("job_defaults", JobField.names(in: .hostDefaults))

  private static func below(_ path: String, _ names: [String]) -> [String] { names.map { "\(path).\($0)" } }

  private static let paths = all.map { $0.split(separator: ".").map(String.init) }

  /// The keys of the table at `path`, each once, in the order of the list; `*` among them is any name.
  static func names(below path: [String]) -> [String] {
    var names: [String] = []
    for key in paths where key.count > path.count && zip(key, path).allSatisfy({ $0 == $1 || $0 == "*" }) {
      if !names.contains(key[path.count]) { names.append(key[path.count]) }
    }
    return names
  }

  /// Whether there may be something at `path`.
  static func isKnown(_ path: [String]) -> Bool {
    let names = names(below: path.dropLast())
    return names.contains("*") || path.last.map(names.contains) ?? true
  }
}
