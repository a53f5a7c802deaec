package import Basics
package import Chronology
internal import Glibc
package import JobModel
internal import Synchronization

/// Runs orders on named operating-system threads, step by step.
///
/// What it promises:
/// - Orders of one owner (a script) start in the order of their submission, on whichever worker is free; owners take
///   turns. A worker takes several at a time, but never more than it should finish in a fraction of a millisecond; idle
///   workers take them away again, and so do busy ones when the worker is in a long step. A sliced run goes behind what
///   waits of its owner; resumed runs and new orders take turns.
/// - Each order ends in exactly one report: `ended` or `late`. Reports of one run reach the sink in order; calls about
///   different runs may be concurrent. They come in batches: when a worker has nothing more of its own, every 64 of
///   them, when the oldest is 200 µs old at the end of a step, and before a run that goes on can be stepped again.
/// - `started` of a run whose first step is short comes with its end, or not at all (see `RunReport.Kind.ended`). In a
///   long first step a watchdog of the timer thread reports it, within about 10 ms: so the hot path pays nothing for
///   it, neither a clock nor a lock, and a run that hogs its worker is still seen at once. The watchdog sleeps when no
///   worker begins anything.
/// - Ten thousand suspended runs need no more threads than none.
///
/// Why work is in batches: one lock per order between two threads that both want it costs more than the run of a small
/// job. Why the workers' queues have locks of their own rather than a lock-free deque: an uncontended lock is 20 ns,
/// and cancelling, giving back and watching need to see a queue as a whole.
///
/// It must be stopped: its threads hold it.
package final class StepPool: JobExecutor {
  /// Settings, with defaults that suit a host.
  package struct Configuration: Sendable {
    /// Threads that run steps. Default: the number of processors, at least 2.
    package var workers = max(2, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
    /// Threads are called `name-w0`, `name-w1`, … and `name-timer`.
    package var name = "moondial"
    /// Bytes of stack of a worker.
    package var stackSize = 2 << 20
    /// The most orders that a worker takes at a time.
    package var batch = 64
    /// Threads that get a replacement while they are stuck, and while they are held by a long call. Beyond it the pool
    /// goes on with fewer workers until one returns.
    package var stuckThreads = 64
    /// Nanoseconds that a step may hold its worker while others wait before another thread takes the worker's place;
    /// `.max` is never. The default is 25 ms, several slices: a step that gives way does so before.
    package var handOffAfter: Int64 = 25_000_000
    /// Nanoseconds that `stop` waits for the threads before it leaves them behind.
    package var stopPatience: Int64 = 5_000_000_000
    /// Told of each attempt on the worker's thread, before anything of it happens; nil costs nothing.
    package var willBegin: (@Sendable (RunOrder) -> Void)?
    /// Makes each thread of the pool; a test refuses some. Default: the system.
    package var makeThread: ThreadMaker = NamedThread.init
    /// Nanoseconds after which a thread that the system refused is asked for again.
    package var threadRetry: Int64 = 100_000_000
    package init() {}
  }

  struct State: Sendable {
    enum Phase: Sendable { case new, open, closing, closed }
    var phase = Phase.new
    var queue = SharedQueue()
    /// Those that take work; a stuck one is not among them any more.
    var workers: [PoolWorker] = []
    var threads: [Int: NamedThread] = [:]
    var nextIndex = 0
    /// Indices of workers whose place another thread has taken while a long call holds theirs.
    var handedOff: Set<Int> = []
    /// Threads whose run is stuck.
    var stuck: [Int: PoolWorker] = [:]
    /// Threads that have not ended, without the stuck ones.
    var liveThreads = 0
    /// Workers that wait for work.
    var idle = 0
    /// A worker was woken and has not looked for work yet: it will wake the next one if there is more.
    var isWaking = false
    var isWatched = false
    var othersWaiting = false
    /// When orders were last taken back from workers in long steps.
    var lastRescue: Int64 = 0
    /// When a long step was last asked to give way.
    var lastPreemption: Int64 = 0
    /// A place has no thread, and `onEvent` was told.
    var isShort = false
    /// Before it no thread is asked for again after one was refused.
    var retryAt = Int64.min
  }

  let runner: any StepRunner
  let configuration: Configuration
  let wallClock: any WallClock
  let onEvent: @Sendable (StepPoolEvent) -> Void
  let state = Monitor(State())
  let timers = RunTimers()
  /// Runs that go on, by token.
  let runs = Monitor([RunToken: PoolRun]())
  let runCount = Atomic<Int>(0)
  let isClosing = Atomic(false)
  private let waiting = Atomic(false)
  // Written by `start` before the first thread is made, and never again.
  private nonisolated(unsafe) var reportSink: (any RunReportSink)?
  let timerThread = Monitor<NamedThread?>(nil)
  /// The thread of the timers was refused: it is asked for again whenever there is work.
  let isWithoutTimers = Atomic(false)

  /// - Parameters:
  ///   - runner: what the threads call; it is kept until the pool has stopped.
  ///   - wallClock: judges `startBefore`, and dates starts.
  ///   - onEvent: told of what an operator should know; from any thread, without a lock held.
  package init(
    _ runner: any StepRunner, configuration: Configuration = .init(), wallClock: any WallClock = SystemWallClock(),
    onEvent: @escaping @Sendable (StepPoolEvent) -> Void = { _ in }
  ) {
    precondition(
      configuration.workers > 0 && configuration.batch > 0,
      "a pool has at least one worker, which takes at least one order")
    self.runner = runner
    self.configuration = configuration
    self.wallClock = wallClock
    self.onEvent = onEvent
  }

  package var workers: Int { configuration.workers }

  /// Whether work waits for a worker: then a long step should let go.
  package var othersWaiting: Bool { waiting.load(ordering: .relaxed) }

  var sink: any RunReportSink {
    // Safe: see `reportSink`; who asks runs after `start`.
    guard let sink = unsafe reportSink else { preconditionFailure("a pool is started before it is used") }
    return sink
  }

  package func start(reportingTo sink: any RunReportSink) {
    let isFirst = state.withLock { state in
      guard state.phase == .new else { return false }
      state.phase = .open
      return true
    }
    precondition(isFirst, "a pool is started once, and not after it was stopped")
    // Safe: no thread of the pool exists yet.
    unsafe reportSink = sink
    startTimers()
    for _ in 0..<configuration.workers { addWorker() }
  }

  package func windDown() { runner.windDown() }

  package func submit(_ orders: [RunOrder]) {
    guard !orders.isEmpty else { return }
    let isRefused = enqueue(preempting: true) { state in
      guard state.phase == .open || state.phase == .new else { return false }
      state.queue.append(orders)
      return true
    }
    // The invariant that each order ends in one report holds here too.
    if isRefused { sink.report(orders.map(interruptedReport)) }
  }

  /// Puts work into the shared queue, and wakes whom that concerns. True when `add` refused (answered false).
  ///
  /// - Parameter isUrgent: whether a long step should give way to it. Not for a sliced run: two that never end would
  ///   chase each other.
  @discardableResult
  func enqueue(preempting isUrgent: Bool, _ add: (inout State) -> Bool) -> Bool {
    let (isAdded, wakes, startsWatchdog) = state.withLock { state -> (Bool, Bool, Bool) in
      guard add(&state) else { return (false, false, false) }
      setOthersWaiting(true, &state)
      if isUrgent, state.idle == 0 { preemptLongest(&state) }
      let wakes = state.idle > 0 && !state.isWaking
      if wakes { state.isWaking = true }
      let startsWatchdog = !state.isWatched
      state.isWatched = true
      return (true, wakes, startsWatchdog)
    }
    if wakes { wakeWorker() }
    if isWithoutTimers.load(ordering: .relaxed) { startTimers() }
    // After the wake-up: the worker does not wait for this.
    if startsWatchdog { timers.wakeWatchdog(at: monotonicNow() + StepPool.watchdogInterval) }
    return !isAdded
  }

  /// Wakes an idle worker. (While the pool is being stopped, `stop` waits for the same condition, and must not take the
  /// only signal.)
  func wakeWorker() {
    if isClosing.load(ordering: .acquiring) { state.broadcast() } else { state.signal() }
  }

  func setOthersWaiting(_ now: Bool, _ state: inout State) {
    guard state.othersWaiting != now else { return }
    state.othersWaiting = now
    waiting.store(now, ordering: .relaxed)
    runner.othersWaiting(now)
  }

  // MARK: Threads

  /// Starts the thread of the timers, unless it is there.
  private func startTimers() {
    let failure = timerThread.withLock { timerThread -> ThreadError? in
      // A pool that is being stopped has taken it out, and needs none any more.
      guard timerThread == nil, !isClosing.load(ordering: .acquiring) else { return nil }
      do throws(ThreadError) {
        timerThread = try configuration.makeThread("\(configuration.name)-timer", 1 << 20, .blocked) { [self] in
          timers.run(watchdog: { runWatchdog() }, deliver: { [sink] in sink.report($0) })
        }
        return nil
      } catch {
        return error
      }
    }
    isWithoutTimers.store(failure != nil, ordering: .relaxed)
    if let failure { threadFailed(failure) }
  }

  /// Tells of the first of the threads that are refused until the pool is whole again, and asks again later.
  private func threadFailed(_ error: ThreadError) {
    let (isNews, retryAt) = state.withLock { state in
      defer { state.isShort = true }
      state.retryAt = monotonicNow() + configuration.threadRetry
      return (!state.isShort, state.retryAt)
    }
    timers.wakeWatchdog(at: retryAt)
    if isNews { onEvent(.threadFailed(error.description)) }
  }

  /// Starts one more worker. nil when the system refuses the thread, which `onEvent` is told.
  @discardableResult
  func addWorker() -> Int? {
    let worker = state.withLock { state -> PoolWorker? in
      guard state.phase == .open else { return nil }
      let face = StepWorker(index: state.nextIndex, host: self)
      state.nextIndex += 1
      state.liveThreads += 1
      let worker = PoolWorker(face: face)
      state.workers.append(worker)
      return worker
    }
    guard let worker else { return nil }
    do {
      let thread = try configuration.makeThread(
        "\(configuration.name)-w\(worker.index)", configuration.stackSize, .realTime
      ) { [self] in work(as: worker) }
      state.withLock { state in
        // It may have retired already.
        if state.workers.contains(where: { $0 === worker }) || state.phase != .open {
          state.threads[worker.index] = thread
        } else {
          thread.abandon()
        }
      }
      return worker.index
    } catch {
      state.withLock { state in
        state.workers.removeAll { $0 === worker }
        state.liveThreads -= 1
      }
      state.broadcast()
      threadFailed(error)
      return nil
    }
  }
}
