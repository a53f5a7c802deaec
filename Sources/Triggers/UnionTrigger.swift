package import Chronology

/// Fires whenever one of its members does.
package final class UnionTrigger: Trigger {
  package let members: [AnyTrigger]

  /// Of the members, taken once: a member that is named many times is not gone through many times.
  private let memberHash: Int

  package init(_ members: [AnyTrigger]) {
    self.members = members
    memberHash = members.hashValue
  }

  package func next(after instant: Instant) -> Instant? {
    var earliest: Instant?
    for member in members {
      guard let next = member.next(after: instant) else { continue }
      if let known = earliest, known <= next { continue }
      earliest = next
    }
    return earliest
  }

  /// A member whose search gave up hides whatever it may have after that point, but not what others have before it.
  func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    var earliest: Instant?
    var unsearched: Instant?
    for member in members {
      switch member.nextFire(after: instant, &budget) {
      case .at(let next): earliest = min(next, earliest ?? next)
      case .unknown(let searched): unsearched = min(searched, unsearched ?? searched)
      case .never: break
      }
    }
    if let unsearched, earliest.map({ $0 > unsearched }) ?? true { return .unknown(searchedTo: unsearched) }
    return NextFire(earliest)
  }
}

extension UnionTrigger: Hashable {
  package static func == (left: UnionTrigger, right: UnionTrigger) -> Bool {
    left === right || left.memberHash == right.memberHash && left.members == right.members
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(memberHash) }
}
