internal import Basics
internal import Chronology
internal import JobModel
internal import ProcessFrames
internal import ScriptRuntime

/// A run that a worker has.
///
/// When its worker is killed is decided by the earliest of three times: the end of what the run is doing now, the end
/// of a cancelled run's patience, and an end that its worker brought about. None of them puts off another.
///
/// Threading: the executor's thread.
struct ActiveRun {
  /// Why its worker is killed.
  enum Kill {
    case unbegun
    case deadline
    case cancelled
    /// Somebody has stopped the process, and nobody has continued it.
    case stopped
    /// It said what no worker says.
    case violation(String)
    /// It said itself that it cannot.
    case refusal(String)
    /// Its connection has ended, and it has not.
    case disconnected
    /// With what it has started it has used more than the executor gives it.
    case processorTime, memory
  }

  let number: UInt64
  let order: RunOrder
  let payload: LuaJobPayload
  let services: RunServices
  let sentAt: Int64
  let sentWall: Instant
  /// When its first step began; nil: it has not.
  private(set) var began: (wall: Instant, monotonic: Int64)?
  private var phase: (end: Int64, kill: Kill)
  private var cancelEnd = Int64.max
  private var forced: (end: Int64, kill: Kill)?
  /// The script looks whether it should end.
  var looks = false
  /// Hooks that have been given a time of their own.
  private(set) var hooks = 0
  var hasProgress = false
  /// What it was killed for.
  var killed: Kill?
  /// Since when its process is seen to be stopped.
  var stoppedSince: Int64?
  /// What its process group has used.
  var usage = GroupUsage()

  init(number: UInt64, order: RunOrder, payload: LuaJobPayload, services: RunServices, wall: Instant) {
    self.number = number
    self.order = order
    self.payload = payload
    self.services = services
    sentAt = monotonicNow()
    sentWall = wall
    phase = (sentAt + ProcessConfiguration.startPatience, .unbegun)
  }

  /// When the worker is killed if the run has not ended; `.max`: never.
  var killAt: Int64 { min(phase.end, cancelEnd, forced?.end ?? .max) }

  /// What it is killed for then.
  var killFor: Kill {
    if let forced, forced.end == killAt { return forced.kill }
    return cancelEnd == killAt ? .cancelled : phase.kill
  }

  var isCancelled: Bool { cancelEnd != .max }

  /// Its first step has begun: its time counts from here.
  mutating func begin(wall: Instant, now: Int64) {
    began = (wall, now)
    phase = (Self.deadline(now, order.job.definition.timeout), .deadline)
  }

  /// Both hooks of a run that died begin, each with its time.
  mutating func beginHooks(wall: Instant, now: Int64, time: Int64) {
    began = (wall, now)
    hooks = 2
    phase = (Self.deadline(now, time.addingCapped(time)), .deadline)
  }

  /// A hook begins that has a time of its own; there are two at most.
  mutating func beginHook(now: Int64, time: Int64) {
    guard began != nil, hooks < 2 else { return }
    hooks += 1
    phase = (Self.deadline(now, time), .deadline)
  }

  private static func deadline(_ now: Int64, _ span: Int64?) -> Int64 {
    guard let span else { return .max }
    return now.addingCapped(span).addingCapped(ProcessConfiguration.patience)
  }

  /// Somebody wants it to end.
  mutating func cancel(now: Int64, patience: Int64) {
    cancelEnd = min(cancelEnd, now + (looks ? patience : 0) + 4 * ProcessConfiguration.patience)
  }

  /// Its worker has brought about its end, which comes at `end` if it does not come by itself.
  mutating func end(by end: Int64, for kill: Kill) {
    if end < forced?.end ?? .max { forced = (end, kill) }
  }

  /// A report of its end. What the worker says of times and sizes is held within what was seen from here, and within
  /// what a store counts.
  func report(
    _ outcome: Outcome, duration: Int64? = nil, memoryPeakBytes: Int = 0, details: AttemptDetails?
  ) -> RunReport {
    let seen = max(0, monotonicNow() - sentAt)
    let own = began.map { max(0, monotonicNow() - $0.monotonic) } ?? 0
    return RunReport(
      token: order.token, kind: .ended, outcome: outcome, startedAt: began?.wall ?? sentWall,
      duration: min(max(duration ?? own, 0), seen), memoryPeakBytes: min(max(0, memoryPeakBytes), 1 << 53),
      details: details)
  }
}

extension Int64 {
  fileprivate func addingCapped(_ other: Int64) -> Int64 {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
