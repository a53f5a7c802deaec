package import JobModel

/// What a host has counted since it started, and where it stands: the numbers of `/metrics`. Values only; how they are
/// called there is not said here.
package struct HostMetrics: Sendable, Codable {
  /// Runs that were accepted because an instant fell due.
  package var fires = 0
  /// Instants that got no run, by decision.
  package var decisions: [DecisionCount] = []
  /// Runs that ended, by job and outcome; the busiest jobs by name, the others together under nil.
  package var ended: [OutcomeCount] = []
  /// From an instant to the start of its run, seconds.
  package var lateness = Histogram.empty
  /// Attempts of a run together, seconds.
  package var durations = Histogram.empty
  package var retries = 0
  package var runs = RunCounts()
  package var jobs = JobCounts()
  package var executors: [ExecutorStatus] = []
  package var stores: [StoreMetrics] = []
  package var nodes: [NodeMetrics] = []
  package var memory = MemoryStatus(resident: 0, luaStates: nil)
  package var generation = 0
  package var reloads = 0
  package var failedReloads = 0
  /// How often the wall clock was set.
  package var clockSteps = 0
  package var isReady = true
  package var isPaused = false
  package var uptimeSeconds: Double = 0
  /// What scripts count and measure.
  package var scripts: [ScriptSeries] = []

  package init() {}

  package struct DecisionCount: Sendable, Codable, Hashable {
    package var kind: DecisionKind
    package var reason: SkipReason?
    package var count: Int

    package init(kind: DecisionKind, reason: SkipReason?, count: Int) {
      self.kind = kind
      self.reason = reason
      self.count = count
    }
  }

  package struct OutcomeCount: Sendable, Codable, Hashable {
    /// nil: all jobs that are not counted by themselves.
    package var job: String?
    package var outcome: Outcome
    package var count: Int

    package init(job: String?, outcome: Outcome, count: Int) {
      self.job = job
      self.outcome = outcome
      self.count = count
    }
  }

  package struct StoreMetrics: Sendable, Codable, Hashable {
    package var name: String
    package var isWritable: Bool
    /// Changes that wait to be written.
    package var queued: Int
    package var batches: Int
    package var failures: Int
    /// From handing a batch over to its completion, seconds.
    package var latency: Histogram

    package init(name: String, isWritable: Bool, queued: Int, batches: Int, failures: Int, latency: Histogram) {
      self.name = name
      self.isWritable = isWritable
      self.queued = queued
      self.batches = batches
      self.failures = failures
      self.latency = latency
    }
  }

  /// The hosts of one store, as of this host's last beat.
  package struct NodeMetrics: Sendable, Codable, Hashable {
    package var store: String
    package var states: [StateCount]
    /// Live ones that have other scripts than this host.
    package var otherScripts: Int
    /// Seconds that this machine's clock is ahead of the server's at least.
    package var clockAhead: Double

    package struct StateCount: Sendable, Codable, Hashable {
      package var state: NodeAnswer.State
      package var count: Int
    }
  }

  package struct ScriptSeries: Sendable, Codable, Hashable {
    package var script: String
    package var name: String
    /// `counter` or `gauge`.
    package var kind: String
    /// As Prometheus writes them: `host="a",zone="b"`, sorted; empty without labels.
    package var labels: String
    package var value: Double

    package init(script: String, name: String, kind: String, labels: String, value: Double) {
      self.script = script
      self.name = name
      self.kind = kind
      self.labels = labels
      self.value = value
    }
  }
}

/// Counts by size.
package struct Histogram: Sendable, Codable, Hashable {
  /// Upper bounds in rising order; what is above the last one is only in `count`.
  package var bounds: [Double]
  /// How many were at most each bound, and above the one before it.
  package var counts: [Int]
  package var count: Int
  package var sum: Double

  package init(bounds: [Double], counts: [Int], count: Int, sum: Double) {
    self.bounds = bounds
    self.counts = counts
    self.count = count
    self.sum = sum
  }

  package static let empty = Histogram(bounds: [], counts: [], count: 0, sum: 0)
}
