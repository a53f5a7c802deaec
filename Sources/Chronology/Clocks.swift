internal import Glibc

/// What time it is for people: the clock that schedules follow. It may be set, forwards or backwards, at any moment.
public protocol WallClock: Sendable {
  /// The present instant.
  var now: Instant { get }
}

/// A clock that only goes forward, for timeouts and measurements. Its zero means nothing; it stops while the machine
/// sleeps.
public protocol MonotonicClock: Sendable {
  /// The present reading.
  var now: MonotonicInstant { get }
}

/// A reading of a ``MonotonicClock``: comparable with other readings of the same clock, and with nothing else.
public struct MonotonicInstant: Sendable, Hashable, Comparable {
  /// Nanoseconds since the clock's own zero.
  public let nanoseconds: Int64

  /// A reading of so many nanoseconds.
  public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// Later than every reading: "no deadline".
  public static let distantFuture = MonotonicInstant(nanoseconds: .max)

  /// The reading `nanoseconds` later, stopping at the ends of the range.
  public func advanced(byNanoseconds nanoseconds: Int64) -> MonotonicInstant {
    let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
    return MonotonicInstant(nanoseconds: overflow ? (nanoseconds < 0 ? .min : .max) : sum)
  }

  /// Nanoseconds from `other` to this reading, stopping at the ends of `Int64`.
  public func nanoseconds(since other: MonotonicInstant) -> Int64 {
    let (difference, overflow) = nanoseconds.subtractingReportingOverflow(other.nanoseconds)
    return overflow ? (nanoseconds < other.nanoseconds ? .min : .max) : difference
  }

  /// Whether `left` was read earlier.
  public static func < (left: MonotonicInstant, right: MonotonicInstant) -> Bool {
    left.nanoseconds < right.nanoseconds
  }

  /// The reading `duration` later, stopping at the ends of the range.
  public static func + (reading: MonotonicInstant, duration: Duration) -> MonotonicInstant {
    reading.advanced(byNanoseconds: duration.wholeNanoseconds)
  }

  /// The time from `right` to `left`.
  public static func - (left: MonotonicInstant, right: MonotonicInstant) -> Duration {
    .nanoseconds(left.nanoseconds(since: right))
  }
}

/// The machine's `CLOCK_REALTIME`.
public struct SystemWallClock: WallClock {
  /// The clock of this machine.
  public init() {}
  /// The present instant: a system call of some tens of nanoseconds.
  public var now: Instant { Instant(nanoseconds: readClock(CLOCK_REALTIME)) }
}

/// The machine's `CLOCK_MONOTONIC`.
public struct SystemMonotonicClock: MonotonicClock {
  /// The clock of this machine.
  public init() {}
  /// The present reading: a system call of some tens of nanoseconds.
  public var now: MonotonicInstant { MonotonicInstant(nanoseconds: readClock(CLOCK_MONOTONIC)) }
}

/// Reads a POSIX clock. `clock_gettime` fails only for an unknown clock, and both of ours exist on every Linux.
private func readClock(_ clock: clockid_t) -> Int64 {
  var time = timespec()
  // Safe: `time` lives across the call, which writes that one struct.
  unsafe clock_gettime(clock, &time)
  return Int64(time.tv_sec) &* Instant.perSecond &+ Int64(time.tv_nsec)
}
