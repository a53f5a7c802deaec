import Basics
import CLinux
import Chronology
import Glibc
import Scheduling
import Synchronization

/// Where the scheduler's thread sleeps: until a fire time on the wall clock, a delay on the monotonic one, or `wake()`.
///
/// The wall clock part is a timerfd with TFD_TIMER_CANCEL_ON_SET (timerfd_create(2)): when somebody sets the clock the
/// wait ends at once, and it keeps counting over a suspend of the machine. An eventfd carries `wake`. Idle, it costs
/// nothing.
///
/// A processor that sleeps takes some 30 µs to come back, which every fire would be late by. So after a longer sleep
/// the thread is woken a little early and awaits the instant awake.
///
/// Threading: `wait` on one thread; `wake` from any.
final class LoopTimer: Sendable {
  private let timer: Int32
  private let event: Int32
  /// `wake` was called since the last sleep began.
  private let isWoken = Atomic(false)

  /// How long before a fire time the thread is awake, and how long it must have slept for that to be worth it: it then
  /// spends at most a tenth of its time waiting awake. Nanoseconds.
  private static let lead: Int64 = 50_000
  private static let longSleep: Int64 = 500_000

  init() {
    timer = linux_wall_timer()
    event = linux_event()
    precondition(
      timer >= 0 && event >= 0, "no file descriptors are left for the scheduler's timer: raise the limit (ulimit -n)")
  }

  deinit {
    close(timer)
    close(event)
  }

  /// Makes the calling thread's own sleeps as exact as the kernel can; a failure leaves the default, which is only
  /// later.
  static func sharpenThisThread() {
    linux_sharpen_timers()
    // Two scripts that keep two processors busy would otherwise hold the scheduler up by a slice of the kernel's at
    // each wake-up.
    linux_run_first()
    linux_take_short_turns()
  }

  /// Returns when `wake` has come, the clock was set, or `wake()` was called; also now and then for no reason.
  func wait(_ wake: SchedulerCore.Wake, monotonicNow: Int64) {
    isWoken.store(false, ordering: .relaxed)
    // With nothing due it still listens for the clock being set.
    let wall = wake.wall ?? .distantFuture
    let isLong = wall != .distantFuture && wall.nanoseconds(since: Self.wallNow()) > Self.longSleep
    linux_wall_timer_set(timer, isLong ? wall.nanoseconds - Self.lead : wall.nanoseconds)
    linux_wait_either(timer, event, wake.monotonic.map { max(0, $0 - monotonicNow) } ?? -1)
    // Only when it was the timer that ended the sleep.
    let left = wall.nanoseconds(since: Self.wallNow())
    guard isLong, left <= Self.lead else { return }
    // By the clock that nobody sets back.
    let end = Basics.monotonicNow() + left
    while Basics.monotonicNow() < end, !isWoken.load(ordering: .relaxed) {}
  }

  private static func wallNow() -> Instant { SystemWallClock().now }

  func wake() {
    isWoken.store(true, ordering: .relaxed)
    var one: UInt64 = 1
    // Safe: writes the eight bytes of a local. EAGAIN (the counter is full) means it is awake anyway.
    unsafe _ = write(event, &one, 8)
  }
}
