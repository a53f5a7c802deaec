internal import FileWatching
internal import JobModel
internal import Lua

/// Reads `watch`: a pattern, a list of patterns, or a table with one of both under `path`.
struct WatchReading {
  private static let keys = ["path", "settle", "recursive", "events", "existing", "batch"]

  /// - Returns: nil when something is wrong, which `reading` then says.
  static func read(_ value: LuaValue, _ reading: inout FieldReading) -> FileWatch? {
    let complaintsBefore = reading.complaints.count
    var watch = FileWatch(paths: [])
    var isRecursive = false
    if case .table(let table) = value, !table.isSequence || table.array.isEmpty {
      reading.namedKeysOnly(table, in: "watch")
      for (key, value) in table.fields { apply(key, value, &watch, &isRecursive, &reading) }
      if reading.complaints.count == complaintsBefore, watch.paths.isEmpty {
        reading.complain("watch has no path; write watch = { path = \"/srv/in/*.csv\" }")
      }
    } else {
      watch.paths = reading.names("watch", value, of: "a path like \"/srv/in/*.csv\"") ?? []
    }
    if isRecursive { watch.paths = watch.paths.map(recursive) }
    for path in watch.paths {
      do {
        _ = try PathPattern.parse(path, from: somewhereDeep)
      } catch {
        reading.complain("watch \(quoted(path)): \(error.message)")
      }
    }
    return reading.complaints.count == complaintsBefore ? watch : nil
  }

  /// Where relative paths start is the host's business; a pattern's form does not depend on it.
  private static let somewhereDeep = "/" + Array(repeating: "d", count: 32).joined(separator: "/")

  private static func apply(
    _ key: String, _ value: LuaValue, _ watch: inout FileWatch, _ isRecursive: inout Bool, _ reading: inout FieldReading
  ) {
    let name = "watch.\(key)"
    switch key {
    case "path": watch.paths = reading.names(name, value, of: "a path like \"/srv/in/*.csv\"") ?? []
    case "settle": watch.settle = reading.duration(name, value, atLeast: 0) ?? 0
    case "recursive": isRecursive = reading.bool(name, value) ?? false
    case "existing": watch.existing = reading.bool(name, value) ?? true
    case "batch": watch.batch = reading.integer(name, value, in: 1...10_000) ?? 1
    case "events":
      guard let words = reading.names(name, value, of: "\"created\" or \"changed\"") else { return }
      watch.events = []
      for word in words {
        switch word {
        case "created": watch.events.insert(.created)
        case "changed": watch.events.insert(.changed)
        case "deleted", "removed", "gone":
          reading.complain(
            "\(name) cannot have \(quoted(word)): a job is given files, and that one is gone; write \"created\" or \"changed\""
          )
        default:
          let hint = FieldReading.suggestion(for: word, among: ["created", "changed"])
          reading.complain("\(name) must be \"created\" or \"changed\", not \(quoted(word))\(hint)")
        }
      }
      if words.isEmpty { reading.complain("\(name) is empty; write \"created\", \"changed\" or both") }
    default:
      let advice: [String: String] = [
        "paths": "path", "pattern": "path", "glob": "path", "dir": "path", "directory": "path",
      ]
      let hint = advice[key].map { "; the field is \($0)" } ?? FieldReading.suggestion(for: key, among: keys)
      reading.complain("unknown field \"\(name)\"\(hint)")
    }
  }

  /// `in/*.csv` → `in/**/*.csv`. A pattern that goes down already stays.
  private static func recursive(_ path: String) -> String {
    guard !path.split(separator: "/").contains("**") else { return path }
    guard let slash = path.lastIndex(of: "/") else { return "**/" + path }
    return path[...slash] + "**/" + path[path.index(after: slash)...]
  }
}
