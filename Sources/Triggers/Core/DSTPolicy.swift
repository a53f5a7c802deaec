/// What a schedule on the wall clock does when clocks are changed.
///
/// Each half that is not given follows Debian's cron, by the shape of the schedule (see ``resolved(followsClock:)``).
public struct DSTPolicy: Sendable, Hashable {
  /// What becomes of times that clocks skip.
  public enum Gap: String, Sendable, Hashable, CaseIterable {
    /// One run at the end of the gap, for all of them.
    case shift
    /// Nothing runs.
    case skip
  }

  /// What becomes of times that clocks show twice.
  public enum Overlap: String, Sendable, Hashable, CaseIterable {
    /// It runs the first time.
    case first
    /// It runs the last time.
    case last
    /// It runs each time.
    case both
  }

  /// What to do with skipped times; `nil` leaves it to the shape of the schedule.
  public var gap: Gap?
  /// What to do with repeated times; `nil` leaves it to the shape of the schedule.
  public var overlap: Overlap?

  /// A policy; what is left out follows from the shape of the schedule.
  public init(gap: Gap? = nil, overlap: Overlap? = nil) {
    self.gap = gap
    self.overlap = overlap
  }

  /// The policy with nothing left open. A schedule that follows the clock (its minute or hour field begins with `*`)
  /// has its rhythm from the clock: times skipped are skipped, times repeated are repeated. One with fixed times
  /// promises a run: at the end of a gap, and only once in an overlap.
  func resolved(followsClock: Bool) -> ResolvedDST {
    ResolvedDST(gap: gap ?? (followsClock ? .skip : .shift), overlap: overlap ?? (followsClock ? .both : .first))
  }
}

/// A ``DSTPolicy`` with nothing left open.
struct ResolvedDST: Sendable, Hashable {
  let gap: DSTPolicy.Gap
  let overlap: DSTPolicy.Overlap
}
