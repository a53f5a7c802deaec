internal import Chronology
internal import JobModel
internal import Lua
internal import ScriptRuntime

/// Reads the table of moondial.lua, with the flat settings laid over it, into a ``HostConfiguration``; strictly, and
/// with every mistake as a problem of its own.
struct ConfigurationDecoder {
  /// The keys of the table.
  static let topLevel = ConfigurationKeys.names(below: [])

  /// Where values came from that did not come from the file: key path to the name of the variable or flag.
  private let origins: [(path: [String], origin: String)]
  /// What the file said, and that with the settings over it.
  let written: LuaTable
  private let table: LuaTable
  private let zones: TimeZoneDatabase
  /// The kinds of stores that there are.
  let kinds: StoreKinds
  private let now: Instant
  /// What the file is called in messages.
  private let file: String
  private(set) var problems: [ScriptProblem] = []

  /// - Parameters:
  ///   - table: what the file returned.
  ///   - file: what it is called in messages.
  ///   - settings: laid over it in this order, later ones over earlier.
  init(
    _ table: LuaTable, of file: String, settings: [ConfigurationSetting], zones: TimeZoneDatabase,
    stores kinds: StoreKinds,
    now: Instant
  ) {
    var value = LuaValue.table(table)
    for setting in settings { value = value.setting(setting.path[...], to: setting.value) }
    if case .table(let merged) = value { self.table = merged } else { self.table = table }
    written = table
    self.file = file
    origins = settings.map { ($0.path, $0.origin) }
    self.zones = zones
    self.kinds = kinds
    self.now = now
  }

  /// The configuration; what is wrong in it has its default.
  mutating func decode() -> HostConfiguration {
    var configuration = HostConfiguration()
    var reading = FieldReading()
    reading.namedKeysOnly(table, in: "the table")
    report(reading, [])
    for (key, value) in table.fields where isKnown([key]) {
      switch key {
      case "timezone": decodeZone(value, &configuration)
      case "stores": decodeStores(value, &configuration)
      case "executors": decodeExecutors(value, &configuration)
      case "node": decodeNode(value, &configuration)
      case "http": decodeHTTP(value, &configuration)
      case "grants": decodeGrants(value, &configuration)
      case "retention": decodeRetention(value, &configuration)
      case "quotas": decodeQuotas(value, &configuration)
      case "kept_states": decodeKeptStates(value, &configuration)
      case "answers_memory": decodeAnswersMemory(value, &configuration)
      case "secrets": decodeSecrets(value, &configuration)
      case "notify": decodeNotify(value, &configuration)
      case "log_levels":
        for (name, value) in fields([key], value, like: "{ noisy = \"error\" }") {
          configuration.logLevels[name] = read([key, name]) { $0.choice($1, value, LogLevel.self) }
        }
      case "job_defaults": break
      case "on_failure":
        if case .function = value { break }
        problem([key], "on_failure must be a function like function(run, err) … end, not \(value.shown)")
      case "groups": decodeGroups(value, &configuration)
      default: break
      }
    }
    // Last, since defaults may name executors, stores and groups.
    if let defaults = table.field("job_defaults") { decodeDefaults(defaults, &configuration) }
    return configuration
  }

  // MARK: Problems

  /// One problem of the value at `path`, under the name of whoever set it. `message` names the value unless it came
  /// from elsewhere.
  mutating func problem(_ path: [String], _ message: String) {
    var origin = origins.last { path.starts(with: $0.path) }?.origin
    if origin == nil, !LuaValue.table(written).has(path[...]) {
      // A table that the file does not have was made on the way to some setting.
      origin = origins.last { $0.path.starts(with: path) }?.origin
    }
    problems.append(ScriptProblem(.error, at: SourceLocation(file: origin ?? file, line: 0), message))
  }

  /// Something that is no mistake, and will not do what it says.
  mutating func note(_ path: [String], _ message: String) {
    let origin = origins.last { path.starts(with: $0.path) }?.origin
    problems.append(ScriptProblem(.note, at: SourceLocation(file: origin ?? file, line: 0), message))
  }

  private mutating func report(_ reading: FieldReading, _ path: [String]) {
    for complaint in reading.complaints { problem(path, complaint) }
  }

  /// Reads one value; its complaints are reported.
  mutating func read<T>(_ path: [String], _ body: (inout FieldReading, String) -> T?) -> T? {
    var reading = FieldReading()
    let value = body(&reading, path.joined(separator: "."))
    report(reading, path)
    return value
  }

  /// The named fields of a table at `path`.
  mutating func fields(_ path: [String], _ value: LuaValue, like example: String) -> [(key: String, value: LuaValue)] {
    let name = path.joined(separator: ".")
    guard case .table(let table) = value else {
      problem(path, "\(name) must be a table like \(example), not \(value.shown)")
      return []
    }
    var reading = FieldReading()
    reading.namedKeysOnly(table, in: name)
    report(reading, path)
    return table.fields.filter { isKnown(path + [$0.key]) }
  }

