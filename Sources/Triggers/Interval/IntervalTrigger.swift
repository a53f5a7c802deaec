public import Chronology

/// Fires at a fixed rate: at `anchor`, plus whole intervals. Elapsed time, whatever wall clocks do.
///
/// The rate never drifts, because every fire time is computed from the anchor. With a start date the anchor is that
/// date, and it fires then too; otherwise the schedule assigns one, and it fires one interval later for the first time.
/// Without any anchor it counts from the instant it is asked about.
package final class IntervalTrigger: TriggerKind {
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

extension IntervalTrigger {
  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    budget.spend()
    return NextFire(next(after: instant))
  }

  package var zones: [TimeZoneRules] { [] }
  package var dateZone: TimeZoneRules? { nil }
  package var needsAnchor: Bool { anchor == nil }
  package var firesAtStart: Bool { false }

  /// The same rate, counted from `anchor`, unless it has an anchor or start date already.
  package func anchored(at anchor: Instant) -> AnyTrigger {
    if self.anchor != nil { return AnyTrigger(self) }
    return AnyTrigger(IntervalTrigger(nanoseconds: nanoseconds, anchor: anchor, until: until))
  }

  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? {
    guard anchor == nil, self.until == nil else { return nil }
    return AnyTrigger(
      IntervalTrigger(nanoseconds: nanoseconds, anchor: from, startsAtAnchor: from != nil, until: until))
  }

  /// `every "90s"`.
  package func lua(_ form: LuaForm) -> String {
    var options = WrittenOptions.bounds(from: startsAtAnchor ? anchor : nil, until: until, zone: nil)
    if !startsAtAnchor, let anchor { options.append(("anchor", LuaText.quote(anchor.description))) }
    return LuaText.call("every", LuaText.quote(DurationText.format(nanoseconds: nanoseconds)), options: options)
  }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? { nil }

  package var explanation: String {
    "Every \(EnglishText.duration(nanoseconds: nanoseconds))"
      + EnglishText.bounds(from: startsAtAnchor ? anchor : nil, until: until, zone: .utc)
  }
}

extension AnyTrigger {
  /// Fires at a fixed rate. Without an anchor it counts from the instant it is asked about, until ``anchored(at:)``.
  public static func every(nanoseconds: Int64, anchor: Instant? = nil) -> AnyTrigger {
    AnyTrigger(IntervalTrigger(nanoseconds: nanoseconds, anchor: anchor))
  }

  /// The plain `every` that it is; nil for every other kind.
  package var interval: IntervalTrigger? { kind as? IntervalTrigger }

  /// The interval of a plain `every`, in nanoseconds; `nil` for every other kind.
  public var intervalNanoseconds: Int64? { interval?.nanoseconds }
}
