import Basics
import Chronology
import JobModel
import Testing
import TestSupport

@testable import Executors

/// Collects reports, and lets a test wait for them.
final class CollectingSink: RunReportSink {
  let reports = Monitor([RunReport]())

  func report(_ new: [RunReport]) {
    reports.withLock { $0 += new }
    reports.broadcast()
  }

  var all: [RunReport] { reports.withLock { $0 } }

  /// The reports as soon as there are so many ends (of any kind).
  func ends(_ count: Int) -> [RunReport] { waitFor { $0.count { $0.kind.isEnd } >= count }.filter { $0.kind.isEnd } }

  /// All reports so far as soon as `condition` holds for them.
  func waitFor(_ condition: ([RunReport]) -> Bool) -> [RunReport] {
    let found = reports.wait(until: monotonicNow() + patience) { condition($0) ? $0 : nil }
    if found == nil { Issue.record("the reports that the test waits for did not come") }
    return found ?? all
  }
}

extension RunReport.Kind {
  var isEnd: Bool { self == .ended || self == .late }
}

/// Counts ends and complains about what the invariant forbids, without keeping reports: for stress.
final class CheckingSink: RunReportSink {
  struct State {
    var started: Set<RunToken> = []
    var ended: Set<RunToken> = []
    var outcomes: [Outcome: Int] = [:]
    var offences: [String] = []
  }
  let state = Monitor(State())

  func report(_ reports: [RunReport]) {
    state.withLock { state in
      for report in reports {
        if state.ended.contains(report.token) {
          state.offences.append("\(report.kind) after the end of \(report.token)")
        }
        if report.kind == .started, !state.started.insert(report.token).inserted {
          state.offences.append("started twice: \(report.token)")
        }
        if report.kind.isEnd {
          state.ended.insert(report.token)
          state.outcomes[report.outcome, default: 0] += 1
        }
      }
    }
    state.broadcast()
  }

  func waitForEnds(_ count: Int) -> State {
    state.wait(until: monotonicNow() + patience) { $0.ended.count >= count ? $0 : nil } ?? state.withLock { $0 }
  }
}

func token(_ number: Int) -> RunToken { RunToken(slot: number, use: 1) }

func order(_ number: Int, payload: any JobPayload, timeout: Int64? = nil, startBefore: Instant? = nil) -> RunOrder {
  var definition = JobDefinition(
    name: "job\(number)", source: SourceLocation(file: "test.lua", line: 1), payload: payload)
  definition.timeout = timeout
  return RunOrder(
    token: token(number), id: RunID(Int64(number) + 1), job: JobEntry(definition), attempt: 1, scheduledAt: .epoch,
    startBefore: startBefore)
}

func order(_ number: Int, _ body: @escaping @Sendable (ClosureContext) throws -> Void) -> RunOrder {
  order(
    number,
    payload: ClosurePayload { context in
      try body(context)
      return nil
    })
}

/// What a test wants a step to come to.
enum Decision: Sendable {
  case end(Outcome = .succeeded)
  case suspend(until: Int64 = .max)
  case slice
}

/// A run whose every step is a call of a closure with the step's number, counted from 0.
final class SteppedPayload: JobPayload {
  let step: @Sendable (Int, SteppedRun) -> Decision
  init(_ step: @escaping @Sendable (Int, SteppedRun) -> Decision) { self.step = step }
  func difference(from other: any JobPayload) -> PayloadDifference { .code }
}

/// Somebody else's job.
final class OwnedPayload: JobPayload {
  var owner: ObjectIdentifier { ObjectIdentifier(self) }
  func difference(from other: any JobPayload) -> PayloadDifference { .code }
}

/// The body of a stepped run.
final class SteppedRun: Sendable {
  struct State: Sendable {
    var steps = 0
    var run: PoolRun?
    var stops: [StopReason] = []
  }
  let state = Monitor(State())
  let worker: StepWorker
  let order: RunOrder
  let time: StepTime
  init(_ order: RunOrder, _ time: StepTime, on worker: StepWorker) {
    (self.order, self.time, self.worker) = (order, time, worker)
  }

