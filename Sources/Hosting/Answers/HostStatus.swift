/// How a host is: what `moondial status` shows.
package struct HostStatus: Sendable, Codable {
  package enum State: String, Sendable, Codable, CaseIterable {
    case running
    /// Everything is paused: nothing that falls due runs.
    case paused
    /// It claims nothing more, and ends when what runs has ended.
    case stopping
  }

  package var host: HostIdentity
  package var version: String
  package var pid: Int
  package var state: State
  package var startedAt: HostTime
  package var now: HostTime
  /// IANA name of the zone in which times are shown.
  package var timeZone: String
  /// What this host is called among those that share a store with it; nil: it shares none.
  package var node: String?
  package var scripts: String?
  package var stateDirectory: String?
  /// Set while everything is paused.
  package var pause: PauseInfo?
  package var generation: Int
  package var isReady: Bool
  /// What the host cannot do at the moment, each one sentence.
  package var problems: [String]
  package var jobs: JobCounts
  package var runs: RunCounts
  package var loop: LoopStatus
  package var stores: [StoreStatus]
  package var executors: [ExecutorStatus]
  package var memory: MemoryStatus

  private enum CodingKeys: String, CodingKey {
    case host, version, pid, state, now, node, scripts, pause, generation, problems, jobs, runs, loop, stores,
      executors,
      memory
    case startedAt = "started_at"
    case timeZone = "timezone"
    case stateDirectory = "state_directory"
    case isReady = "ready"
  }

  package init(
    host: HostIdentity, version: String, pid: Int, state: State, startedAt: HostTime, now: HostTime, timeZone: String,
    generation: Int, isReady: Bool, problems: [String], jobs: JobCounts, runs: RunCounts, loop: LoopStatus,
    stores: [StoreStatus], executors: [ExecutorStatus], memory: MemoryStatus
  ) {
    self.host = host
    self.version = version
    self.pid = pid
    self.state = state
    self.startedAt = startedAt
    self.now = now
    self.timeZone = timeZone
    self.generation = generation
    self.isReady = isReady
    self.problems = problems
    self.jobs = jobs
    self.runs = runs
    self.loop = loop
    self.stores = stores
    self.executors = executors
    self.memory = memory
  }
}

/// Why, by whom and since when something is paused.
package struct PauseInfo: Sendable, Hashable, Codable {
  package var reason: String?
  package var by: String
  package var at: HostTime

  package init(reason: String?, by: String, at: HostTime) {
    self.reason = reason
    self.by = by
    self.at = at
  }
}

/// Declared jobs, and the orphaned ones that are remembered.
package struct JobCounts: Sendable, Hashable, Codable {
  package var total = 0
  package var paused = 0
  package var disabled = 0
  package var orphaned = 0
  /// Dynamic ones, of all jobs.
  package var schedules = 0

  package init() {}
}

/// Active runs.
package struct RunCounts: Sendable, Hashable, Codable {
  /// Accepted, and not claimed.
  package var waiting = 0
  /// Claimed, and not started.
  package var claimed = 0
  /// Started; suspended ones as well.
  package var running = 0
  /// Between two attempts.
  package var retrying = 0
  /// Begun, and without a thread until a time or an event comes.
  package var parked = 0
  /// Beyond their deadline and not to be stopped.
  package var stuck = 0
  /// Since the host started.
  package var ended = 0

  package init() {}
}

/// The scheduler's thread.
package struct LoopStatus: Sendable, Hashable, Codable {
  /// When the next job falls due, or fell due, if something keeps it from being begun; nil: none will.
  package var nextDue: HostTime?
  /// Name of the store of that job.
  package var nextStore: String?
  /// Milliseconds that this question waited for the scheduler's thread.
  package var answeredIn: Double

  private enum CodingKeys: String, CodingKey {
    case nextDue = "next_due"
    case nextStore = "next_due_store"
    case answeredIn = "answered_in_ms"
  }

  package init(nextDue: HostTime?, nextStore: String? = nil, answeredIn: Double) {
    self.nextDue = nextDue
    self.nextStore = nextStore
    self.answeredIn = answeredIn
  }
}

package struct StoreStatus: Sendable, Hashable, Codable {
  /// As the configuration calls it.
  package var name: String
  /// `memory`, or `sqlite moondial.db`.
  package var kind: String
  /// Whether its last batch was written.
  package var isWritable: Bool
  package var error: String?

  private enum CodingKeys: String, CodingKey {
    case name, kind, error
    case isWritable = "writable"
  }

  package init(name: String, kind: String, isWritable: Bool, error: String? = nil) {
    self.name = name
    self.kind = kind
    self.isWritable = isWritable
    self.error = error
  }
}

package struct ExecutorStatus: Sendable, Hashable, Codable {
  package var name: String
  package var workers: Int
  /// Runs that it has: queued, running and suspended ones.
  package var runs: Int

  package init(name: String, workers: Int, runs: Int) {
    self.name = name
    self.workers = workers
    self.runs = runs
  }
}

package struct MemoryStatus: Sendable, Hashable, Codable {
  /// Bytes of the process that are in memory.
  package var resident: Int
  /// Bytes of kept Lua states; nil without scripts.
  package var luaStates: Int?

  private enum CodingKeys: String, CodingKey {
    case resident = "resident_bytes"
    case luaStates = "lua_states_bytes"
  }

  package init(resident: Int, luaStates: Int?) {
    self.resident = resident
    self.luaStates = luaStates
  }
}

/// Whether a host does its work.
package struct Readiness: Sendable, Hashable, Codable {
  package var isReady: Bool
  /// Why it is not, each one sentence.
  package var problems: [String]

  private enum CodingKeys: String, CodingKey {
    case problems
    case isReady = "ready"
  }

  package init(problems: [String]) {
    isReady = problems.isEmpty
    self.problems = problems
  }
}
