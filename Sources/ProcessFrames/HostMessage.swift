package import Chronology
package import JobModel

/// Which libraries the scripts of a worker have.
package enum WorkerLibraries: String, Sendable, Hashable, CaseIterable {
  /// Those of the thread pool: no files but `fs`, no programs but `exec`, no code but Lua.
  case safe
  /// Those of the `lua` program, C modules among them.
  case all
}

/// What a worker becomes before its first run: for which script it works, and what that may do. Nothing of it can be
/// changed later.
package struct WorkerBinding: Sendable, Hashable {
  /// The process that started it.
  package var host: Int32
  package var script: String
  package var baseDirectory: String
  package var libraries: WorkerLibraries
  /// Bytes that it may have beside those that it begins with; nil: any.
  package var memory: Int?
  /// Nanoseconds of processor time that a run may use; nil: any.
  package var processorTime: Int64?
  package var hasNamespaces: Bool
  /// As `Grants.write` writes them.
  package var grants: [UInt8]
  package var limits: WorkerLimits

  package init(
    host: Int32, script: String, baseDirectory: String, libraries: WorkerLibraries, memory: Int?,
    processorTime: Int64?, hasNamespaces: Bool, grants: [UInt8], limits: WorkerLimits
  ) {
    self.host = host
    self.script = script
    self.baseDirectory = baseDirectory
    self.libraries = libraries
    self.memory = memory
    self.processorTime = processorTime
    self.hasNamespaces = hasNamespaces
    self.grants = grants
    self.limits = limits
  }
}

/// What of its host's limits of running scripts a worker has too; of what runs have together each worker has it all.
package struct WorkerLimits: Sendable, Hashable {
  /// Bytes of kept states.
  package var keptBytes: Int
  /// Bytes of answers under way.
  package var answerBytes: Int
  /// Lines that one run may log.
  package var logLines: Int
  /// Nanoseconds that a hook has after an attempt that was killed.
  package var hookTimeout: Int64
  /// Nanoseconds that a cancelled run has whose script looks for that.
  package var cancelPatience: Int64

  package init(keptBytes: Int, answerBytes: Int, logLines: Int, hookTimeout: Int64, cancelPatience: Int64) {
    self.keptBytes = keptBytes
    self.answerBytes = answerBytes
    self.logLines = logLines
    self.hookTimeout = hookTimeout
    self.cancelPatience = cancelPatience
  }
}

/// The code of a job, and what of its definition a run is told.
package struct JobCode: Sendable {
  /// Names it from now on.
  package var key: UInt32
  package var name: String
  package var file: String
  package var line: Int
  /// `LuaCapsule.encoded()`.
  package var capsule: [UInt8]
  /// Globals that the script assigns anywhere.
  package var declared: [String]
  package var params: JSONText?
  package var timeout: Int64?
  package var retry: RetryPolicy?
  /// IANA name.
  package var timeZone: String
  package var keepsState: Bool
  package var store: String
  package var executor: String
  package var memoryLimit: Int?
  package var isFailureHook: Bool

  package init(
    key: UInt32, _ definition: JobDefinition, capsule: [UInt8], declared: [String], memoryLimit: Int?,
    isFailureHook: Bool
  ) {
    self.key = key
    name = definition.name
    file = definition.source.file
    line = definition.source.line
    self.capsule = capsule
    self.declared = declared
    params = definition.params
    timeout = definition.timeout
    retry = definition.retry
    timeZone = definition.timeZone
    keepsState = definition.state == .job
    store = definition.store
    executor = definition.executor
    self.memoryLimit = memoryLimit
    self.isFailureHook = isFailureHook
  }
}

/// One attempt to run.
package struct RunCommand: Sendable {
  /// Rises with each run that the host gives to any worker.
  package var number: UInt64
  /// Of its job.
  package var key: UInt32
  package var id: Int64
  package var attempt: Int32
  package var scheduledAt: Instant
  package var missed: Int
  package var params: JSONText?
  package var event: JSONText?
  package var schedule: String?
  package var quotas: Quotas
  package var threshold: LogLevel
  /// Whether the job's store keeps values.
  package var hasValues: Bool
  /// Only the hooks are executed: the run has ended so, with the process that had it.
  package var former: Former?

  /// How a run has ended.
  package struct Former: Sendable {
    package var outcome: Outcome
    package var error: RunError
    package init(outcome: Outcome, error: RunError) {
      self.outcome = outcome
      self.error = error
    }
  }

  package init(
    number: UInt64, key: UInt32, _ order: RunOrder, quotas: Quotas, threshold: LogLevel, hasValues: Bool,
    former: Former? = nil
  ) {
    self.former = former
    self.number = number
    self.key = key
    id = order.id.number
    attempt = order.attempt
    scheduledAt = order.scheduledAt
    missed = order.missed
    params = order.context?.params
    event = order.context?.event
    schedule = order.context?.schedule
    self.quotas = quotas
    self.threshold = threshold
    self.hasValues = hasValues
  }
}

/// What a host says to its worker.
package enum HostMessage: Sendable {
  case bind(WorkerBinding)
  case job(JobCode)
  case forget(UInt32)
  case run(RunCommand)
  case cancel(UInt64)
  case windDown
  case answer(UInt64, ServiceAnswer)
  /// An event for a subscription.
  case event(UInt64, JSONText?)
  /// It is to end, when it has no run.
  case end
}
