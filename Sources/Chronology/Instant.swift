/// A point on the UTC time line, to the nanosecond.
///
/// Stored as nanoseconds since 1970-01-01T00:00:00Z, without leap seconds, as the kernel and POSIX count. An `Int64`
/// reaches from 1677-09-21 to 2262-04-11; arithmetic that would leave that range stops at its ends instead of trapping,
/// because instants are computed from what scripts and files say. Those ends mean "before everything" and "never".
///
///     let start = Instant(seconds: 1_767_225_600)     // 2026-01-01T00:00:00Z
///     start + .seconds(90)                             // 2026-01-01T00:01:30Z
public struct Instant: Sendable, Hashable, Comparable {
  /// Nanoseconds since 1970-01-01T00:00:00Z.
  public let nanoseconds: Int64

  /// The instant `nanoseconds` after the epoch (before it when negative).
  @inlinable public init(nanoseconds: Int64) { self.nanoseconds = nanoseconds }

  /// The instant `seconds` after the epoch; stops at ``distantPast`` or ``distantFuture`` when out of range.
  public init(seconds: Int64) {
    let (product, overflow) = seconds.multipliedReportingOverflow(by: Instant.perSecond)
    self.nanoseconds = overflow ? (seconds < 0 ? .min : .max) : product
  }

  /// The instant `seconds` and then `nanosecond` after the epoch, stopping at the ends of the range.
  package init(seconds: Int, nanosecond: Int) {
    let exact = Int128(seconds) * Int128(Instant.perSecond) + Int128(nanosecond)
    self.nanoseconds = Int64(clamping: exact)
  }

  /// Before every instant a trigger can answer.
  public static let distantPast = Instant(nanoseconds: .min)
  /// After every instant a trigger can answer.
  public static let distantFuture = Instant(nanoseconds: .max)
  /// 1970-01-01T00:00:00Z.
  public static let epoch = Instant(nanoseconds: 0)

  /// Nanoseconds in a second.
  @usableFromInline package static let perSecond: Int64 = 1_000_000_000

  /// Whole seconds since the epoch, rounded down (so also for instants before 1970).
  public var wholeSeconds: Int64 {
    let quotient = nanoseconds / Instant.perSecond
    return nanoseconds % Instant.perSecond < 0 ? quotient - 1 : quotient
  }

  /// The nanoseconds above ``wholeSeconds``, 0..<1,000,000,000.
  public var subsecondNanoseconds: Int64 {
    let remainder = nanoseconds % Instant.perSecond
    return remainder < 0 ? remainder + Instant.perSecond : remainder
  }

  /// Seconds since the epoch with fractions, as scripts see time. Exact to about 200 ns in this century.
  public var fractionalSeconds: Double {
    Double(wholeSeconds) + Double(subsecondNanoseconds) / 1e9
  }

  /// The instant at a number of seconds with fractions, rounded to the nanosecond; `nil` for NaN and infinities. Out of
  /// range it stops at the ends.
  public init?(fractionalSeconds: Double) {
    guard fractionalSeconds.isFinite else { return nil }
    let whole = fractionalSeconds.rounded(.down)
    guard abs(whole) < 9.2e9 else {
      self = whole < 0 ? .distantPast : .distantFuture
      return
    }
    let fraction = ((fractionalSeconds - whole) * 1e9).rounded()
    self = Instant(nanoseconds: Int64(whole) * Instant.perSecond + Int64(fraction))
  }

  /// Whether `left` is earlier.
  public static func < (left: Instant, right: Instant) -> Bool { left.nanoseconds < right.nanoseconds }
}

extension Instant {
  /// The instant `nanoseconds` later (earlier when negative), stopping at the ends of the range.
  public func advanced(byNanoseconds nanoseconds: Int64) -> Instant {
    let (sum, overflow) = self.nanoseconds.addingReportingOverflow(nanoseconds)
    return overflow ? (nanoseconds < 0 ? .distantPast : .distantFuture) : Instant(nanoseconds: sum)
  }

  /// Nanoseconds from `other` to this instant, stopping at the ends of `Int64`.
  public func nanoseconds(since other: Instant) -> Int64 {
    let (difference, overflow) = nanoseconds.subtractingReportingOverflow(other.nanoseconds)
    return overflow ? (nanoseconds < other.nanoseconds ? .min : .max) : difference
  }

  /// The instant `duration` later, to the nanosecond, stopping at the ends of the range.
  public static func + (instant: Instant, duration: Duration) -> Instant {
    instant.advanced(byNanoseconds: duration.wholeNanoseconds)
  }

  /// The instant `duration` earlier, to the nanosecond, stopping at the ends of the range.
  public static func - (instant: Instant, duration: Duration) -> Instant {
    let nanoseconds = duration.wholeNanoseconds
    return instant.advanced(byNanoseconds: nanoseconds == .min ? .max : -nanoseconds)
  }

  /// The time from `right` to `left`, at most 292 years.
  public static func - (left: Instant, right: Instant) -> Duration {
    .nanoseconds(left.nanoseconds(since: right))
  }

  /// Moves the instant later.
  public static func += (instant: inout Instant, duration: Duration) { instant = instant + duration }
  /// Moves the instant earlier.
  public static func -= (instant: inout Instant, duration: Duration) { instant = instant - duration }
}

extension Instant: CustomStringConvertible {
  /// ISO 8601 in UTC, with as many fraction digits as needed: `2026-01-01T00:00:00.25Z`.
  public var description: String { ISO8601.format(self, offset: nil) }
}

extension Duration {
  /// The duration in nanoseconds, rounded towards zero, stopping at the ends of `Int64` (292 years).
  public var wholeNanoseconds: Int64 {
    let (seconds, attoseconds) = components
    let (scaled, overflow) = seconds.multipliedReportingOverflow(by: Instant.perSecond)
    if overflow { return seconds < 0 ? .min : .max }
    let (sum, overflowed) = scaled.addingReportingOverflow(attoseconds / 1_000_000_000)
    return overflowed ? (seconds < 0 ? .min : .max) : sum
  }

  /// The duration in seconds, as a floating point number.
  public var fractionalSeconds: Double {
    let (seconds, attoseconds) = components
    return Double(seconds) + Double(attoseconds) / 1e18
  }
}
