public import Chronology

/// Any trigger, as one concrete value: what definitions and schedules hold.
///
/// One word wide, immutable, cheap to copy and compare; asking it switches over an enum, not over a protocol's witness table.
public struct AnyTrigger: Trigger, Hashable {
  package let kind: Kind

  package init(_ kind: Kind) { self.kind = kind }

  /// The kinds of triggers there are. Each payload is one reference to an immutable object.
  package enum Kind: Sendable, Hashable {
    case every(IntervalTrigger)
    case at(DateListTrigger)
    case anyOf(UnionTrigger)
    /// Fires once at each start of the host, never at an instant.
    case startup
  }

  public func next(after instant: Instant) -> Instant? {
    switch kind {
    case .every(let trigger): trigger.next(after: instant)
    case .at(let trigger): trigger.next(after: instant)
    case .anyOf(let trigger): trigger.next(after: instant)
    case .startup: nil
    }
  }

  /// The first fire time strictly after `instant`; unlike ``next(after:)`` it tells "never" from "not found in the steps
  /// allowed", which only combinations can answer.
  public func nextFire(after instant: Instant) -> NextFire {
    NextFire(next(after: instant))
  }

  /// Whether it also fires once at each start of the host (`@reboot`, `@startup`).
  public var firesAtStart: Bool {
    switch kind {
    case .startup: true
    case .anyOf(let trigger): trigger.members.contains { $0.firesAtStart }
    default: false
    }
  }
}

extension AnyTrigger {
  /// Fires at a fixed rate. Without an anchor it counts from the instant it is asked about, until ``anchored(at:)``.
  public static func every(nanoseconds: Int64, anchor: Instant? = nil) -> AnyTrigger {
    AnyTrigger(.every(IntervalTrigger(nanoseconds: nanoseconds, anchor: anchor)))
  }

  /// Fires once at each of these instants.
  public static func at(_ instants: [Instant]) -> AnyTrigger { AnyTrigger(.at(DateListTrigger(instants))) }

  /// Fires whenever one of these does; once when several do at the same instant.
  public static func anyOf(_ triggers: [AnyTrigger]) -> AnyTrigger {
    triggers.count == 1 ? triggers[0] : AnyTrigger(.anyOf(UnionTrigger(triggers)))
  }

  /// Fires once at each start of the host, never at an instant.
  public static let startup = AnyTrigger(.startup)
}

extension AnyTrigger {
  /// Whether it holds an interval that has no anchor yet, so that a schedule must assign and keep one.
  public var needsAnchor: Bool {
    switch kind {
    case .every(let trigger): trigger.anchor == nil
    case .anyOf(let trigger): trigger.members.contains { $0.needsAnchor }
    case .at, .startup: false
    }
  }

  /// The trigger with `anchor` assigned to the intervals inside it that have no start date.
  public func anchored(at anchor: Instant) -> AnyTrigger {
    switch kind {
    case .every(let trigger): AnyTrigger(.every(trigger.anchored(at: anchor)))
    case .anyOf(let trigger): AnyTrigger(.anyOf(UnionTrigger(trigger.members.map { $0.anchored(at: anchor) })))
    case .at, .startup: self
    }
  }

  /// The interval of a plain `every`, in nanoseconds; `nil` for every other kind.
  public var intervalNanoseconds: Int64? {
    if case .every(let trigger) = kind { trigger.nanoseconds } else { nil }
  }
}
