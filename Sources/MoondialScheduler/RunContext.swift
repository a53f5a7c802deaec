internal import Chronology
internal import Executors
public import FoundationEssentials
internal import Hosting
internal import JobModel
internal import Lua
internal import ScriptRuntime
internal import Synchronization

/// What a closure is told about the run that it is, and what it can say in return.
///
/// Threading: any; it is of use while the run goes on.
public final class RunContext: Sendable {
  /// Its number in the history, the same for all attempts.
  public let id: RunID
  /// The name of its job.
  public let job: String
  /// Counted from 1.
  public let attempt: Int
  /// How many attempts may follow this one, by the job's `retry`.
  public let attemptsLeft: Int
  /// The fire time that this run is for, or when it was asked for.
  public let scheduledAt: Date
  /// When this attempt began.
  public let startedAt: Date
  /// Further fire times that were taken together with this one.
  public let missed: Int
  /// What the run was given, else the job's own.
  public let params: JSON?
  /// `{"name": …, "data": …}` of the event that caused it; with `job`, `run`, `outcome` and `result` when another job's
  /// run did.
  public let event: JSON?

  private let closure: ClosureContext
  private let sink: HostLogSink?
  private let left = Mutex<JSON?>(nil)

  /// The run whose closure the present task runs: a clock moved by hand knows by it who sleeps.
  @TaskLocal package static var current: RunContext?
  private let ended = Atomic(false)
  /// Whether the closure has returned.
  package var isOver: Bool { ended.load(ordering: .acquiring) }
  func end() { ended.store(true, ordering: .releasing) }

  init(_ closure: ClosureContext, sink: HostLogSink?) {
    let order = closure.order
    self.closure = closure
    self.sink = sink
    id = RunID(order.id)
    job = order.job.definition.name
    attempt = Int(order.attempt)
    attemptsLeft = order.attemptsLeft
    scheduledAt = Date(order.scheduledAt)
    startedAt = Date(closure.startedAt)
    missed = order.missed
    params = (order.context?.params ?? order.job.definition.params).map { JSON($0) }
    event = order.context?.event.map { JSON($0) }
  }

  /// The complete files that it is given (`JobOptions.watch`), as absolute paths; empty when something else caused it.
  /// O(files).
  public var files: [String] {
    guard let text = event?.text, case .table(let event)? = LuaValue.parseJSON(text), event["name"] == "watch",
      case .table(let paths)? = event["paths"]
    else { return [] }
    return paths.array.compactMap { if case .string(let path) = $0 { path.text } else { nil } }
  }

  /// Whether it should return soon: it was cancelled, is beyond its timeout, or the scheduler is being stopped. A
  /// blocking closure looks at it now and then, since Swift code cannot be stopped from outside; an async one has its
  /// task cancelled.
  public var isCancelled: Bool { closure.isCancelled }

  /// Throws `CancellationError` when the run should end; then it ends as cancelled, or as timed out.
  public func checkCancellation() throws {
    if isCancelled { throw CancellationError() }
  }

  /// What is left of the timeout, zero beyond it; nil when there is none.
  public var remaining: Duration? {
    let nanoseconds = closure.remaining
    return nanoseconds == .max ? nil : .nanoseconds(max(0, nanoseconds))
  }

  /// The run's result in the history, if it succeeds. The last one counts.
  public func setResult(_ result: JSON) { left.withLock { $0 = result } }

  /// A line in the scheduler's log, and in the history beside the run.
  public func log(_ message: String, level: Log.Level = .info) {
    guard let sink, level.inner >= sink.threshold else { return }
    sink.write(
      LogLine(
        run: id.inner, job: job, store: closure.order.job.definition.store, level: level.inner, message: message,
        at: sink.now))
  }

  /// What the history keeps. A result that is no JSON makes the run fail.
  func result() throws -> JSONText? {
    guard let result = left.withLock({ $0 }) else { return nil }
    do { return try result.checked("the result") } catch { throw RunError(message: error.message) }
  }
}

/// Thrown by a closure that wants another attempt: after `delay`, or as the job's `retry` says (without one: 3 times,
/// from 1 s on).
public struct RetryLater: Error, Sendable {
  /// How long to wait; nil leaves it to the job's `retry`.
  public var delay: Duration?
  /// Why this attempt did not do: its error in the history.
  public var reason: String

  /// Another attempt, `delay` after this one.
  public init(_ reason: String, after delay: Duration? = nil) {
    self.reason = reason
    self.delay = delay
  }
}
