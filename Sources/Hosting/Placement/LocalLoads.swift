internal import JobModel
internal import Scheduling
internal import Synchronization

/// What this host's executors have of the runs that might be elsewhere, and how long runs of each job take.
///
/// Threading: any thread. O(1) for each order and report.
final class LocalLoads: Sendable {
  /// What the way to another host is worth, nanoseconds. A run that is placed costs the two hosts and the server some
  /// 20 statements in four transactions: jobs that do nothing ran 18,700 times a second on a host alone, and 5,200
  /// times with another one beside it when each was placed.
  static let way: Int64 = 20_000_000
  /// How many jobs are remembered at most.
  fileprivate static let jobs = 200_000

  fileprivate struct Run: Sendable {
    var executor: Int
    var job: String
    var hasBegun = false
    /// What it is expected to take, of one that was kept; nil: a placer has given it to this host.
    var expected: Int64?
  }
  fileprivate struct State: Sendable {
    /// By executor.
    var rooms: [Placement.Room] = []
    /// By executor: what those runs will take that were kept, nanoseconds of a worker.
    var backlogs: [Int64] = []
    var runs: [RunToken: Run] = [:]
    /// Nanoseconds by job: a moving mean of its last eight runs or so.
    var lengths: [String: Int64] = [:]
    /// Nothing that a leader before this one has placed is still to be handed over.
    var isComplete = false
  }
  private let state = Mutex(State())

  func use(_ workers: [Int]) {
    state.withLock { state in
      state.rooms = workers.map { Placement.Room(workers: $0) }
      state.backlogs = workers.map { _ in 0 }
    }
  }

  func startIsComplete() { state.withLock { $0.isComplete = true } }

  var count: Int { state.withLock { $0.runs.count } }

  func room(_ executor: Int) -> Placement.Room? {
    state.withLock { executor < $0.rooms.count ? $0.rooms[executor] : nil }
  }

  /// Whether a run stays on this host without anybody looking for a better one: runs of its job were shorter than the
  /// way to another host is worth, and this host will be done with what it has of such runs within that time. From then
  /// on this host has it.
  func keeps(_ order: RunOrder, on executor: Int) -> Bool {
    let definition = order.job.definition
    guard definition.onNodes.isEmpty else { return false }
    return state.withLock { state in
      guard state.isComplete, executor < state.rooms.count, state.runs[order.token] == nil,
        let length = state.lengths[definition.name], length < Self.way,
        state.backlogs[executor] / Int64(max(1, state.rooms[executor].workers)) + length < Self.way
      else { return false }
      state.runs[order.token] = Run(executor: executor, job: definition.name, expected: length)
      state.backlogs[executor] += length
      return true
    }
  }

  /// A placer has given it to this host.
  func given(_ order: RunOrder, to executor: Int) {
    state.withLock { state in
      guard executor < state.rooms.count, state.runs[order.token] == nil else { return }
      state.runs[order.token] = Run(executor: executor, job: order.job.definition.name)
      state.rooms[executor].waiting += 1
    }
  }

  /// An attempt of a run of `job` has ended on another host.
  func ended(_ job: String, _ report: RunReport) { state.withLock { $0.learn(job, report) } }

  /// - Returns: whether there is more room than before.
  func heard(_ reports: [RunReport]) -> Bool {
    state.withLock { state in
      guard !state.runs.isEmpty else { return false }
      var isNews = false
      for report in reports {
        guard let run = state.runs[report.token] else { continue }
        switch report.kind {
        case .stuck: continue
        case .started:
          guard !run.hasBegun else { continue }
          state.runs[report.token]?.hasBegun = true
          guard run.expected == nil else { continue }
          state.rooms[run.executor].waiting -= 1
          state.rooms[run.executor].running += 1
        case .ended, .late, .lost:
          state.runs[report.token] = nil
          state.learn(run.job, report)
          if let expected = run.expected {
            state.backlogs[run.executor] -= expected
            continue
          }
          if run.hasBegun {
            state.rooms[run.executor].running -= 1
          } else {
            state.rooms[run.executor].waiting -= 1
          }
        }
        isNews = true
      }
      return isNews
    }
  }
}

extension LocalLoads.State {
  /// A first run counts whole. What was cancelled, perhaps before it began, tells nothing.
  fileprivate mutating func learn(_ job: String, _ report: RunReport) {
    guard report.kind == .ended, report.outcome != .cancelled else { return }
    let length = report.duration
    guard let known = lengths[job] else {
      if lengths.count >= LocalLoads.jobs { lengths = [:] }
      lengths[job] = length
      return
    }
    lengths[job] = known + (length - known) / 8
  }
}
