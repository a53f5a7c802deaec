package import JobModel
package import Lua
package import ScriptRuntime

/// How the host is set up: what `moondial.lua`, the environment and the command line say together, checked.
///
/// A plain value that an embedder can also make directly. The default is a host that needs no configuration: an SQLite
/// store in the state directory and one pool of threads.
package struct HostConfiguration: Sendable, Equatable {
  /// IANA name of the zone of jobs and scripts that name none; `nil` is the system's.
  package var timeZone: String?
  /// By name; there is always one called `default`.
  package var stores: [String: StoreConfiguration]
  /// By name; there is always one called `default`.
  package var executors: [String: ExecutorConfiguration]
  /// Fields of jobs that do not say otherwise; a table that ``JobField`` allows as host defaults.
  package var jobDefaults: LuaTable
  /// What jobs may do together, by the name that their `group` says. A reload takes it over.
  package var groups: [String: GroupLimit]
  package var http: HTTPConfiguration
  /// This host among others.
  package var node: NodeConfiguration
  /// From which level on the log shows lines of jobs: by name, or by a beginning with `*` after it. A reload takes it
  /// over.
  package var logLevels: [String: LogLevel]
  /// How much history the stores keep.
  package var retention: Retention
  /// How much scripts may take. A reload takes it over.
  package var quotas: Quotas
  /// Bytes of idle Lua states that jobs keep between runs, over all jobs.
  package var keptStateBytes: Int
  /// Bytes of answers that runs are waiting for, or have not taken yet, over all runs.
  package var answerBytes: Int
  /// Where `secret` looks. A reload takes it over.
  package var secrets: SecretsConfiguration
  /// Where `notify` sends to, by name. A reload takes it over.
  package var notify: [String: NotifyTarget]
  /// Which scripts may do what: script patterns to tables of grants, for ``GrantTable`` to read.
  package var grants: LuaValue
  /// Called when a run of any job has failed. A reload takes it over.
  package var onFailure: FailureHook?

  package init() {
    timeZone = nil
    stores = ["default": .standard]
    executors = ["default": ExecutorConfiguration()]
    jobDefaults = LuaTable()
    groups = [:]
    http = HTTPConfiguration()
    node = NodeConfiguration()
    logLevels = [:]
    retention = Retention()
    quotas = Quotas()
    keptStateBytes = 512 << 20
    answerBytes = 256 << 20
    secrets = SecretsConfiguration()
    notify = [:]
    grants = .table(LuaTable())
  }

  /// The names of the executors whose runs are in processes of their own.
  package var processExecutors: Set<String> { Set(executors.filter { $0.value.kind == .process }.keys) }

  /// Whether some executor gives scripts the libraries of the `lua` program.
  package var hasAllLibraries: Bool {
    executors.values.contains { $0.kind == .process && $0.process.libraries == .all }
  }

  /// Whether the start and end of some job's runs are to be logged, whatever is for the others.
  package var logsRuns: Bool { logLevels.values.contains(.debug) }

  /// Whether scripts declare the same jobs under both: then a change from one to the other needs no new evaluation.
  package func declaresTheSame(as other: HostConfiguration) -> Bool {
    timeZone == other.timeZone && jobDefaults == other.jobDefaults && stores.keys == other.stores.keys
      && executors.keys == other.executors.keys && hasAllLibraries == other.hasAllLibraries
      && groups.keys == other.groups.keys
      && quotas.maxMemory == other.quotas.maxMemory && quotas.maxTimeout == other.quotas.maxTimeout
      && quotas.paramsBytes == other.quotas.paramsBytes && quotas.loadTimeout == other.quotas.loadTimeout
      && quotas.jobs == other.quotas.jobs && DeclareQuota(quotas) == DeclareQuota(other.quotas)
  }

  /// How much history the stores keep, log lines included.
  package var storedHistory: Retention {
    var history = retention
    history.logBytesPerJob = quotas.logBytesPerJob
    history.logBytes = quotas.logStoreBytes
    return history
  }

  /// The names of the settings that differ and that a running host cannot take over, sorted: `stores`, `http`, ….
  package func settingsNeedingRestart(from former: HostConfiguration) -> [String] {
    var names: [String] = []
    if executors != former.executors { names.append("executors") }
    if !http.listens(as: former.http) { names.append("http.listen") }
    if node != former.node { names.append("node") }
    if stores != former.stores { names.append("stores") }
    if timeZone != former.timeZone { names.append("timezone") }
    return names
  }
}

/// Where schedules, history and `kv` are kept.
package struct StoreConfiguration: Sendable, Hashable {
  package var address: StoreAddress
  /// What has happened when a commit returns; only some kinds of stores have the choice.
  package var synchronous = CommitDurability.full
  /// How long a host has a store that several may name without renewing that, in nanoseconds; nil: the store's default.
  package var lease: Int64?
  /// Whether other hosts that name it may be given its runs.
  package var hasMembers = false

  package init(_ address: StoreAddress) { self.address = address }

  /// `moondial.db` in the state directory.
  package static let standard = StoreConfiguration(StoreAddress("sqlite:moondial.db"))
}

/// One pool that runs jobs.
package struct ExecutorConfiguration: Sendable, Hashable {
  package enum Kind: String, Sendable, Hashable, CaseIterable {
    case threads, process
  }
  package var kind: Kind
  /// `nil`: as many as there are processors, at least 2.
  package var workers: Int?
  /// What an executor of processes may say besides.
  package var process = ProcessOptions()

  package init(_ kind: Kind = .threads, workers: Int? = nil) {
    self.kind = kind
    self.workers = workers
  }
}
