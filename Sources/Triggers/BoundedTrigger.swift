package import Chronology

/// The fires of another trigger between a first and a last instant, both inclusive.
package final class BoundedTrigger: Trigger {
  package let base: AnyTrigger
  package let from: Instant?
  package let until: Instant?
  /// See ``UnionTrigger``.
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

  func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
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
