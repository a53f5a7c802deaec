package import Basics
package import Chronology
internal import Glibc
internal import Synchronization

/// Watches a scripts directory, and delivers a snapshot when its content changed.
///
///     let watcher = DirectoryWatcher(ScriptDirectory("scripts")) { change in reload(change) }
///     watcher.start { snapshot in load(snapshot) }
///     …
///     watcher.stop()
///
/// ``RescanPolicy`` decides; this class has the thread, the kernel's events and the clock. It starts once; ``stop()``
/// is synchronous and may be called twice, or without a start. It must be stopped: a running thread keeps its watcher
/// alive.
package final class DirectoryWatcher: Sendable {
  private let directory: ScriptDirectory
  private let timing: RescanTiming
  private let clock: any MonotonicClock
  private let watchLimit: Int
  private let makeThread: ThreadMaker
  private let onNotice: @Sendable (WatchNotice) -> Void
  private let onChange: @Sendable (DirectoryChange) -> Void
  private let wake = WakeSignal()
  private let state = Mutex(State())

  /// Guarded by `state`, which is never held during a scan or a call of a closure.
  private struct State {
    /// `nil` before the start.
    var policy: RescanPolicy?
    /// `nil` before the start and after the stop.
    var thread: NamedThread?
    /// The thread as it calls itself, to tell who calls ``stop()``.
    var runner: pthread_t?
    /// What the thread begins with, while the system refuses it.
    var handOver: HandOver?
    var isStopped = false
  }

  /// - Parameters:
  ///   - watchLimit: the most directories to watch; beyond, all are scanned every second.
  ///   - onNotice: told what an operator should know; on the watcher's thread, or the starter's.
  ///   - onChange: told of each change, on the watcher's thread, one at a time. It may take its time, and may evaluate
  ///     Lua (the stack has 8 MiB): events wait meanwhile, and one scan afterwards finds them all. It may call
  ///     ``retryLater(_:)`` and ``rescanNow()``, but not ``stop()``.
  package init(
    _ directory: ScriptDirectory, timing: RescanTiming = .standard,
    clock: any MonotonicClock = SystemMonotonicClock(), watchLimit: Int = .max,
    makeThread: @escaping ThreadMaker = NamedThread.init,
    onNotice: @escaping @Sendable (WatchNotice) -> Void = { _ in },
    onChange: @escaping @Sendable (DirectoryChange) -> Void
  ) {
    self.directory = directory
    self.timing = timing
    self.clock = clock
    self.watchLimit = watchLimit
    self.makeThread = makeThread
    self.onNotice = onNotice
    self.onChange = onChange
  }

  /// Scans for the first time and starts watching. Watches are set before each directory is read, so that every later
  /// change is delivered.
  ///
  ///     try watcher.start { snapshot in try service.start(loader.load(snapshot).jobs) }
  ///
  /// - Parameter load: takes what is there, on the caller's thread. Only when it has returned are changes delivered,
  ///   those that happened meanwhile among them: so a receiver never sees the second snapshot before the first is
  ///   loaded. It may call ``retryLater(_:)``. When it throws, nothing is watched.
  ///   When the watcher is stopped meanwhile, it is called with nothing: who stops is who wants no load.
  /// - Returns: what is there; it is not delivered again. When the system has no thread to give, that is a notice, and
  ///   nothing is delivered until ``rescanNow()`` gets one: what was loaded can still run.
  @discardableResult
  package func start(_ load: (DirectorySnapshot) throws -> Void) rethrows -> DirectorySnapshot {
    var loop = WatchLoop(watches: WatchSet(limit: watchLimit), isPolling: false)
    // Who starts one that was stopped before wants to know what is there.
    let isStopped = state.withLock { $0.isStopped }
    let first = scan(after: .empty, isFull: false, isWanted: isStopped, &loop) ?? .nothing
    state.withLock { state in
      precondition(state.policy == nil, "a DirectoryWatcher starts once; make another one")
      var policy = RescanPolicy(timing, first: first, at: clock.now)
      policy.setPolling(loop.isPolling)
      state.policy = policy
    }
    try load(first.snapshot)
    let handOver = HandOver(loop)
    state.withLock { $0.handOver = handOver }
    if let refused = startThread() { onNotice(.blind(reason: refused.description)) }
    return first.snapshot
  }

  /// Starts the thread, unless it is there or not wanted any more. Why the system has none to give.
  private func startThread() -> ThreadError? {
    state.withLock { state in
      guard !state.isStopped, let handOver = state.handOver else { return nil }
      do throws(ThreadError) {
        // Scripts are evaluated on this thread: they recurse, and their runtime interrupts them by real-time signals.
        state.thread = try makeThread("md-watch", 8 << 20, .realTime) { self.run(handOver.loop) }
        state.handOver = nil
        return nil
      } catch {
        return error
      }
    }
  }

  /// As above, for receivers that need nothing done before the first change.
  package func start() -> DirectorySnapshot { start { _ in } }

  /// Reads every file again and delivers the result at once, even if nothing changed: the answer to SIGHUP and to a
  /// request to reload. Files that are missing are removed without waiting for them to come back. From any thread; does
  /// not block.
  package func rescanNow() {
    let wasBlind = state.withLock { state in
      state.policy?.request()
      return state.handOver != nil
    }
    if wasBlind {
      let refused = startThread()
      onNotice(refused.map { .blind(reason: $0.description) } ?? .seeing)
    }
    wake.wake()
  }

  /// Asks to have a file that seems to be half of a save delivered again a little later, before anybody is told. From
  /// any thread; does not block. See ``RescanPolicy/retryLater(_:at:)``.
  ///
  /// - Returns: `false` when this is the second time for this content: report it.
  package func retryLater(_ file: ScriptFile) -> Bool {
    let now = clock.now
    let isAccepted = state.withLock { $0.policy?.retryLater(file, at: now) ?? false }
    if isAccepted { wake.wake() }
    return isAccepted
  }

  /// Ends watching. When it returns, no closure runs, and none will. It waits for one that is running; a scan under way
  /// ends before its next entry.
  package func stop() {
    let thread = state.withLock { state in
      state.isStopped = true
      precondition(
        state.runner != pthread_self(), "DirectoryWatcher.stop() waits for onChange, so it cannot be called from there")
      let thread = state.thread
      state.thread = nil
      return thread
    }
    guard let thread else { return }
    wake.wake()
    thread.join()
  }
}

