package import Chronology

/// Fires whenever one of its members does.
package final class UnionTrigger: TriggerKind {
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
  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
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

extension UnionTrigger {
  package var zones: [TimeZoneRules] { members.flatMap(\.kind.zones) }
  package var dateZone: TimeZoneRules? { members.lazy.compactMap(\.kind.dateZone).first }
  package var needsAnchor: Bool { members.contains { $0.needsAnchor } }
  package var firesAtStart: Bool { members.contains { $0.firesAtStart } }

  package func anchored(at anchor: Instant) -> AnyTrigger {
    AnyTrigger(UnionTrigger(members.map { $0.anchored(at: anchor) }))
  }

  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? { nil }

  /// `any_of { cron "…", every "…" }`.
  package func lua(_ form: LuaForm) -> String { WrittenOptions.combination("any_of", members, form) }

  /// It has no zone of its own that dates could be read in anywhere.
  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    let zone = form == .complete ? nil : dateZone
    return WrittenOptions.combination(
      "any_of", members, form, options: WrittenOptions.bounds(from: from, until: until, zone: zone))
  }

  package var explanation: String {
    guard members.count > 1 else { return members.first?.description ?? "Never" }
    let parts = members.enumerated().map { index, member in
      index == 0 ? member.description : EnglishText.uncapitalized(member.description)
    }
    return parts.joined(separator: "; or ")
  }
}

extension AnyTrigger {
  /// Fires whenever one of these does; once when several do at the same instant.
  public static func anyOf(_ triggers: [AnyTrigger]) -> AnyTrigger {
    triggers.count == 1 ? triggers[0] : AnyTrigger(UnionTrigger(triggers))
  }
}
