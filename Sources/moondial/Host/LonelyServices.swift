import Chronology
import Executors
import Hosting
import JobModel
import ScriptLoading
import ScriptRuntime
import Synchronization

/// What `emit`, `wait` and `jobs` reach in a run that no scheduler has started (`moondial exec`): everything is
/// refused, the first time with a warning, and told again at the end.
///
/// Threading: any thread.
final class LonelyServices: JobControl, EventHub {
  private struct State: Sendable {
    var generation: LoadedGeneration?
    /// What was asked, in the order of the first time, and how often.
    var dropped: [(call: String, count: Int)] = []
  }

  private let state = Mutex(State())
  private let log: LogRenderer
  private static let remembered = 20

  init(_ log: LogRenderer) { self.log = log }

  /// `jobs.list()` answers from it.
  func use(_ generation: LoadedGeneration) { state.withLock { $0.generation = generation } }

  private func drop(_ call: String) -> HostRefusal {
    let isFirst = state.withLock { state in
      defer {
        if let known = state.dropped.firstIndex(where: { $0.call == call }) {
          state.dropped[known].count += 1
        } else if state.dropped.count < Self.remembered {
          state.dropped.append((call, 1))
        }
      }
      return state.dropped.isEmpty
    }
    if isFirst {
      log.write(.warn, "\(call) is dropped: exec runs this one job, without a scheduler, and nothing follows it")
    }
    return HostRefusal("exec runs one job without a scheduler: \(call) is dropped")
  }

  /// One sentence for all that a host would have done in consequence of the run.
  func summary(after record: RunRecord, in generation: LoadedGeneration) -> [String] {
    var messages: [String] = []
    let dropped = state.withLock { $0.dropped }
    if !dropped.isEmpty {
      let calls = dropped.map { $0.count == 1 ? $0.call : "\($0.call) (\($0.count) times)" }
      messages.append("nothing follows, exec has no scheduler; dropped: \(calls.joined(separator: ", "))")
    }
    let next = generation.jobs.filter { job in
      guard let outcome = record.outcome else { return false }
      return job.after.contains { $0.job == record.job && $0.trigger.includes(outcome) }
        || outcome == .succeeded && job.afterAll.contains(record.job)
    }.map(\.name)
    if !next.isEmpty {
      let names = next.prefix(10).joined(separator: ", ") + (next.count > 10 ? ", …" : "")
      messages.append("in a host, \(names) would run after this; here nothing follows")
    }
    return messages
  }

  // MARK: JobControl

  func jobs() -> [JobSummary] {
    let jobs = state.withLock { $0.generation }?.jobs ?? []
    return jobs.map { job in
      JobSummary(name: job.name, script: job.source.file, isEnabled: job.enabled, tags: job.tags)
    }.sorted { $0.name < $1.name }
  }

  func run(
    _ job: String, params: JSONText?, completion: @escaping @Sendable (Result<RunID, HostRefusal>) -> Void
  ) { completion(.failure(refusal("jobs.run(\"\(job)\")", job))) }

  func schedule(
    _ request: ScheduleRequest, completion: @escaping @Sendable (Result<String, HostRefusal>) -> Void
  ) { completion(.failure(refusal("jobs.schedule(\"\(request.job)\")", request.job))) }

  func unschedule(_ id: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    completion(drop("jobs.unschedule(\"\(id)\")"))
  }

  func pause(
    _ job: String, reason: String?, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void
  ) {
    completion(refusal("jobs.pause(\"\(job)\")", job))
  }

  func resume(_ job: String, by caller: String, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    completion(refusal("jobs.resume(\"\(job)\")", job))
  }

  /// A name that no script declares is misuse here as in a host.
  private func refusal(_ call: String, _ job: String) -> HostRefusal {
    let generation = state.withLock { $0.generation }
    guard let generation, generation.job(named: job) == nil else { return drop(call) }
    let hint = JobLookup.hint(job, generation.jobs.map(\.name))
    return HostRefusal("no job is named \"\(job)\"\(hint)", isMisuse: true)
  }

  // MARK: EventHub

  func emit(_ name: String, data: EventData?, completion: @escaping @Sendable (HostRefusal?) -> Void) {
    completion(drop("emit(\"\(name)\")"))
  }

  func subscribe(to name: String, _ receive: @escaping @Sendable (EventData?) -> Void) -> EventSubscription {
    _ = drop("wait(\"\(name)\")")
    return EventSubscription {}
  }
}
