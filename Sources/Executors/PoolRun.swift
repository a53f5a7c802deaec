package import Chronology
package import JobModel
internal import Synchronization

/// A run that goes on after its first step: where it is between two steps, and the handshake between the worker that
/// leaves it and whoever resumes it.
///
/// The runner makes one in `begin` before it starts anything that could resume it. From then on one word says where the
/// run is:
///
///     running ──suspended──▶ parked ──resume──▶ ready ──worker──▶ running
///        │                                       ▲
///        └──sliced, or resumed before it parked──┘          any ──▶ ended
///
/// A resume that comes before the worker has returned `.suspended` is kept in that word, and the run is then ready at
/// once: none is lost, and no lock is taken. Suspensions are numbered, so that a late resume (a timer that lost the
/// race against an answer) is recognised and does nothing.
package final class PoolRun: Sendable {
  package let token: RunToken
  /// Whose job it is of.
  let owner: ObjectIdentifier
  let priority: Int8
  package let startedAt: Instant
  /// Nanoseconds of CLOCK_MONOTONIC when the attempt started.
  package let startedMonotonic: Int64
  /// Nanoseconds of CLOCK_MONOTONIC at which the attempt must be over; `.max` when it has no timeout.
  package var deadline: Int64 { over.load(ordering: .relaxed) }
  /// Written by the worker that has the run. A timer that still sees the old one makes the run ready, and the next
  /// worker looks.
  private let over: Atomic<Int64>
  /// The runner's own object.
  package let body: any AnyObject & Sendable
  private let host: any RunHost
  private let word: Atomic<UInt64>
  /// Place in the timer heap, −1 when in none. Guarded by the lock of the timers.
  nonisolated(unsafe) var timerPosition: Int32 = -1
  /// It was given to the timers when it last suspended. Touched by the worker that has the run; the hand-over from
  /// worker to worker orders that.
  nonisolated(unsafe) var hasTimer = false

  /// - Parameters:
  ///   - time: what `begin` was given.
  ///   - body: what the runner needs to know in later steps; released with the run.
  package init(
    continuing order: RunOrder, begunAt time: StepTime, on worker: StepWorker, body: any AnyObject & Sendable
  ) {
    token = order.token
    owner = order.owner
    priority = order.priority
    startedAt = time.wall
    startedMonotonic = time.monotonic
    over = Atomic(time.deadline)
    self.body = body
    host = worker.host
    word = Atomic(Word(phase: .running, suspension: 1).bits)
  }

  /// Makes the run go on: at once when it is parked; as soon as it suspends when it is in a step. Any thread, any time;
  /// more than once is harmless (at most one further step comes of it), and so is an ended run.
  package func resume() {
    let (before, after) = change { word in
      guard !word.isClaimed else { return }
      switch word.phase {
      case .running: word.isResumed = true
      case .parked: word.phase = .ready
      case .ready, .ended: break
      }
    }
    if before.phase == .parked, after.phase == .ready { host.enqueueResumed(self) }
  }

  /// The attempt is over because its time was, and the run goes on with what is done after that: until a deadline of
  /// its own. Only from inside `StepRunner.timeOut`, `beginStop` or a step.
  package func goOn(until deadline: Int64) {
    over.store(deadline, ordering: .relaxed)
    change { word in if word.stop == .timedOut { word.stop = nil } }
  }

  /// Number of the suspension that the present step may end in. Ask during the step, and give it to whoever will
  /// resume.
  package var suspension: UInt32 { current.suspension }

  /// Ends one particular suspension, and tells whether it was this call that did.
  ///
  /// - Parameter deliver: called only then, before the run can be stepped: the place to leave results. It may still run
  ///   beside the end of a step that did not suspend after all.
  /// - Returns: false when the suspension is over, or already about to be: another resume was first, or the run has
  ///   ended.
  @discardableResult
  package func resume(suspension: UInt32, delivering deliver: () -> Void = {}) -> Bool {
    let (before, after) = change { word in
      guard word.suspension == suspension, word.phase == .running || word.phase == .parked, !word.isResumed else {
        return
      }
      word.isClaimed = true
    }
    guard !before.isClaimed, after.isClaimed else { return false }
    deliver()
    let (left, now) = change { word in
      word.isClaimed = false
      switch word.phase {
      case .running: word.isResumed = true
      case .parked: word.phase = .ready
      case .ready, .ended: break
      }
    }
    if left.phase == .parked, now.phase == .ready { host.enqueueResumed(self) }
    return true
  }

  // MARK: The pool's side

  /// The worker begins a step. Answers why the run is to be stopped instead, if it is.
  func beginStep() -> StopReason? {
    let (before, after) = change { word in
      word.phase = .running
      word.suspension &+= 1
      word.isResumed = false
    }
    precondition(before.phase == .ready, "a run is stepped when it is ready, not when it is \(before.phase)")
    return after.stop
  }

  /// The reason that `beginStep` answered is being acted on: a later one counts anew.
  func acknowledgeStop() { change { $0.stop = nil } }

  /// The worker leaves a step that was suspended. True when the run is ready already, and must be put into a queue.
  func park() -> Bool {
    change { word in
      word.phase = !word.isClaimed && (word.isResumed || word.stop != nil) ? .ready : .parked
    }.after.phase == .ready
  }

  /// The worker leaves a step that was sliced: the run is ready.
  func slice() { change { $0.phase = .ready } }

  /// Nothing is done with the run any more. True for the first call only.
  func end() -> Bool { change { $0.phase = .ended }.before.phase != .ended }

  enum StopEffect {
    /// It is on a worker, which must be interrupted; and if it leaves the worker first, it will be stopped there.
    case interruptWorker
    /// It will be stopped by the next worker that takes it.
    case willStop
    /// It has ended, or it is beyond the suspension that was meant.
    case nothing
  }

  /// Marks it to be stopped. The first reason stays, but for a timeout, after which a run may go on.
  func requestStop(_ reason: StopReason, inSuspension suspension: UInt32? = nil) -> StopEffect {
    let (before, after) = change { word in
      guard word.phase != .ended, suspension == nil || suspension == word.suspension else { return }
      if word.stop == nil || word.stop == .timedOut { word.stop = reason }
      // While results are being delivered, the deliverer makes it ready.
      if word.phase == .parked, !word.isClaimed { word.phase = .ready }
    }
    guard after.stop != nil, before.phase != .ended, suspension == nil || suspension == before.suspension else {
      return .nothing
    }
    if before.phase == .parked, after.phase == .ready { host.enqueueResumed(self) }
    return before.phase == .running ? .interruptWorker : .willStop
  }

  /// Why it is to be stopped, if it is.
  var stopReason: StopReason? { current.stop }
  var isSuspended: Bool { current.phase == .parked }

  private var current: Word { Word(bits: word.load(ordering: .acquiring)) }

  /// One transition. Acquire and release: what a thread wrote before it moved the run is seen by the thread that moves
  /// it next.
  @discardableResult
  private func change(_ edit: (inout Word) -> Void) -> (before: Word, after: Word) {
    var before = word.load(ordering: .relaxed)
    while true {
      var after = Word(bits: before)
      edit(&after)
      let (exchanged, original) = word.weakCompareExchange(
        expected: before, desired: after.bits, successOrdering: .acquiringAndReleasing, failureOrdering: .relaxed)
      if exchanged { return (Word(bits: original), after) }
      before = original
    }
  }
}

