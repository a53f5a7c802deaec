import Chronology
import Triggers

/// A stretch of instants of one trigger, counted as far as is worth it.
struct DueSpan {
  var first: Instant
  var last: Instant
  var count: Int
  /// Counting stopped early: there may be more than `count` between `first` and `last`.
  var isAtLeast: Bool
}

extension AnyTrigger {
  /// The instants from `first` (one of this trigger's own) to `end`, inclusive.
  ///
  /// Counts at most `limit` of them one by one; beyond it the last one is found by halving, so that a week of a job
  /// that runs every millisecond costs microseconds, not minutes.
  func span(from first: Instant, through end: Instant, countingTo limit: Int) -> DueSpan {
    var span = DueSpan(first: first, last: first, count: 1, isAtLeast: false)
    while let next = next(after: span.last), next <= end {
      if span.count == limit {
        span.isAtLeast = true
        span.last = latest(from: next, through: end)
        return span
      }
      span.count += 1
      span.last = next
    }
    return span
  }

  /// The latest instant at or before `end`, given one (`known`) that is.
  ///
  /// Of an interval it is one question. Otherwise: keeps `low`, an instant of the trigger at or before `end`, and
  /// `high`, a point after which none follows up to `end`. Each probe moves one of them to the middle or beyond: at
  /// most 63 probes.
  func latest(from known: Instant, through end: Instant) -> Instant {
    if let interval, let latest = interval.latest(through: end), latest >= known { return latest }
    var low = known
    var high = end
    while low < high {
      // The distance is not negative, and fits in 64 bits unsigned, even from one end of time to the other.
      let distance = UInt64(bitPattern: high.nanoseconds &- low.nanoseconds)
      let middle = Instant(nanoseconds: low.nanoseconds + Int64(distance / 2))
      if let next = next(after: middle), next <= end {
        low = next
      } else if middle > low {
        high = middle
      } else {
        break
      }
    }
    // `high` may stand one step above `low` with an instant exactly on it.
    if let next = next(after: low), next <= end { return next }
    return low
  }

  /// The first of the last `limit` instants from `first` to `end`; nil when there are no more than that. One division
  /// for an interval, a walk of up to `limit` instants otherwise.
  func oldest(ofLast limit: Int, from first: Instant, through end: Instant) -> Instant? {
    if let interval {
      let (reach, overflow) = Int64(limit - 1).multipliedReportingOverflow(by: interval.nanoseconds)
      guard !overflow, end.nanoseconds(since: first) > reach else { return nil }
      return end.advanced(byNanoseconds: -reach)
    }
    let instants = lastInstants(limit, from: first, through: end)
    return instants.first.flatMap { $0 > first ? $0 : nil }
  }

  /// The last `limit` instants from `first` to `end`, in order.
  func lastInstants(_ limit: Int, from first: Instant, through end: Instant) -> [Instant] {
    // Mostly there are few, and then walking there is cheaper than looking for each from the end.
    var walked = [first]
    while walked.count <= limit, let next = next(after: walked[walked.count - 1]), next <= end { walked.append(next) }
    if walked.count <= limit { return walked }
    var found: [Instant] = []
    var edge = end
    while found.count < limit {
      guard first <= edge else { break }
      let instant = latest(from: first, through: edge)
      found.append(instant)
      if instant == first { break }
      edge = instant.advanced(byNanoseconds: -1)
    }
    return found.reversed()
  }
}

extension IntervalTrigger {
  /// The latest fire at or before `end`; nil when that cannot be told by one question. Fires are one interval apart, so
  /// it is the one that follows `end` less an interval.
  fileprivate func latest(through end: Instant) -> Instant? {
    guard anchor != nil else { return nil }
    let end = until.map { min($0, end) } ?? end
    let (before, overflow) = end.nanoseconds.subtractingReportingOverflow(nanoseconds)
    guard !overflow, let latest = next(after: Instant(nanoseconds: before)), latest <= end else { return nil }
    return latest
  }
}
