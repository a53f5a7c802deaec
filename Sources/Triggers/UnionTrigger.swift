package import Chronology

/// Fires whenever one of its members does.
package final class UnionTrigger: Trigger {
  package let members: [AnyTrigger]

  package init(_ members: [AnyTrigger]) { self.members = members }

  package func next(after instant: Instant) -> Instant? {
    var earliest: Instant?
    for member in members {
      guard let next = member.next(after: instant) else { continue }
      if earliest == nil || next < earliest! { earliest = next }
    }
    return earliest
  }
}

extension UnionTrigger: Hashable {
  package static func == (left: UnionTrigger, right: UnionTrigger) -> Bool {
    left === right || left.members == right.members
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(members) }
}
