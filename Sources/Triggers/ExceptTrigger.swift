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

  package func next(after instant: Instant) -> Instant? { nextFire(after: instant).instant }

  /// - Complexity: a step for each fire that is left out, at most ``searchSteps``.
  func nextFire(after instant: Instant) -> NextFire {
    if needsAnchor { return anchored(at: instant).nextFire(after: instant) }
    var start = instant
    for _ in 0..<searchSteps {
      let fire = base.nextFire(after: start)
      guard case .at(let candidate) = fire else { return fire }
      if let end = endOfExclusion(at: candidate) {
        start = end.advanced(byNanoseconds: -1)
      } else if excluded?.next(after: candidate.advanced(byNanoseconds: -1)) == candidate {
        start = candidate
      } else {
        return fire
      }
    }
    return .unknown(searchedTo: start)
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
      base.anchored(at: anchor), stretches: stretches, excluded: excluded?.anchored(at: anchor), zoneOfDates: zoneOfDates)
  }
}

/// How many fires a search over combined triggers looks at before it gives up: a few milliseconds.
let searchSteps = 20_000

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
