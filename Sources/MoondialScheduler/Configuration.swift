internal import Lua
internal import ScriptLoading

/// How a scheduler is set up: a value with typed parts. The default needs nothing: schedules and history in memory, one
/// pool with a thread for each processor.
///
///     var configuration = Configuration()
///     configuration.timezone = "Europe/Vienna"
///     configuration.stores["default"] = .sqlite("moondial.db")
///     configuration.executors["default"] = .threads(20)
///     configuration.groups["db"] = .init(max: 2, rate: "100/1m")
///     configuration.jobDefaults = JobOptions(coalesce: .all, maxInstances: 3)
///
/// It is checked as a whole when the scheduler starts; every mistake is a line of the `SchedulerError`.
public struct Configuration: Sendable {
  /// Where schedules, history and scripts' values are kept.
  public struct Store: Sendable, Hashable {
    package let url: String
    /// In this process: gone when it ends. Of each job it remembers the last 100 runs.
    public static let memory = Store(url: "memory:")
    /// In an SQLite file, made when it is missing. One scheduler at a time; a relative path begins at the working
    /// directory.
    public static func sqlite(_ path: String) -> Store { Store(url: "sqlite:" + path) }
    /// In a PostgreSQL database, by a connection URI such as `postgres://jobs@db1/jobs`. One scheduler at a time: it
    /// has the store's lease, and a second one is refused while that lasts. Needs the package trait `PostgreSQL`.
    public static func postgres(_ url: String) -> Store { Store(url: url) }
  }

  /// What runs jobs.
  public struct Executor: Sendable, Hashable {
    /// nil: as many as there are processors, at least 2.
    public var workers: Int?
    /// A pool of so many operating-system threads. Suspended Lua runs and async closures hold none of them.
    public static func threads(_ workers: Int? = nil) -> Executor { Executor(workers: workers) }

    /// Processes, each of which has one run of a script at a time; jobs of the program, which are closures, cannot run
    /// there.
    ///
    /// - Parameters:
    ///   - workers: how many at a time; nil: 2.
    ///   - memory: bytes that each may have in addition to those that it begins with; nil: any.
    ///   - hasAllLibraries: whether scripts have the libraries of the `lua` program, C modules among them.
    ///   - program: the path of the `moondial` binary of this version, which the workers are.
    public static func processes(
      workers: Int? = nil, memory: Int? = nil, hasAllLibraries: Bool = false, program: String = "/usr/bin/moondial"
    ) -> Executor {
      var executor = Executor(workers: workers)
      executor.memory = memory
      executor.hasAllLibraries = hasAllLibraries
      executor.program = program
      return executor
    }

    var memory: Int?
    var hasAllLibraries = false
    /// nil: threads.
    var program: String?

    init(workers: Int?) { self.workers = workers }
  }

  /// What the jobs of one group may do together (`JobOptions.group`); nil is no limit.
  public struct Group: Sendable, Hashable {
    /// Runs at the same time.
    public var max: Int?
    /// Starts in any stretch of time: `100/1m` is at most a hundred in any minute.
    public var rate: String?

    /// A group with one limit or both.
    public init(max: Int? = nil, rate: String? = nil) {
      self.max = max
      self.rate = rate
    }
  }

  /// A directory of Lua scripts whose jobs run beside the program's own, and are reloaded when they are saved.
  public struct Scripts: Sendable {
    /// Its path; a relative one begins at the working directory.
    public var directory: String
    /// What scripts may do to the machine, by script path; `*` stands for anything. Relative paths in it begin at the
    /// directory that the scripts directory lies in. Default: nothing.
    public var grants: [String: Grant]
    /// What `env.get` finds, when it is granted. A library reads no environment of its own.
    public var environment: [String: String]

    /// A directory that is there; it is read by `start`.
    public init(_ directory: String, grants: [String: Grant] = [:], environment: [String: String] = [:]) {
      self.directory = directory
      self.grants = grants
      self.environment = environment
    }
  }

  /// What some scripts may do. Names may hold `*`.
  public struct Grant: Sendable, Hashable {
    /// Directories or files, with `:r` (the default) or `:rw` after the path.
    public var files: [String]
    /// Programs that may be run: names of the search path, or paths.
    public var exec: [String]
    /// Variables of the environment that may be set for programs. Those by which a program can be made to run others,
    /// such as `PATH` or `LD_PRELOAD`, are covered by no `*`.
    public var execEnv: [String]
    /// Variables of the environment that may be read.
    public var env: [String]
    /// Secrets that may be read.
    public var secret: [String]
    /// Hosts, addresses and networks that may be called.
    public var http: [String]
    /// Mail servers that messages may be given to.
    public var mail: [String]
    var isAll = false

    /// What is named, and nothing else.
    public init(
      files: [String] = [], exec: [String] = [], execEnv: [String] = [], env: [String] = [], secret: [String] = [],
      http: [String] = [], mail: [String] = []
    ) {
      self.files = files
      self.exec = exec
      self.execEnv = execEnv
      self.env = env
      self.secret = secret
      self.http = http
      self.mail = mail
    }

    /// Everything: for scripts that are trusted like the program itself.
    public static let all: Grant = {
      var grant = Grant()
      grant.isAll = true
      return grant
    }()
  }

  /// IANA name of the zone of jobs that name none; nil is the system's.
  public var timezone: String?
  /// By name; there is always one called `default`.
  public var stores: [String: Store] = ["default": .memory]
  /// By name; there is always one called `default`.
  public var executors: [String: Executor] = ["default": .threads()]
  /// By the name that jobs give as their `group`.
  public var groups: [String: Group] = [:]
  /// For all jobs, those of scripts among them, that do not say otherwise.
  public var jobDefaults = JobOptions()
  /// nil: no scripts.
  public var scripts: Scripts?
  /// Default: warnings and errors on standard error.
  public var log: Log = .standardError(.warn)

  /// Settings that have no typed part here (`retention.runs`), kept as they were written.
  var others: [ConfigurationSetting] = []

  /// The default.
  public init() {}
}
