package import Chronology

/// The fires of another trigger between a first and a last instant, both inclusive: for kinds that keep no bounds.
package final class BoundedTrigger: TriggerKind {
  package let base: AnyTrigger
  package let from: Instant?
  package let until: Instant?
  /// Of the base, taken once: a trigger inside many others is not gone through many times.
  private let baseHash: Int

  package init(_ base: AnyTrigger, from: Instant?, until: Instant?) {
    self.base = base
    baseHash = base.hashValue
    self.from = from
    self.until = until
  }

  package func next(after instant: Instant) -> Instant? {
    guard let next = base.next(after: start(instant)) else { return nil }
    if let until, next > until { return nil }
    return next
  }

  private func start(_ instant: Instant) -> Instant {
    guard let from, from > instant else { return instant }
    return from.advanced(byNanoseconds: -1)
  }

  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    let fire = base.nextFire(after: start(instant), &budget)
    switch fire {
    case .at(let next):
      if let until, next > until { return .never }
    case .unknown(let searched):
      if let until, searched >= until { return .never }
    case .never:
      break
    }
    return fire
  }
}

extension BoundedTrigger {
  package var zones: [TimeZoneRules] { base.kind.zones }
  package var dateZone: TimeZoneRules? { base.kind.dateZone }
  package var needsAnchor: Bool { base.needsAnchor }
  package var firesAtStart: Bool { base.firesAtStart }

  package func anchored(at anchor: Instant) -> AnyTrigger {
    AnyTrigger(BoundedTrigger(base.anchored(at: anchor), from: from, until: until))
  }

  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? { nil }

  package func lua(_ form: LuaForm) -> String {
    if let own = base.kind.lua(form, from: from, until: until) { return own }
    let zone = form == .complete ? nil : base.kind.dateZone
    return WrittenOptions.combination(
      "any_of", [base], form, options: WrittenOptions.bounds(from: from, until: until, zone: zone))
  }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? { nil }

  package var explanation: String {
    base.description + EnglishText.bounds(from: from, until: until, zone: base.kind.dateZone ?? .utc)
  }
}

extension BoundedTrigger: Hashable {
  package static func == (left: BoundedTrigger, right: BoundedTrigger) -> Bool {
    left === right
      || left.baseHash == right.baseHash && left.from == right.from && left.until == right.until
        && left.base == right.base
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(baseHash)
    hasher.combine(from)
    hasher.combine(until)
  }
}
