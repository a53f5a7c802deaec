internal import JobModel
internal import Lua

/// How the worker processes of an executor are (`type = "process"`), as it was written.
package struct ProcessOptions: Sendable, Hashable {
  package enum Libraries: String, Sendable, Hashable, CaseIterable {
    case all, safe
  }
  /// Bytes of a worker beside those that it begins with; nil: any.
  package var memory: Int?
  /// Nanoseconds of processor time of a run; nil: any.
  package var processorTime: Int64?
  /// Files that a worker may have open.
  package var files = 256
  /// Processes and threads of the workers' user; nil: as the host's.
  package var processes: Int?
  package var nice = 0
  /// Runs after which a worker is replaced.
  package var recycleAfter = 1_000
  /// A user's name, whose rights the workers have; nil: the host's.
  package var user: String?
  package var group: String?
  package var namespaces = false
  package var libraries = Libraries.safe
  /// The program of the workers; nil: this one.
  package var program: String?

  package init() {}

  /// The names of its settings.
  static let names = [
    "memory", "cpu_time", "files", "processes", "nice", "recycle_after", "user", "group", "namespaces", "libraries",
  ]
}

extension ConfigurationDecoder {
  /// Reads one executor.
  mutating func decodeExecutor(_ name: String, _ value: LuaValue) -> ExecutorConfiguration {
    var executor = ExecutorConfiguration()
    var written: [String] = []
    for (key, value) in fields(["executors", name], value, like: "{ type = \"threads\", workers = 20 }") {
      let path = ["executors", name, key]
      switch key {
      case "type":
        executor.kind = read(path) { $0.choice($1, value, ExecutorConfiguration.Kind.self) } ?? executor.kind
      case "workers":
        executor.workers = read(path) { $0.integer($1, value, in: 1...10_000) }
      default:
        written.append(key)
        decode(key, path, value, &executor.process)
      }
    }
    if executor.kind == .threads, let key = written.min() {
      problem(
        ["executors", name, key],
        "executors.\(name).\(key) is for processes: write type = \"process\" beside it, or leave it out")
    }
    if executor.kind == .process, let workers = executor.workers, workers > 1_000 {
      problem(
        ["executors", name, "workers"], "executors.\(name).workers must be 1 to 1000 for processes, not \(workers)")
    }
    return executor
  }

  private mutating func decode(
    _ key: String, _ path: [String], _ value: LuaValue, _ process: inout ProcessOptions
  ) {
    switch key {
    case "memory": process.memory = read(path) { $0.size($1, value, in: 16 << 20...1 << 40) }
    case "cpu_time":
      process.processorTime = read(path) { $0.duration($1, value, in: 1_000_000_000...86_400 * 365 * 1_000_000_000) }
    case "files": process.files = read(path) { $0.integer($1, value, in: 32...1_000_000) } ?? process.files
    case "processes": process.processes = read(path) { $0.integer($1, value, in: 8...1_000_000) }
    case "nice": process.nice = read(path) { $0.integer($1, value, in: 0...19) } ?? process.nice
    case "recycle_after":
      process.recycleAfter = read(path) { $0.integer($1, value, in: 1...1_000_000_000) } ?? process.recycleAfter
    case "user": process.user = account(path, value, "the name of a user like \"nobody\"")
    case "group": process.group = account(path, value, "the name of a group like \"nogroup\"")
    case "namespaces": process.namespaces = read(path) { $0.bool($1, value) } ?? process.namespaces
    case "libraries":
      process.libraries = read(path) { $0.choice($1, value, ProcessOptions.Libraries.self) } ?? process.libraries
    default: break
    }
  }

  private mutating func account(_ path: [String], _ value: LuaValue, _ what: String) -> String? {
    guard let name = read(path, { $0.string($1, value, what, atMost: 255) }) else { return nil }
    guard !name.isEmpty, !name.utf8.contains(0) else {
      problem(path, "\(path.joined(separator: ".")) must be \(what)")
      return nil
    }
    return name
  }
}