  /// Whether ``ConfigurationKeys`` has it; if not, that is a problem.
  private mutating func isKnown(_ path: [String]) -> Bool {
    if ConfigurationKeys.isKnown(path) { return true }
    let names = ConfigurationKeys.names(below: path.dropLast()).filter { $0 != "*" }
    let hint = FieldReading.suggestion(for: path.last ?? "", among: names)
    problem(path, "unknown setting \(quoted(path.joined(separator: ".")))\(hint)")
    return false
  }

  // MARK: Settings

  private mutating func decodeZone(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    guard let name = read(["timezone"], { $0.string($1, value, "the name of a time zone like \"Europe/Berlin\"") })
    else { return }
    do {
      configuration.timeZone = try zones.zone(named: name).name
    } catch {
      problem(["timezone"], "timezone: \(error.message)")
    }
  }

  private mutating func decodeExecutors(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    for (name, value) in fields(["executors"], value, like: "{ default = { workers = 20 } }") {
      configuration.executors[name] = decodeExecutor(name, value)
    }
  }

  private mutating func decodeGroups(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    for (name, value) in fields(["groups"], value, like: "{ db = { max = 2, rate = \"10/1m\" } }") {
      if let limit = read(["groups", name], { $0.groupLimit($1, value) }) { configuration.groups[name] = limit }
    }
  }

  /// `secrets = { directory = "/run/secrets", command = { "pass", "show" } }`
  private mutating func decodeSecrets(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    for (key, value) in fields(["secrets"], value, like: "{ directory = \"/run/secrets\" }") {
      let path = ["secrets", key]
      switch key {
      case "directory":
        let directory = read(path) { $0.string($1, value, "a path like \"/run/secrets\"") }
        if directory == "" || directory?.utf8.contains(0) == true {
          problem(path, "secrets.directory must be the path of a directory")
        } else {
          configuration.secrets.directory = directory
        }
      case "command":
        if let words = words(value) {
          configuration.secrets.command = words
        } else {
          problem(
            path,
            "secrets.command must be a list of words like { \"pass\", \"show\" }, to which the secret's name is added, "
              + "not \(value.shown)")
        }
      default: break
      }
    }
  }

  /// A program and its words; a text, as variables and flags give it, is split at its spaces.
  func words(_ value: LuaValue) -> [String]? {
    var words: [String] = []
    switch value {
    case .string(let text): words = text.text.split(separator: " ").map(String.init)
    case .table(let table) where table.isSequence:
      for word in table.array {
        guard case .string(let text) = word else { return nil }
        words.append(text.text)
      }
    default: return nil
    }
    guard let program = words.first, !program.isEmpty, !words.contains(where: { $0.utf8.contains(0) }) else {
      return nil
    }
    return words
  }

  /// Kept as it was written, since where relative paths start is known to the host only; but checked here.
  private mutating func decodeGrants(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    do {
      _ = try GrantTable(value, baseDirectory: "/")
      configuration.grants = value
    } catch {
      problem(["grants"], error.message)
    }
  }

  private mutating func decodeDefaults(_ value: LuaValue, _ configuration: inout HostConfiguration) {
    guard case .table(let defaults) = value else {
      problem(["job_defaults"], "job_defaults must be a table like { max_instances = 3 }, not \(value.shown)")
      return
    }
    let environment = DeclareEnvironment(
      zones: zones, executors: Array(configuration.executors.keys), stores: Array(configuration.stores.keys),
      groups: Array(configuration.groups.keys), now: now)
    var isFine = true
    for (key, value) in defaults.fields {
      var draft = JobDraft(zone: .utc)
      var decoder = JobDecoder(environment, .hostDefaults)
      decoder.apply(LuaTable(fields: [(key, value)]), to: &draft)
      for complaint in decoder.reading.complaints {
        problem(["job_defaults", key], "job_defaults: \(complaint)")
        isFine = false
      }
    }
    var reading = FieldReading()
    reading.namedKeysOnly(defaults, in: "job_defaults")
    report(reading, ["job_defaults"])
    if isFine && reading.complaints.isEmpty { configuration.jobDefaults = defaults }
  }
}

extension LuaValue {
  /// Whether there is a value at a path of names.
  fileprivate func has(_ path: ArraySlice<String>) -> Bool {
    guard let name = path.first else { return true }
    guard case .table(let table) = self, let inner = table.field(name) else { return false }
    return inner.has(path.dropFirst())
  }

  /// This value with another one at a path of names; what stands in the way is replaced by tables.
  fileprivate func setting(_ path: ArraySlice<String>, to value: LuaValue) -> LuaValue {
    guard let name = path.first else { return value }
    let table = if case .table(let own) = self { own } else { LuaTable() }
    let inner = (table.field(name) ?? .nil).setting(path.dropFirst(), to: value)
    return .table(
      LuaTable(array: table.array, fields: table.fields + [(key: name, value: inner)], others: table.others))
  }
}
