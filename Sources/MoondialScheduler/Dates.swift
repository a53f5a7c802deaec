package import Chronology
package import FoundationEssentials

/// Between the scheduler's time line (whole nanoseconds) and Foundation's (a `Double` of seconds): exact to the
/// microsecond.
extension Date {
  package init(_ instant: Instant) { self.init(timeIntervalSince1970: instant.fractionalSeconds) }
}

extension Instant {
  /// Rounded to the microsecond, which is what a `Double` can tell apart in this century; out of range it stops at the
  /// ends.
  package init(_ date: Date) {
    let microseconds = (date.timeIntervalSince1970 * 1e6).rounded()
    guard let whole = Int64(exactly: microseconds), whole.magnitude < 9_200_000_000_000_000 else {
      self = microseconds < 0 ? .distantPast : .distantFuture
      return
    }
    self.init(nanoseconds: whole * 1_000)
  }
}

extension Duration {
  /// As durations are written in settings: `90s`, `1h30m`.
  var text: String { DurationText.format(nanoseconds: wholeNanoseconds) }
}