/// The word of a run: phase, two marks of resuming, why it is to be stopped, and the number of its suspension.
private struct Word {
  enum Phase: UInt64 {
    case running = 0
    case parked = 1
    case ready = 2
    case ended = 3
  }
  var bits: UInt64

  init(bits: UInt64) { self.bits = bits }
  init(phase: Phase, suspension: UInt32) { bits = phase.rawValue | UInt64(suspension) << 32 }

  /// Every value of two bits is a phase.
  var phase: Phase {
    get { Phase(rawValue: bits & 3)! }
    set { bits = bits & ~3 | newValue.rawValue }
  }
  /// A resume came while the step was still running.
  var isResumed: Bool {
    get { bits & 4 != 0 }
    set { bits = newValue ? bits | 4 : bits & ~4 }
  }
  /// Somebody delivers results now, and will finish the resume.
  var isClaimed: Bool {
    get { bits & 8 != 0 }
    set { bits = newValue ? bits | 8 : bits & ~8 }
  }
  var stop: StopReason? {
    get { StopReason(rawValue: UInt8(bits >> 4 & 3)) }
    set { bits = bits & ~0x30 | UInt64(newValue?.rawValue ?? 0) << 4 }
  }
  var suspension: UInt32 {
    get { UInt32(truncatingIfNeeded: bits >> 32) }
    set { bits = bits & 0xffff_ffff | UInt64(newValue) << 32 }
  }
}
