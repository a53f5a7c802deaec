import Basics
import CLinux
import Chronology
import Glibc
import Synchronization

/// SIGTERM and SIGINT (drain, then at once), SIGHUP (reload), fetched with sigtimedwait(2) on a thread that does
/// nothing else: no handler runs, and whatever the host waits for, the thread sees that it ends.
/// Where orphans become children of this process, SIGCHLD comes as well.
///
/// - Before the host is up, the first signal ends the process: nothing runs that could finish. What others may know of
///   a host that waits for a store is taken back, for which there are ``hurry``.
/// - Then the first one begins an orderly end, which may take `grace` and ``margin`` for what it writes.
/// - The second one leaves it ``hurry``, the third one nothing.
///
/// The signals are blocked in every thread (`block` is called before any other is made).
final class Signals: Sendable {
  enum Signal: Sendable { case end, reload, childEnded }

  /// Nanoseconds beyond the grace for cancelling what is left and writing what came of it.
  static let margin: Int64 = 10_000_000_000
  /// Nanoseconds from the second signal to the end.
  static let hurry: Int64 = 2_000_000_000

  private struct State: Sendable {
    var isUp = false
    var waiting: [Signal] = []
  }

  private let state = Monitor(State())
  private let threads = Mutex<[NamedThread]>([])
  private let grace: Int64
  private let exitWhenStarting: Int32
  private let givesUp: @Sendable () -> Void

  /// - Parameters:
  ///   - grace: nanoseconds that an orderly end may take.
  ///   - exitWhenStarting: the exit code when a signal comes before the host is up.
  ///   - givesUp: called then, on a thread of its own, which ends with the process.
  ///   - receive: told of each signal once the host is up, in order, on a thread of its own: it may wait.
  /// - Throws: when the system has no threads to give.
  init(
    grace: Int64, exitWhenStarting: Int32 = 0, givesUp: @escaping @Sendable () -> Void = {},
    _ receive: @escaping @Sendable (Signal) -> Void
  ) throws(ThreadError) {
    self.grace = grace
    self.exitWhenStarting = exitWhenStarting
    self.givesUp = givesUp
    let taking = try NamedThread("moondial-signal") { [self] in take() }
    let telling = try NamedThread("moondial-ctl") { [self] in
      while true {
        let signal = state.wait { state in state.waiting.isEmpty ? nil : state.waiting.removeFirst() }
        if let signal { receive(signal) }
      }
    }
    threads.withLock { $0 = [taking, telling] }
  }

  /// The host is up: from now on a signal begins an orderly end.
  func hostIsUp() { state.withLock { $0.isUp = true } }

  private func take() {
    var ends = 0
    var deadline = Int64.max
    // Whoever became this program may have left some behind.
    if linux_inherits_orphans() { tell(.childEnded) }
    while true {
      guard let number = Signals.next(until: deadline) else {
        LastResort.end(1, ends == 1 ? Signals.late(grace) : Signals.hurried)
      }
      if number == SIGHUP || number == SIGCHLD {
        tell(number == SIGHUP ? .reload : .childEnded)
        continue
      }
      ends += 1
      if !state.withLock({ $0.isUp }) { endStart() }
      switch ends {
      case 1:
        let (sum, overflow) = monotonicNow().addingReportingOverflow(grace)
        deadline = overflow ? .max : sum.addingReportingOverflow(Signals.margin).overflow ? .max : sum + Signals.margin
      case 2: deadline = min(deadline, monotonicNow() + Signals.hurry)
      default: LastResort.end(1, Signals.hurried)
      }
      tell(.end)
    }
  }

  private func endStart() -> Never {
    let hasGivenUp = Monitor(false)
    // Without a thread to be had the others wait until its lease ends.
    if let thread = try? NamedThread(
      "moondial-leave",
      { [givesUp] in
        givesUp()
        hasGivenUp.change { $0 = true }
      })
    {
      thread.abandon()
      _ = hasGivenUp.wait(until: monotonicNow() + Signals.hurry) { $0 ? true : nil }
    }
    LastResort.end(exitWhenStarting, "stopped while it was starting")
  }

  /// Held only for moments, by this thread and the one that tells.
  private func tell(_ signal: Signal) {
    state.withLock { state in
      // A hundred reloads are one, and so are a hundred children.
      if signal == .end || !state.waiting.contains(signal) { state.waiting.append(signal) }
    }
    state.broadcast()
  }

  private static func late(_ grace: Int64) -> String {
    "it did not end within its grace of \(DurationText.format(nanoseconds: grace)); what was under way will be "
      + "recorded as interrupted"
  }

  private static let hurried = "it was told to end at once; what was under way will be recorded as interrupted"

  /// The next signal; nil when there is none before `deadline`, on the monotonic clock.
  private static func next(until deadline: Int64) -> Int32? {
    while true {
      var set = Signals.set
      let left = max(0, deadline.subtractingReportingOverflow(monotonicNow()).partialValue)
      // An hour at a time, for a deadline that is never.
      let rest = min(left, 3_600_000_000_000)
      var time = timespec(tv_sec: Int(rest / 1_000_000_000), tv_nsec: Int(rest % 1_000_000_000))
      // Safe: all are locals that live across the call; what came with the signal is not asked for.
      let number = unsafe sigtimedwait(&set, nil, &time)
      if number > 0 { return number }
      if errno == EAGAIN, deadline != .max, monotonicNow() >= deadline { return nil }
    }
  }

  /// Blocks the signals in the calling thread and in all that it makes. Before anything else. SIGPIPE is ignored: a
  /// reader that has gone must not end the host.
  static func block() {
    var set = Signals.set
    // Safe: a local; the old mask is not asked for.
    unsafe _ = pthread_sigmask(SIG_BLOCK, &set, nil)
    signal(SIGPIPE, SIG_IGN)
    // Where whoever started this program ignores it, the kernel would keep nobody's exit code.
    signal(SIGCHLD, SIG_DFL)
  }

  private static var set: sigset_t {
    var set = sigset_t()
    // Safe: each call changes the local set.
    unsafe sigemptyset(&set)
    for number in [SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&set, number) }
    // It is blocked before the first child, so none that ends is missed; what ended before is found with the next.
    if linux_inherits_orphans() { unsafe sigaddset(&set, SIGCHLD) }
    return set
  }
}
