public import Chronology

/// Computes when something should fire.
///
/// A trigger is a value: it has no clock and no memory, so asking twice gives the same answer. The invariants, for
/// every trigger and all instants `a <= b`:
///
/// - `next(after: a)` is later than `a`, or `nil`;
/// - `next(after: a) <= next(after: b)`, where `nil` counts as later than everything;
/// - nothing fires in between: if `next(after: a)` is later than `b`, it is also `next(after: b)`.
///
/// (An interval that has not been given an anchor counts from `after`, and obeys the first two only.)
///
///     let nightly = try CronTrigger("0 3 * * *", zone: berlin)
///     nightly.next(after: saturdayNoon)     // Sunday 03:00 on the clocks of Berlin
public protocol Trigger: Sendable {
  /// The first fire time strictly after `instant`, or `nil` when there will never be another.
  ///
  /// Safe to call from any thread. Costs at most some hundred nanoseconds, and does not allocate, except for
  /// combinations (see ``AnyTrigger/nextFire(after:)``).
  func next(after instant: Instant) -> Instant?
}

/// The answer to "when next?" of a trigger whose search is bounded.
public enum NextFire: Sendable, Hashable {
  /// It fires then.
  case at(Instant)
  /// It never fires again.
  case never
  /// Nothing was found up to this instant, within the steps allowed for a search; there may be something later.
  case unknown(searchedTo: Instant)

  /// The instant, if there is one.
  public var instant: Instant? {
    if case .at(let instant) = self { instant } else { nil }
  }

  init(_ instant: Instant?) {
    self = instant.map { .at($0) } ?? .never
  }
}
