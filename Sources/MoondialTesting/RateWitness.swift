internal import JobModel
internal import Synchronization

/// Holds every start of a run against the rates that it is under, over all lives of a host.
///
/// Threading: any thread.
final class RateWitness: Sendable {
  private struct Start: Sendable {
    var job: String
    /// Nanoseconds of the simulation's monotonic clock, which no crash resets.
    var at: Int64
  }

  /// By what the rate is of.
  private let starts = Mutex<[String: [Start]]>([:])

  /// An attempt of `job` has started. Answers which rates that breaks.
  func started(_ job: JobDefinition, at now: Int64, _ groups: [String: GroupLimit]) -> [String] {
    starts.withLock { starts in
      [("job \(job.name)", job.rate), job.group.map { ("group \($0)", groups[$0]?.rate) }].compactMap { $0 }
        .compactMap { name, rate in
          guard let rate else { return nil }
          starts[name, default: []].removeAll { now - $0.at >= rate.window }
          starts[name, default: []].append(Start(job: job.name, at: now))
          let count = starts[name]?.count ?? 0
          return count > rate.count ? "\(name) has \(count) starts within its window: its rate is \(rate)" : nil
        }
    }
  }

  /// The host died. What it cannot know of its former life is forgiven: starts before the clock was last set (the rows
  /// have wall-clock times), and those of jobs that nobody declares any more.
  func hostDied(clockSetAt: Int64, absent: Set<String>) {
    starts.withLock { starts in
      for name in starts.keys { starts[name]?.removeAll { $0.at <= clockSetAt || absent.contains($0.job) } }
    }
  }
}
