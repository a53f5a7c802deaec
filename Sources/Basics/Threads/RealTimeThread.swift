internal import CLinux
internal import Glibc

/// Whether a thread may run in real time: as long as it needs little of a processor.
///
/// A real-time thread runs at once when it wakes up, before every ordinary thread of the machine. An ordinary one, of
/// whatever niceness, may wait behind a busy program until the next tick of the kernel's clock, up to 4 ms. But nobody
/// else has a processor that a real-time thread keeps; so one that has work to do all the time is ordinary, which is
/// also better for its work: more comes together before it runs.
///
/// A value that decides: it is told the time and what the thread has used, in nanoseconds of any clock.
package struct RealTimeShare: Sendable, Equatable {
  /// The span that a decision is about, at least: a busy thread is found out soon, a quiet one is believed late.
  package static let busySpan: Int64 = 10_000_000
  package static let quietSpan: Int64 = 100_000_000

  package private(set) var isRealTime = false
  private var since: Int64
  private var usedBefore: Int64

  package init(now: Int64, used: Int64) {
    since = now
    usedBefore = used
  }

  /// Whether `decide` would decide anything now: most calls end here.
  package func isDue(_ now: Int64) -> Bool { now &- since >= (isRealTime ? Self.busySpan : Self.quietSpan) }

  /// To be called when ``isDue(_:)``.
  ///
  /// - Parameter used: of a processor's time, by this thread, since it began.
  package mutating func decide(now: Int64, used: Int64) {
    let (span, spent) = (now &- since, used &- usedBefore)
    (since, usedBefore) = (now, used)
    // Half a processor, or a quarter: between them it stays what it is.
    isRealTime = spent < span / (isRealTime ? 2 : 4)
  }
}

/// The calling thread, in real time while it needs little of a processor (``RealTimeShare``) and the kernel permits it
/// (sched(7): CAP_SYS_NICE, or RLIMIT_RTPRIO); otherwise nothing changes.
///
/// Threading: made and used on one thread.
package struct RealTimeThread: ~Copyable {
  /// Who is first among threads in real time.
  package enum Rank: Int32, Sendable {
    /// Of threads that do what jobs say: they have nothing while one of the others wants a processor.
    case work = 1
    /// Of threads that decide and record.
    case decide = 2
  }

  private let rank: Rank
  private var share: RealTimeShare
  private var isRefused = false

  package init(_ rank: Rank) {
    self.rank = rank
    share = RealTimeShare(now: monotonicNow(), used: Self.used())
  }

  /// To be called once for each piece of work, between two of them. Costs a comparison, and every 10 ms or more a
  /// question to the kernel.
  ///
  /// Something else, as a signal handler, may make the thread ordinary meanwhile (`linux_leave_real_time`); it comes
  /// back with a review, if it needs little.
  package mutating func review(at now: Int64) {
    guard share.isDue(now), !isRefused else { return }
    share.decide(now: now, used: Self.used())
    guard share.isRealTime != linux_is_in_real_time() else { return }
    if share.isRealTime { isRefused = linux_enter_real_time(rank.rawValue) != 0 } else { linux_leave_real_time() }
  }

  private static func used() -> Int64 {
    var time = timespec()
    // Safe: the call writes `time` only. A failure, which this clock has not, would say 0: a thread that uses nothing.
    _ = unsafe clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}
