internal import Basics
internal import JobModel

/// What a pool must do later, and the one thread that does it: wake sleeping runs, end suspended runs at their
/// deadline, look after workers that are in a long step, and hand over reports for callers who must not call the sink
/// themselves.
///
/// The thread sleeps until the earliest of these; nothing to do costs nothing. Lateness of a wake-up is that of the
/// kernel's timers (50 µs of slack by default).
final class RunTimers: Sendable {
  struct State: Sendable {
    var heap = TimerHeap()
    var watchdogAt = Int64.max
    var outbox: [RunReport] = []
    var isStopped = false
  }
  private enum Duty {
    case wake([TimerHeap.Entry])
    case watchdog
    case deliver([RunReport])
    case stop
  }
  private let state = Monitor(State())

  /// Wakes `run` at a time, or at its deadline. Any thread; O(log n).
  func insert(_ entry: TimerHeap.Entry) {
    let isEarliest = state.withLock { state in
      let former = min(state.heap.earliest, state.watchdogAt)
      state.heap.insert(entry)
      return entry.at < former
    }
    // Only then does the thread sleep too long.
    if isEarliest { state.signal() }
  }

  func remove(_ run: PoolRun) { state.withLock { $0.heap.remove(run) } }

  /// Lets the watchdog look once, then or earlier.
  func wakeWatchdog(at time: Int64) {
    state.withLock { $0.watchdogAt = min($0.watchdogAt, time) }
    state.signal()
  }

  /// Lets the thread deliver reports.
  func deliver(_ reports: [RunReport]) {
    state.withLock { $0.outbox += reports }
    state.signal()
  }

  func stop() {
    state.withLock { $0.isStopped = true }
    state.signal()
  }

  /// The thread's life.
  func run(watchdog: () -> Void, deliver: ([RunReport]) -> Void) {
    while true {
      switch nextDuty() {
      case .wake(let entries):
        let now = monotonicNow()
        for entry in entries {
          if entry.run.deadline <= now {
            _ = entry.run.requestStop(.timedOut, inSuspension: entry.suspension)
          } else {
            entry.run.resume(suspension: entry.suspension)
          }
        }
      case .watchdog: watchdog()
      case .deliver(let reports): deliver(reports)
      case .stop: return
      }
    }
  }

  private func nextDuty() -> Duty {
    let duty = state.wait(
      for: { state -> Duty? in
        if !state.outbox.isEmpty {
          let reports = state.outbox
          state.outbox = []
          return .deliver(reports)
        }
        if state.isStopped { return .stop }
        let now = monotonicNow()
        if state.watchdogAt <= now {
          state.watchdogAt = .max
          return .watchdog
        }
        // In portions, so that a crowd that wakes at once does not hold the lock for long.
        var due: [TimerHeap.Entry] = []
        while due.count < 256, let entry = state.heap.popDue(at: now) { due.append(entry) }
        return due.isEmpty ? nil : .wake(due)
      },
      orUntil: { min($0.heap.earliest, $0.watchdogAt) })
    return duty ?? .wake([])
  }
}
