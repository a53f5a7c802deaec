internal import Executors
internal import JobModel
internal import Lua
internal import Synchronization

/// What is called when `run` has ended, by its name in the job's table.
enum Hook: String {
  /// After each attempt that failed.
  case onError = "on_error"
  /// After the last attempt, when it failed.
  case onFailure = "on_failure"
  case onSuccess = "on_success"
}

/// A Lua state with the run that is on it: the part of a run that stays when its thread goes.
///
/// It is reused from run to run (kept by the job, or by a worker), and it is the body of the `PoolRun` when a run goes
/// on after its first step.
///
/// Threading: the thread that steps the run owns it, and the pool hands it over. Only `attention` and the Lua state's
/// own `complete` and `cancel` are for other threads.
package final class JobInstance: @unchecked Sendable {
  // @unchecked: see above.

  let state: LuaState
  let context: RunContext
  /// Rises with each state made by this process: tells which of a job's states is older.
  let number: UInt64
  private(set) var jobName = ""
  private var standing = Standing()
  /// What the run is doing.
  var phase: Phase { standing.phase }
  /// What the run asks for cannot fit into its memory: it is to end.
  var isExhausted: Bool { standing.isExhausted }
  /// Until when the run, which is cancelled, may end by itself (monotonic nanoseconds); nil: it has not been asked to.
  var endBy: Int64? { standing.endBy }
  private var timers: [(at: Int64, request: HostRequest)] = []
  private let attention = Atomic<UInt8>(Attention.away)

  private static let made = Atomic<UInt64>(0)

  /// How the run on it stands: one value, so that its beginning is one access to its object (70 instructions each).
  private struct Standing {
    var phase = Phase.body
    var isExhausted = false
    var endBy: Int64?
  }

  enum Phase {
    /// Executing `run`.
    case body
    /// `run` has ended so; now `on_error`, `on_failure` or `on_success` executes.
    case hook(Hook, AttemptResult)
  }

  /// Where the worker is, as seen by those who bring answers.
  private enum Attention {
    /// No worker is on the run: who makes it runnable resumes it.
    static let away: UInt8 = 0
    /// A worker is on it, and looks for answers before it leaves.
    static let attended: UInt8 = 1
    /// An answer has made it runnable.
    static let runnable: UInt8 = 2
  }

  init(state: LuaState, context: RunContext) {
    self.state = state
    self.context = context
    number = Self.made.wrappingAdd(1, ordering: .relaxed).newValue
  }

  /// Bytes taken from the system while it is idle.
  var footprint: Int { state.footprint }

  /// Gives the state to a job, as if it were new.
  func renew(for payload: LuaJobPayload) throws(LuaError) {
    jobName = ""
    try state.reset(to: payload.capsule, memoryLimit: payload.memoryLimit)
  }

  // MARK: The life of one run

  /// Makes the state ready to execute `run` for `order`.
  func begin(_ order: RunOrder, at time: StepTime) throws(LuaError) {
    context.begin(order, at: time, memoryLimit: state.memoryLimit, used: state.bytes)
    standing = Standing()
    attention.store(Attention.attended, ordering: .relaxed)
    guard (order.job.definition.payload as? LuaJobPayload)?.isFailureHook == true else {
      return try state.start(entry: "run", context: context)
    }
    // `on_failure` of moondial.lua is called with the run and the error, which its order carries.
    var (run, error) = (LuaValue.nil, LuaValue.nil)
    if let event = order.context?.event, case .table(let fields)? = LuaValue(json: event) {
      (run, error) = (fields["run"] ?? .nil, fields["error"] ?? .nil)
    }
    try state.start(entry: "run", context: context, argument: .value(run), extra: [error])
  }

  /// Makes the state ready for the hooks of a run that was somewhere else.
  func beginHooks(of order: RunOrder, at time: StepTime) {
    context.begin(order, at: time, memoryLimit: state.memoryLimit, used: state.bytes)
    attention.store(Attention.attended, ordering: .relaxed)
  }

  /// The run is to end by itself until `time`, or until what it was told first.
  func end(by time: Int64) -> Int64 {
    let time = endBy ?? time
    standing.endBy = time
    return time
  }

  /// Goes on with a hook after `run` has ended as `result`.
  func beginHook(_ hook: Hook, after result: AttemptResult, _ extra: [LuaValue]) throws(LuaError) {
    standing.phase = .hook(hook, result)
    context.journal.isInHook = true
    try state.start(entry: hook.rawValue, context: context, extra: extra)
  }

  /// Goes on with a hook after the run was killed, and its state with it: in a new one, until a deadline of its
  /// own.
  func beginHook(
    _ hook: Hook, afterKill result: AttemptResult, _ extra: [LuaValue], _ payload: LuaJobPayload, until deadline: Int64
  ) throws(LuaError) {
    timers.removeAll()  // their requests were abandoned with the run
    try renew(for: payload)
    context.goOn(until: deadline)
    standing.isExhausted = false
    try beginHook(hook, after: result, extra)
  }

  /// Nothing of the run is left on the state.
  func end() {
    if jobName.isEmpty { jobName = context.current.job.definition.name }
    context.end()
    if !timers.isEmpty { timers.removeAll() }
    standing.phase = .body
  }

  // MARK: Memory outside the state

  /// Before a step: what answers hold counts in the state as well.
  func setAside() {
    if let account = context.openAccount { state.setAside(account.reserved) }
  }

  /// After a step.
  func noteUse() { context.openAccount?.note(used: state.bytes) }

  /// Whether what the run asks for does not fit into its memory, even without the garbage.
  func checkRoom() -> Bool {
    guard !isExhausted, let account = context.openAccount, account.isShort else { return isExhausted }
    state.collect()
    account.note(used: state.bytes)
    standing.isExhausted = account.isShort
    return isExhausted
  }

  // MARK: Waiting

  /// Starts what the step has asked for. A request may be answered inside.
  func startRequests(_ suspensions: [LuaSuspension], as run: PoolRun) {
    for suspension in suspensions {
      // Every request of a job's host functions is one of ours; others could not be answered.
      guard let request = suspension.request as? HostRequest else {
        preconditionFailure("host functions of jobs suspend with a HostRequest")
      }
      request.start(for: self, as: run, ticket: suspension.ticket)
      let expiry = request.expiry
      if expiry != .max, request.isOpen { timers.append((expiry, request)) }
    }
  }

  /// Gives up waiting where the time has come.
  func expireTimers(at now: Int64) {
    guard !timers.isEmpty else { return }
    // Taken out first: `expire` may answer, and the order of answers is the order of their times.
    var due: [(at: Int64, request: HostRequest)] = []
    timers.removeAll { timer in
      guard timer.request.isOpen else { return true }
      guard timer.at <= now else { return false }
      due.append(timer)
      return true
    }
    due.sort { $0.at < $1.at }
    for timer in due { timer.request.expire() }
  }

  /// When the next one must be told; `.max` for never.
  var nextTimer: Int64 { timers.lazy.map(\.at).min() ?? .max }

  /// A worker has come. False when there is nothing to step: it was woken without a reason, or for a timer only.
  func attend() -> Bool {
    attention.exchange(Attention.attended, ordering: .acquiringAndReleasing) == Attention.runnable
  }

  /// The worker wants to leave. False when an answer has come meanwhile: it goes on instead.
  func leave() -> Bool {
    let (left, _) = attention.compareExchange(
      expected: Attention.attended, desired: Attention.away, ordering: .acquiringAndReleasing)
    if !left { attention.store(Attention.attended, ordering: .relaxed) }
    return left
  }

  /// The worker leaves a run that can go on at once.
  func leaveSliced() { attention.store(Attention.runnable, ordering: .releasing) }

  /// Hands an answer over, from any thread, and sees that the run is stepped.
  func deliver(to run: PoolRun, _ hand: (LuaState) -> Bool) {
    guard hand(state) else { return }
    if attention.exchange(Attention.runnable, ordering: .acquiringAndReleasing) == Attention.away { run.resume() }
  }
}
