internal import Chronology
internal import Hosting
internal import JobModel
internal import Lua
internal import ScriptLoading

extension Configuration {
  /// The default with flat settings over it: the keys of `moondial --set`, and of the environment.
  ///
  ///     try Configuration(settings: ["executors.default.workers": "20", "job_defaults.coalesce": "false"])
  ///
  /// Throws all that is wrong, a line each.
  public init(settings: [String: String]) throws(SchedulerError) {
    self.init()
    try apply(settings)
  }

  /// Lays flat settings over what is there.
  ///
  ///     try configuration.apply(["timezone": "UTC", "stores.default": "sqlite:jobs.db"])
  ///
  /// When it throws, nothing was changed.
  public mutating func apply(_ settings: [String: String]) throws(SchedulerError) {
    var given: [ConfigurationSetting] = []
    for (key, text) in settings.sorted(by: { $0.key < $1.key }) {
      guard let setting = ConfigurationSetting(key: key, text: text, origin: "setting \(key)") else {
        throw SchedulerError(
          .invalid, "setting \"\(key)\": a part of the key is empty; write executors.default.workers")
      }
      given.append(setting)
    }
    try lay(given)
  }

  /// Lays the settings among environment variables over what is there: `MOONDIAL_EXECUTORS__DEFAULT__WORKERS=20`.
  /// Variables of other programs are passed over.
  public mutating func apply(environment: [String: String]) throws(SchedulerError) {
    try lay(ConfigurationSetting.settings(inEnvironment: environment))
  }

  private mutating func lay(_ settings: [ConfigurationSetting]) throws(SchedulerError) {
    let zones = TimeZoneDatabase.shared
    let checked = try decoded(settings: others + settings, zones: zones)
    var changed = self
    for setting in settings where !changed.take(setting.path, from: checked, zones: zones) {
      changed.others.removeAll { $0.path == setting.path }
      changed.others.append(setting)
    }
    self = changed
  }

  /// Takes over what a setting changed into the typed part that holds it. False when there is none.
  private mutating func take(_ path: [String], from checked: HostConfiguration, zones: TimeZoneDatabase) -> Bool {
    switch path.first {
    case "timezone":
      timezone = checked.timeZone
      return true
    case "stores" where path.count == 2:
      stores[path[1]] = checked.stores[path[1]].map { Store(url: $0.address.text) }
      return true
    case "executors" where path.count == 3 && path[2] == "workers":
      executors[path[1], default: .threads()].workers = checked.executors[path[1]]?.workers
      return true
    case "groups" where path.count > 1:
      groups[path[1]] = checked.groups[path[1]].map { Group(max: $0.max, rate: $0.rate?.text) }
      return true
    case "job_defaults" where path.count > 1:
      let job = NativeJob(
        name: "defaults", fields: LuaTable(), source: SourceLocation(file: "", line: 0), payload: NoCode())
      let environment = checked.environment(zones: zones, zone: .utc, now: SystemWallClock().now)
      guard let definition = try? job.definition(in: environment) else { return false }
      return jobDefaults.take(path[1], from: definition)
    default: return false
    }
  }

  /// The host's configuration, checked. Throws all that is wrong, a line each.
  func decoded(zones: TimeZoneDatabase) throws(SchedulerError) -> HostConfiguration {
    try decoded(settings: others, zones: zones)
  }

  private func decoded(settings: [ConfigurationSetting], zones: TimeZoneDatabase) throws(SchedulerError)
    -> HostConfiguration
  {
    let (configuration, problems) = HostConfiguration.decoding(
      table, settings: settings, zones: zones, stores: .standard, now: SystemWallClock().now)
    let errors = problems.filter { $0.severity == .error }
    guard errors.isEmpty else {
      throw SchedulerError(.invalid, errors.map { $0.text }.joined(separator: "\n"))
    }
    var found = configuration
    for (name, executor) in executors where executor.program != nil {
      found.executors[name]?.process.program = executor.program
    }
    return found
  }

  /// As moondial.lua would return it.
  private var table: LuaTable {
    var fields: [(key: String, value: LuaValue)] = []
    if let timezone { fields.append(("timezone", .text(timezone))) }
    fields.append(("stores", .table(LuaTable(fields: stores.map { ($0.key, .text($0.value.url)) }))))
    let pools = executors.map { name, executor in
      (key: name, value: LuaValue.table(LuaTable(fields: executor.fields)))
    }
    fields.append(("executors", .table(LuaTable(fields: pools))))
    fields.append(("groups", .table(LuaTable(fields: groups.map { ($0.key, $0.value.value) }))))
    fields.append(("job_defaults", .table(LuaTable(fields: jobDefaults.fields))))
    if let scripts {
      fields.append(("grants", .table(LuaTable(fields: scripts.grants.map { ($0.key, $0.value.value) }))))
    }
    return LuaTable(fields: fields)
  }
}

extension Configuration.Executor {
  /// As moondial.lua would have it.
  fileprivate var fields: [(key: String, value: LuaValue)] {
    var fields: [(key: String, value: LuaValue)] = []
    if let workers { fields.append(("workers", .integer(Int64(workers)))) }
    guard program != nil else { return fields }
    fields.append(("type", .text("process")))
    if let memory { fields.append(("memory", .integer(Int64(memory)))) }
    if hasAllLibraries { fields.append(("libraries", .text("all"))) }
    return fields
  }
}

extension Configuration.Grant {
  /// As moondial.lua would say it.
  var value: LuaValue {
    if isAll { return .bool(true) }
    let parts = [
      ("fs", files), ("exec", exec), ("exec_env", execEnv), ("env", env), ("secret", secret), ("http", http),
      ("mail", mail),
    ]
    return .table(LuaTable(fields: parts.filter { !$0.1.isEmpty }.map { (key: $0.0, value: .texts($0.1)) }))
  }
}

extension Configuration.Group {
  fileprivate var value: LuaValue {
    var fields: [(key: String, value: LuaValue)] = []
    if let max { fields.append(("max", .integer(Int64(max)))) }
    if let rate { fields.append(("rate", .text(rate))) }
    return .table(LuaTable(fields: fields))
  }
}

extension HostConfiguration {
  /// What jobs of the program are declared against.
  func environment(zones: TimeZoneDatabase, zone: TimeZoneRules, now: Instant) -> DeclareEnvironment {
    // The quotas are for scripts: a program knows what it asks for.
    var quotas = quotas
    quotas.maxMemory = .max
    quotas.maxTimeout = nil
    return DeclareEnvironment(
      zones: zones, zone: zone, executors: Array(executors.keys), stores: Array(stores.keys),
      groups: Array(groups.keys),
      hostDefaults: jobDefaults, quotas: quotas, now: now, processExecutors: processExecutors)
  }
}

extension ScriptProblem {
  /// Its message; with its location where that is a setting's name.
  fileprivate var text: String { location.file == "moondial.lua" ? message : "\(location.file): \(message)" }
}

/// Stands for code where only options are looked at.
final class NoCode: JobPayload {
  func difference(from other: any JobPayload) -> PayloadDifference { .code }
}

extension TimeZoneDatabase {
  /// The system's zones: read when they are first asked for, and kept for the life of the process.
  static let shared = TimeZoneDatabase()
}
