package import Chronology

/// The fires of another trigger between a first and a last instant, both inclusive.
package final class BoundedTrigger: Trigger {
  package let base: AnyTrigger
  package let from: Instant?
  package let until: Instant?

  package init(_ base: AnyTrigger, from: Instant?, until: Instant?) {
    self.base = base
    self.from = from
    self.until = until
  }

  package func next(after instant: Instant) -> Instant? { nextFire(after: instant).instant }

  func nextFire(after instant: Instant) -> NextFire {
    var start = instant
    if let from, from > start { start = from.advanced(byNanoseconds: -1) }
    let fire = base.nextFire(after: start)
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

extension BoundedTrigger: Hashable {
  package static func == (left: BoundedTrigger, right: BoundedTrigger) -> Bool {
    left === right || left.from == right.from && left.until == right.until && left.base == right.base
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(base)
    hasher.combine(from)
    hasher.combine(until)
  }
}
