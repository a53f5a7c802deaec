internal import Basics
internal import Chronology
internal import JobModel
internal import SchedulerService
internal import Scheduling
internal import ScriptLoading
internal import ScriptRuntime
internal import Synchronization

/// What is counted.
extension SchedulerControl {
  package func metrics() async throws(ControlError) -> HostMetrics {
    try await away { () throws(ControlError) in self.metricsNow() }
  }

  /// Jobs whose runs are counted by name, so that the page stays small with 10,000 jobs: those with the most runs.
  static let namedJobs = 200

  private func metricsNow() -> HostMetrics {
    var metrics = HostMetrics()
    let glance = engine.ask { core, _, _ in Glance(core) }
    let (counters, tallies) = engine.ask { core, _, _ in (core.counters, core.storeTallies) }
    count(counters, &metrics)
    metrics.ended = ended(counters)
    metrics.runs = glance.counts()
    metrics.jobs = jobCounts(glance)
    metrics.executors = executors(glance.runs)
    metrics.stores = tallies.enumerated().map { index, tally in
      HostMetrics.StoreMetrics(
        name: parts.stores[index].name, isWritable: !glance.failedStores[index], queued: tally.queued,
        batches: tally.batches,
        failures: tally.failures, latency: Histogram(tally.latency))
    }
    metrics.nodes = parts.memberships.stores.map { HostMetrics.NodeMetrics($0, own: parts.memberships.name) }
    metrics.memory = memory
    metrics.generation = generation
    metrics.isPaused = glance.pause != nil
    metrics.isReady = obstacles(glance).isEmpty
    metrics.uptimeSeconds = Double(parts.monotonicClock.now.nanoseconds - startedAtMonotonic) / 1e9
    metrics.scripts = parts.series().map { series in
      HostMetrics.ScriptSeries(
        script: series.script, name: series.name, kind: series.kind.rawValue, labels: series.labels,
        value: series.value)
    }
    metrics.clockSteps = observed.withLock { $0.clockSteps }
    (metrics.reloads, metrics.failedReloads) = parts.scripts.counts
    return metrics
  }

  private func count(_ counters: RunCounters, _ metrics: inout HostMetrics) {
    metrics.fires = counters.fires
    metrics.retries = counters.retries
    metrics.lateness = Histogram(counters.lateness)
    metrics.durations = Histogram(counters.durations)
    metrics.decisions = counters.decisions.map {
      HostMetrics.DecisionCount(kind: $0.kind, reason: $0.reason, count: $0.count)
    }
  }

  /// By job and outcome: the jobs with the most runs by name, all others, and those that have gone, as one.
  private func ended(_ counters: RunCounters) -> [HostMetrics.OutcomeCount] {
    var jobs: [(job: String, counts: ContiguousArray<UInt32>)] = []
    everySlot({ core, range in core.endedRuns(in: range) }) { jobs += $0 }
    jobs.sort { a, b in
      let (left, right) = (a.counts.reduce(0) { $0 + Int($1) }, b.counts.reduce(0) { $0 + Int($1) })
      return left == right ? a.job < b.job : left > right
    }
    var rest = counters.ended
    var found: [HostMetrics.OutcomeCount] = []
    for (job, counts) in jobs.prefix(Self.namedJobs).sorted(by: { $0.job < $1.job }) {
      for outcome in Outcome.allCases where counts[outcome.ordinal] > 0 {
        let count = Int(counts[outcome.ordinal])
        rest[outcome.ordinal] = max(0, rest[outcome.ordinal] - count)
        found.append(HostMetrics.OutcomeCount(job: job, outcome: outcome, count: count))
      }
    }
    return found
      + Outcome.allCases.compactMap { outcome in
        let count = rest[outcome.ordinal]
        return count > 0 ? HostMetrics.OutcomeCount(job: nil, outcome: outcome, count: count) : nil
      }
  }
}

extension HostMetrics.NodeMetrics {
  init(_ news: HostMemberships.SharedStoreNews, own: String) {
    let states = news.members.map { NodeAnswer.State($0) }
    let scripts = news.members.first { $0.name == own }?.report.scripts ?? ""
    self.init(
      store: news.store,
      states: NodeAnswer.State.allCases.map { state in StateCount(state: state, count: states.count { $0 == state }) },
      otherScripts: scripts.isEmpty
        ? 0 : news.members.count { $0.isAlive && !$0.report.scripts.isEmpty && $0.report.scripts != scripts },
      clockAhead: Double(news.clockAhead) / 1e9)
  }
}

extension Histogram {
  /// In seconds.
  init(_ spans: SpanCounts) {
    self.init(
      bounds: SpanCounts.ends.map { Double($0) / 1e9 }, counts: Array(spans.counts), count: spans.count,
      sum: Double(spans.sum) / 1e9)
  }
}
