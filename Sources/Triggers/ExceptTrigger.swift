package import Chronology

/// The fires of a trigger, without those that fall into given stretches of time or coincide with another trigger's.
package final class ExceptTrigger: Trigger {
  /// A stretch that is left out: `start` inclusive, `end` exclusive. `text` is how it was written.
  package struct Stretch: Sendable, Hashable {
    let start: Instant
    let end: Instant
    let text: String
  }

  package let base: AnyTrigger
  /// Ascending by start; they may overlap.
  let stretches: [Stretch]
  package let excluded: AnyTrigger?
  /// The zone that dates were read in, when there are dates.
  let zoneOfDates: TimeZoneRules?

  init(_ base: AnyTrigger, stretches: [Stretch], excluded: AnyTrigger?, zoneOfDates: TimeZoneRules?) {
    self.base = base
    self.zoneOfDates = stretches.isEmpty ? nil : zoneOfDates
    self.stretches = stretches.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
    self.excluded = excluded
  }

  package func next(after instant: Instant) -> Instant? {
    var budget = SearchBudget()
    return nextFire(after: instant, &budget).instant
  }

  /// - Complexity: a step for each fire that is left out, until the budget is spent; then `.unknown`.
  func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    if needsAnchor { return anchored(at: instant).nextFire(after: instant, &budget) }
    var start = instant
    while true {
      budget.spend()
      let fire = base.nextFire(after: start, &budget)
      guard case .at(let candidate) = fire else { return fire }
      if let end = endOfExclusion(at: candidate) {
        start = end.advanced(byNanoseconds: -1)
      } else if let excluded {
        switch excluded.nextFire(after: candidate.advanced(byNanoseconds: -1), &budget) {
        case .at(candidate): start = candidate
        case .unknown: return .unknown(searchedTo: candidate.advanced(byNanoseconds: -1))
        default: return fire
        }
      } else {
        return fire
      }
      if budget.isSpent { return .unknown(searchedTo: start) }
    }
  }

  private func endOfExclusion(at instant: Instant) -> Instant? {
    // Few enough to look at all of them up to the instant; a year of holidays is a dozen.
    var end: Instant?
    for stretch in stretches {
      if stretch.start > instant { break }
      if stretch.end > instant { end = max(end ?? stretch.end, stretch.end) }
    }
    return end
  }

  var needsAnchor: Bool { base.needsAnchor || excluded?.needsAnchor == true }

  func anchored(at anchor: Instant) -> ExceptTrigger {
    ExceptTrigger(
      base.anchored(at: anchor), stretches: stretches, excluded: excluded?.anchored(at: anchor),
      zoneOfDates: zoneOfDates)
  }
}

extension ExceptTrigger: Hashable {
  package static func == (left: ExceptTrigger, right: ExceptTrigger) -> Bool {
    left === right
      || left.base == right.base && left.stretches == right.stretches && left.excluded == right.excluded
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(base)
    hasher.combine(stretches)
    hasher.combine(excluded)
  }
}