extension DirectoryWatcher {
  /// What only the thread touches.
  private struct WatchLoop {
    var watches: WatchSet
    /// Whether the operator was told that not everything is watched.
    var isPolling: Bool
  }

  /// Carries the loop's state from the starter to the thread.
  private final class HandOver: @unchecked Sendable {
    // Safe: written before the thread exists and read once by it; the starter keeps no copy that it uses.
    let loop: WatchLoop
    init(_ loop: WatchLoop) { self.loop = loop }
  }

  private enum Act { case stop, wait(nanoseconds: Int64), scan(former: DirectorySnapshot, isFull: Bool) }

  private func run(_ initial: WatchLoop) {
    var loop = initial
    state.withLock { $0.runner = pthread_self() }
    while true {
      let events = loop.watches.takeEvents()
      let now = clock.now
      switch nextAct(noting: events, at: now) {
      case .stop:
        // The number may soon be another thread's.
        state.withLock { $0.runner = nil }
        return
      case .wait(let nanoseconds): wake.wait(for: loop.watches.descriptorOwner, nanoseconds: nanoseconds)
      case .scan(let former, let isFull):
        guard let result = scan(after: former, isFull: isFull, &loop) else { continue }
        let isPolling = loop.isPolling
        let change = state.withLock { state in
          state.policy?.setPolling(isPolling)
          return state.policy?.scanned(result, at: clock.now)
        }
        if let change { onChange(change) }
      }
      if events.contains(.overflow) { onNotice(.overflow) }
    }
  }

  private func nextAct(noting events: [WatchEvent], at now: MonotonicInstant) -> Act {
    state.withLock { state in
      // `start` sets it before it makes the thread.
      guard !state.isStopped, state.policy != nil else { return .stop }
      for event in events { state.policy!.note(event, at: now) }
      switch state.policy!.step(at: now) {
      case .wait(let until): return .wait(nanoseconds: until.nanoseconds(since: now))
      case .scan(let isFull): return .scan(former: state.policy!.latest, isFull: isFull)
      }
    }
  }

  /// nil: the watcher was stopped meanwhile.
  ///
  /// - Parameter isWanted: whether it is, stopped or not.
  private func scan(
    after former: DirectorySnapshot, isFull: Bool, isWanted: Bool = false, _ loop: inout WatchLoop
  ) -> DirectoryScan? {
    loop.watches.begin()
    var watches = loop.watches
    let result = directory.scan(
      after: former, isFull: isFull, isWanted: { isWanted || !state.withLock { $0.isStopped } },
      visit: { watches.name($0, $1) })
    let failure = watches.end(searched: result?.directories ?? [])
    loop.watches = watches
    guard let result else { return nil }
    if let failure, !loop.isPolling {
      onNotice(.polling(reason: failure, interval: timing.polling))
    } else if failure == nil, loop.isPolling {
      onNotice(.watching(directories: watches.count))
    }
    loop.isPolling = failure != nil
    return result
  }
}
