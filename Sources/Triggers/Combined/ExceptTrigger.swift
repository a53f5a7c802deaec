package import Chronology

/// The fires of a trigger, without those that fall into given stretches of time or coincide with another trigger's.
package final class ExceptTrigger: TriggerKind {
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
  /// The latest end of the stretches up to each one.
  private let latestEnds: [Instant]
  /// See ``UnionTrigger``.
  private let partsHash: Int

  init(_ base: AnyTrigger, stretches: [Stretch], excluded: AnyTrigger?, zoneOfDates: TimeZoneRules?) {
    self.base = base
    self.zoneOfDates = stretches.isEmpty ? nil : zoneOfDates
    let sorted = stretches.sorted { ($0.start, $0.end) < ($1.start, $1.end) }
    var ends: [Instant] = []
    ends.reserveCapacity(sorted.count)
    for stretch in sorted { ends.append(max(ends.last ?? stretch.end, stretch.end)) }
    self.stretches = sorted
    latestEnds = ends
    self.excluded = excluded
    var hasher = Hasher()
    hasher.combine(base)
    hasher.combine(sorted)
    hasher.combine(excluded)
    partsHash = hasher.finalize()
  }

  package func next(after instant: Instant) -> Instant? {
    var budget = SearchBudget()
    return nextFire(after: instant, &budget).instant
  }

  /// - Complexity: a step for each fire that is left out, until the budget is spent; then `.unknown`.
  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
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

  /// The latest end of the stretches that `instant` is in. O(log n).
  private func endOfExclusion(at instant: Instant) -> Instant? {
    var low = 0
    var high = stretches.count
    while low < high {
      let middle = (low + high) / 2
      if stretches[middle].start > instant { high = middle } else { low = middle + 1 }
    }
    guard low > 0, latestEnds[low - 1] > instant else { return nil }
    return latestEnds[low - 1]
  }
}

extension ExceptTrigger {
  package var zones: [TimeZoneRules] { base.kind.zones + (excluded?.kind.zones ?? []) }
  package var dateZone: TimeZoneRules? { base.kind.dateZone }
  package var needsAnchor: Bool { base.needsAnchor || excluded?.needsAnchor == true }
  package var firesAtStart: Bool { false }

  package func anchored(at anchor: Instant) -> AnyTrigger {
    AnyTrigger(
      ExceptTrigger(
        base.anchored(at: anchor), stretches: stretches, excluded: excluded?.anchored(at: anchor),
        zoneOfDates: zoneOfDates))
  }

  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? { nil }

  /// `except(cron "…", { "2026-12-25", cron "…" })`.
  package func lua(_ form: LuaForm) -> String {
    var parts = stretches.map { LuaText.quote($0.text) }
    if let excluded {
      let others = (excluded.kind as? UnionTrigger)?.members ?? [excluded]
      parts += others.map { $0.kind.lua(form) }
    }
    let list = parts.count == 1 ? parts[0] : "{ \(parts.joined(separator: ", ")) }"
    var options = ""
    if form == .complete, let zone = zoneOfDates { options = ", { timezone = \(LuaText.quote(zone.name)) }" }
    return "except(\(base.kind.lua(form)), \(list)\(options))"
  }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? { nil }

  package var explanation: String {
    var parts = stretches.map { $0.text.replacing("..", with: " to ") }
    if let excluded { parts.append("when due: \(EnglishText.uncapitalized(excluded.description))") }
    return "\(base.description), except \(parts.first?.first?.isNumber == true ? "on " : "")" + EnglishText.list(parts)
  }
}

extension ExceptTrigger: Hashable {
  package static func == (left: ExceptTrigger, right: ExceptTrigger) -> Bool {
    left === right
      || left.partsHash == right.partsHash && left.base == right.base && left.stretches == right.stretches
        && left.excluded == right.excluded
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(partsHash) }
}
