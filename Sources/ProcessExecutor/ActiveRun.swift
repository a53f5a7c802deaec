internal import Basics
internal import Chronology
internal import JobModel
internal import ProcessFrames
internal import ScriptRuntime

/// A run that a worker has.
///
/// Threading: the executor's thread.
struct ActiveRun {
  /// Why its worker is killed.
  enum Kill {
    case deadline
    case cancelled
    /// Somebody has stopped the process, and nobody has continued it.
    case stopped
    /// It said what no worker says.
    case violation(String)
    /// Its connection has ended, and it has not.
    case disconnected
  }

  let number: UInt64
  let order: RunOrder
  let payload: LuaJobPayload
  let services: RunServices
  let sentAt: Int64
  let sentWall: Instant
  /// When its first step began; nil: it has not.
  var began: (wall: Instant, monotonic: Int64)?
  /// When the worker is killed if the run has not ended; `.max`: never.
  var killAt: Int64
  /// What it is killed for then.
  var killFor = Kill.violation("it did not begin the run that it was given")
  /// The script looks whether it should end.
  var looks = false
  /// Hooks that have been given a time of their own.
  var hooks = 0
  var hasProgress = false
  /// What it was killed for.
  var killed: Kill?
  /// Since when its process is seen to be stopped.
  var stoppedSince: Int64?

  init(number: UInt64, order: RunOrder, payload: LuaJobPayload, services: RunServices, wall: Instant) {
    self.number = number
    self.order = order
    self.payload = payload
    self.services = services
    sentAt = monotonicNow()
    sentWall = wall
    killAt = sentAt + ProcessConfiguration.startPatience
  }

  /// Its first step has begun: its time counts from here.
  mutating func begin(wall: Instant, now: Int64) {
    began = (wall, now)
    killFor = .deadline
    killAt = Self.deadline(now, order.job.definition.timeout)
  }

  private static func deadline(_ now: Int64, _ span: Int64?) -> Int64 {
    guard let span else { return .max }
    let (sum, overflow) = now.addingReportingOverflow(span)
    return overflow || sum > .max - ProcessConfiguration.patience ? .max : sum + ProcessConfiguration.patience
  }

  /// A hook begins that has a time of its own; there are two at most.
  mutating func beginHook(now: Int64, time: Int64) {
    guard hooks < 2 else { return }
    hooks += 1
    killFor = .deadline
    killAt = now + time + ProcessConfiguration.patience
  }

  /// Somebody wants it to end.
  mutating func cancel(now: Int64, patience: Int64) {
    killFor = .cancelled
    killAt = min(killAt, now + (looks ? patience : 0) + 4 * ProcessConfiguration.patience)
  }

  /// A report of its end. What the worker says of times is held within what was seen from here.
  func report(
    _ outcome: Outcome, duration: Int64? = nil, memoryPeakBytes: Int = 0, details: AttemptDetails?
  ) -> RunReport {
    let seen = max(0, monotonicNow() - sentAt)
    let own = began.map { max(0, monotonicNow() - $0.monotonic) } ?? 0
    return RunReport(
      token: order.token, kind: .ended, outcome: outcome, startedAt: began?.wall ?? sentWall,
      duration: min(max(duration ?? own, 0), seen), memoryPeakBytes: max(0, memoryPeakBytes), details: details)
  }
}
