import Basics
import Chronology
import Hosting
import JobModel
import ScriptLoading

/// `history`: fills the store of a state directory with the history of many jobs, as long as it would take a host days
/// to make, for a measurement of what is asked about it (`.ci/bench-api`).
///
/// Every hundredth run has failed, every tenth has two lines of a log, every fiftieth is followed by a fire that was
/// skipped.
enum HistoryBench {
  /// Runs of one commit.
  private static let batch = 5_000

  static func run(_ parameters: BenchParameters) throws -> JSONObject {
    let jobs = try parameters.integer("jobs")
    let runs = try parameters.integer("runs")
    guard let directory = parameters.text("state_dir") else {
      throw CommandFailure(.usage, "bench history: give state_dir=, the state directory of a host")
    }
    let state = try StateDirectory(making: directory)
    let start = monotonicNow()
    let stores = try StoreKinds.standard.open(HostConfiguration(), in: state, .scheduler)
    defer { for (_, store) in stores { store.close() } }
    let store = stores[0].store
    var history = History(jobs: jobs, runs: runs, first: try load(store), end: SystemWallClock().now)
    while let batch = history.next(most: Self.batch) { try commit(batch, to: store) }
    var result = JSONObject()
    result.set("jobs", jobs)
    result.set("runs", runs)
    result.set("seconds", Double(monotonicNow() - start) / 1e9)
    return result
  }

  private static func load(_ store: any JobStore) throws -> Int64 {
    try ReadStores.orFail { try store.load().nextRunID.number }
  }

  private static func commit(_ batch: (changes: StoreBatch, lines: [RunLogLine]), to store: any JobStore) throws {
    let answer = Monitor<StoreError??>(nil)
    store.apply(batch.changes) { error in answer.change { $0 = .some(error) } }
    if let error = answer.wait(for: { $0 }) ?? nil { throw CommandFailure("\(error)") }
    store.append(log: batch.lines)
  }

  /// The name of a job, the same that the scripts of `.ci/bench-api` declare.
  static func name(_ number: Int) -> String { "job-\(number)" }

  private struct History {
    let jobs: Int
    let runs: Int
    let first: Int64
    let end: Instant
    private var made = 0

    init(jobs: Int, runs: Int, first: Int64, end: Instant) {
      self.jobs = jobs
      self.runs = runs
      self.first = first
      self.end = end
    }

    mutating func next(most: Int) -> (changes: StoreBatch, lines: [RunLogLine])? {
      guard made < runs else { return nil }
      var batch = StoreBatch()
      var lines: [RunLogLine] = []
      for number in made..<min(runs, made + most) {
        let run = record(number)
        batch.finished.append(run)
        if number % 10 == 0 {
          for text in ["fetched 17 rows", "wrote report \(number)"] {
            lines.append(RunLogLine(run: run.id, job: run.job, at: run.startedAt!, level: "info", message: text))
          }
        }
        if number % 50 == 0 {
          let skipped = run.scheduledAt.advanced(byNanoseconds: 100_000_000)
          batch.decisions.append(
            DecisionRange(
              job: run.job, kind: .skipped, reason: .overlap, first: skipped, last: skipped, count: 1,
              clockEpoch: ClockEpoch(0), decidedAt: skipped))
        }
      }
      made = min(runs, made + most)
      return (batch, lines)
    }

    /// One run a fifth of a second, the last one an hour ago.
    private func record(_ number: Int) -> RunRecord {
      let due = end.advanced(byNanoseconds: -3_600_000_000_000 - Int64(runs - number) * 200_000_000)
      var run = RunRecord(
        id: RunID(first + Int64(number)), job: HistoryBench.name(number % jobs), cause: .schedule, scheduledAt: due,
        claimedAt: due.advanced(byNanoseconds: 100_000))
      run.startedAt = due.advanced(byNanoseconds: 200_000)
      run.finishedAt = due.advanced(byNanoseconds: 40_200_000)
      run.duration = 40_000_000
      run.attempts = 1
      run.memoryPeakBytes = 20_000
      run.outcome = number % 100 == 99 ? .failed : .succeeded
      if run.outcome == .failed {
        run.error = RunError(message: "a.lua:3: no answer from 10.0.0.\(number % 256)", file: "a.lua", line: 3)
      } else {
        run.result = JSONText("{\"rows\":\(number)}")
      }
      return run
    }
  }
}