  /// The run that the pool knows; made when it is first asked for.
  var run: PoolRun {
    if let run = state.withLock({ $0.run }) { return run }
    let run = PoolRun(continuing: order, begunAt: time, on: worker, body: self)
    state.withLock { $0.run = run }
    return run
  }
}

/// Steps `SteppedPayload`s, and everything else as closures.
final class SteppingRunner: StepRunner {
  struct State: Sendable {
    var interrupts: [StopReason] = []
    var stops: [RunToken: StopReason] = [:]
    /// Workers whose run was asked to give way.
    var preempted: [Int] = []
    var threadsEnded = 0
  }
  let state = Monitor(State())
  private let closures = ClosureRunner()

  func makeContext(for worker: StepWorker) -> AnyObject { closures.makeContext(for: worker) }

  func begin(_ order: RunOrder, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let payload = order.job.definition.payload as? SteppedPayload else {
      return closures.begin(order, at: time, on: worker)
    }
    return step(SteppedRun(order, time, on: worker), payload)
  }

  func step(_ run: PoolRun, at time: StepTime, on worker: StepWorker) -> StepVerdict {
    guard let body = run.body as? SteppedRun, let payload = body.order.job.definition.payload as? SteppedPayload else {
      return closures.step(run, at: time, on: worker)
    }
    return step(body, payload)
  }

  private func step(_ body: SteppedRun, _ payload: SteppedPayload) -> StepVerdict {
    let number = body.state.withLock { state in
      state.steps += 1
      return state.steps - 1
    }
    switch payload.step(number, body) {
    case .end(let outcome):
      body.state.withLock { $0.run = nil }
      return .ended(AttemptResult(outcome))
    case .suspend(let until): return .suspended(body.run, until: until)
    case .slice: return .sliced(body.run)
    }
  }

  func stop(_ run: PoolRun, because reason: StopReason, on worker: StepWorker) -> AttemptResult {
    guard let body = run.body as? SteppedRun else { return closures.stop(run, because: reason, on: worker) }
    body.state.withLock { state in
      state.stops.append(reason)
      state.run = nil
    }
    state.withLock { $0.stops[run.token] = reason }
    return AttemptResult(reason.outcome)
  }

  func interrupt(_ worker: StepWorker, because reason: StopReason) {
    state.withLock { $0.interrupts.append(reason) }
    state.broadcast()
  }

  func preempt(_ worker: StepWorker) {
    state.withLock { $0.preempted.append(worker.index) }
    state.broadcast()
  }

  func workerEnds(_ worker: StepWorker) {
    state.withLock { $0.threadsEnded += 1 }
    state.broadcast()
  }
}

/// A pool with its sink and runner, stopped at the end of `body`.
func withPool(
  workers: Int = 2, _ edit: (inout StepPool.Configuration) -> Void = { _ in },
  onEvent: @escaping @Sendable (StepPoolEvent) -> Void = { _ in },
  _ body: (StepPool, CollectingSink, SteppingRunner) throws -> Void
) rethrows {
  var configuration = StepPool.Configuration()
  configuration.workers = workers
  edit(&configuration)
  let runner = SteppingRunner()
  let pool = StepPool(runner, configuration: configuration, onEvent: onEvent)
  let sink = CollectingSink()
  pool.start(reportingTo: sink)
  defer { pool.stop() }
  try body(pool, sink, runner)
}

/// Runs a test's body on a thread of its own, so that its waits hold none of the threads that its tasks need.
func onThread(_ body: @escaping @Sendable () -> Void) async throws {
  try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
    do {
      try NamedThread("test") {
        body()
        continuation.resume()
      }.abandon()
    } catch {
      continuation.resume(throwing: error)
    }
  }
}
