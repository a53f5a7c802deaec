package import Chronology

/// Fires at a fixed rate: at `anchor`, plus whole intervals. Elapsed time, whatever wall clocks do.
///
/// The rate never drifts, because every fire time is computed from the anchor. With a start date the anchor is that
/// date, and it fires then too; otherwise the schedule assigns one, and it fires one interval later for the first time.
/// Without any anchor it counts from the instant it is asked about.
package final class IntervalTrigger: Trigger {
  /// At least 1.
  package let nanoseconds: Int64
  /// What fire times are whole intervals away from.
  package let anchor: Instant?
  /// Whether the anchor is a start date, at which it fires, rather than one assigned by the schedule.
  package let startsAtAnchor: Bool
  /// The last instant at which it may fire.
  package let until: Instant?

  package init(nanoseconds: Int64, anchor: Instant? = nil, startsAtAnchor: Bool = false, until: Instant? = nil) {
    precondition(nanoseconds > 0, "an interval is at least one nanosecond")
    self.nanoseconds = nanoseconds
    self.anchor = anchor
    self.startsAtAnchor = startsAtAnchor && anchor != nil
    self.until = until
  }

  package func next(after instant: Instant) -> Instant? {
    guard let next = unbounded(after: instant) else { return nil }
    if let until, next > until { return nil }
    return next
  }

  private func unbounded(after instant: Instant) -> Instant? {
    guard let anchor else { return advance(instant, by: nanoseconds) }
    if instant < anchor { return startsAtAnchor ? anchor : advance(anchor, by: nanoseconds) }
    // The distance is not negative and fits in 64 bits unsigned, even from one end of the range to the other.
    let distance = UInt64(bitPattern: instant.nanoseconds &- anchor.nanoseconds)
    return advance(instant, by: nanoseconds - Int64(distance % UInt64(nanoseconds)))
  }

  private func advance(_ instant: Instant, by nanoseconds: Int64) -> Instant? {
    let (sum, overflow) = instant.nanoseconds.addingReportingOverflow(nanoseconds)
    return overflow ? nil : Instant(nanoseconds: sum)
  }

  /// The same rate, counted from `anchor`, unless it has an anchor or start date already.
  package func anchored(at anchor: Instant) -> IntervalTrigger {
    self.anchor != nil ? self : IntervalTrigger(nanoseconds: nanoseconds, anchor: anchor, until: until)
  }
}

extension IntervalTrigger: Hashable {
  package static func == (left: IntervalTrigger, right: IntervalTrigger) -> Bool {
    left === right
      || left.nanoseconds == right.nanoseconds && left.anchor == right.anchor
        && left.startsAtAnchor == right.startsAtAnchor && left.until == right.until
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(nanoseconds)
    hasher.combine(anchor)
  }
}
