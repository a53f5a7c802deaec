package import Chronology

/// Fires at the instants that all members share.
///
/// Intervals among the members are merged by arithmetic first (the Chinese remainder theorem): "every 7 s" and "every
/// 11 s" is every 77 s, and intervals that never meet are known never to. Then the members leapfrog: each one is asked
/// for its first fire at or after the latest answer, until all agree.
package final class IntersectionTrigger: TriggerKind {
  package let members: [AnyTrigger]
  /// The merged intervals, if there are any.
  private let grid: Grid?
  /// The members that are no anchored interval.
  private let others: [AnyTrigger]

  /// See ``UnionTrigger``.
  private let memberHash: Int

  package init(_ members: [AnyTrigger]) {
    self.members = members
    memberHash = members.hashValue
    var grid: Grid?
    var others: [AnyTrigger] = []
    for member in IntersectionTrigger.flattened(members) {
      if let interval = member.interval, let own = Grid(interval) {
        grid = grid.map { $0.merged(with: own) } ?? own
      } else {
        others.append(member)
      }
    }
    self.grid = grid
    self.others = others
  }

  /// An intersection inside an intersection is nothing but more members.
  private static func flattened(_ members: [AnyTrigger]) -> [AnyTrigger] {
    members.flatMap { member in
      if let inner = member.kind as? IntersectionTrigger { flattened(inner.members) } else { [member] }
    }
  }

  package func next(after instant: Instant) -> Instant? {
    var budget = SearchBudget()
    return nextFire(after: instant, &budget).instant
  }

  /// - Complexity: a step for each candidate, until the budget is spent; then `.unknown`.
  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    if needsAnchor {
      return IntersectionTrigger(members.map { $0.anchored(at: instant) }).nextFire(after: instant, &budget)
    }
    var candidate = instant.advanced(byNanoseconds: 1)
    guard candidate > instant else { return .never }
    while !budget.isSpent {
      budget.spend()
      var latest = candidate
      if let grid {
        guard let next = grid.next(from: latest) else { return .never }
        latest = next
      }
      for member in others {
        let fire = member.nextFire(after: latest.advanced(byNanoseconds: -1), &budget)
        guard case .at(let next) = fire else { return fire }
        latest = next
        if budget.isSpent { break }
      }
      // A broken off round proves nothing.
      if budget.isSpent { break }
      // Members after the one that moved `latest` were asked from there; only those before it must be asked again.
      if latest == candidate { return .at(candidate) }
      candidate = latest
    }
    return .unknown(searchedTo: candidate)
  }

  package var needsAnchor: Bool { members.contains { $0.needsAnchor } }
}

extension IntersectionTrigger {
  package var zones: [TimeZoneRules] { members.flatMap(\.kind.zones) }
  package var dateZone: TimeZoneRules? { members.lazy.compactMap(\.kind.dateZone).first }
  package var firesAtStart: Bool { false }

  package func anchored(at anchor: Instant) -> AnyTrigger {
    AnyTrigger(IntersectionTrigger(members.map { $0.anchored(at: anchor) }))
  }

  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? { nil }

  /// `all_of { cron "…", cron "…" }`.
  package func lua(_ form: LuaForm) -> String { WrittenOptions.combination("all_of", members, form) }

  /// It has no zone of its own that dates could be read in anywhere.
  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    let zone = form == .complete ? nil : dateZone
    return WrittenOptions.combination(
      "all_of", members, form, options: WrittenOptions.bounds(from: from, until: until, zone: zone))
  }

  package var explanation: String {
    let parts = members.map { EnglishText.uncapitalized($0.description) }
    return "Whenever these coincide: " + parts.joined(separator: "; and ")
  }
}

/// The instants `residue + k × modulus` of several intervals at once, from a first to a last one.
private struct Grid: Sendable {
  /// Wide, because the common multiple of two intervals may exceed 64 bits; it has no instant but one then, or none.
  let modulus: Int128
  let residue: Int128
  let from: Int128
  let until: Int128
  let isEmpty: Bool

  /// The grid of one interval, or `nil` when it has no anchor.
  init?(_ interval: IntervalTrigger) {
    guard let anchor = interval.anchor else { return nil }
    let first = Int128(anchor.nanoseconds) + (interval.startsAtAnchor ? 0 : Int128(interval.nanoseconds))
    self.init(
      modulus: Int128(interval.nanoseconds), residue: Int128(anchor.nanoseconds), from: first,
      until: Int128(interval.until?.nanoseconds ?? .max), isEmpty: false)
  }

  private init(modulus: Int128, residue: Int128, from: Int128, until: Int128, isEmpty: Bool) {
    self.modulus = modulus
    self.residue = Grid.positive(residue, modulus)
    self.from = from
    self.until = until
    self.isEmpty = isEmpty
  }

  func merged(with other: Grid) -> Grid {
    let (divisor, inverse) = Grid.bezout(modulus, other.modulus)
    let difference = other.residue - residue
    let from = max(from, other.from)
    let until = min(until, other.until)
    guard !isEmpty, !other.isEmpty, difference % divisor == 0 else { return Grid.nothing }
    let step = other.modulus / divisor
    let multiplier = Grid.positive(Grid.positive(difference / divisor, step) * Grid.positive(inverse, step), step)
    // `modulus` is below 2^64 (see below) and `step` below 2^63: nothing here overflows 127 bits.
    let common = modulus * step
    let meeting = residue + modulus * multiplier
    guard common >= Grid.wholeRange else {
      return Grid(modulus: common, residue: meeting, from: from, until: until, isEmpty: false)
    }
    // Wider than the range of instants: at most one common instant is in it. Residues are positive, so it is the
    // residue itself or the one before.
    let low = max(Int128(Int64.min), from)
    let high = min(Int128(Int64.max), until)
    guard let only = [meeting, meeting - common].first(where: { $0 >= low && $0 <= high }) else { return Grid.nothing }
    return Grid(modulus: 1, residue: 0, from: only, until: only, isEmpty: false)
  }

  private static let wholeRange: Int128 = 1 << 64
  private static let nothing = Grid(modulus: 1, residue: 0, from: 0, until: 0, isEmpty: true)

  /// The first instant of the grid at or after `instant`.
  func next(from instant: Instant) -> Instant? {
    guard !isEmpty else { return nil }
    let start = max(Int128(instant.nanoseconds), from)
    let next = start + Grid.positive(residue - start, modulus)
    guard next <= until, let nanoseconds = Int64(exactly: next) else { return nil }
    return Instant(nanoseconds: nanoseconds)
  }

  private static func positive(_ value: Int128, _ modulus: Int128) -> Int128 {
    let remainder = value % modulus
    return remainder < 0 ? remainder + modulus : remainder
  }

  /// The greatest common divisor, and a factor `x` with `x × left ≡ divisor` modulo `right` (Bézout).
  private static func bezout(_ left: Int128, _ right: Int128) -> (divisor: Int128, inverse: Int128) {
    var (remainder, next) = (left, right)
    var (factor, nextFactor): (Int128, Int128) = (1, 0)
    while next != 0 {
      let quotient = remainder / next
      (remainder, next) = (next, remainder - quotient * next)
      (factor, nextFactor) = (nextFactor, factor - quotient * nextFactor)
    }
    return (remainder, factor)
  }
}

extension IntersectionTrigger: Hashable {
  package static func == (left: IntersectionTrigger, right: IntersectionTrigger) -> Bool {
    left === right || left.memberHash == right.memberHash && left.members == right.members
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(memberHash) }
}
