public import Chronology

/// Any trigger, as one concrete value: what definitions and schedules hold.
///
/// A reference to an immutable object of some kind, cheap to copy and compare. It knows no kind: what differs between
/// them it asks of ``TriggerKind``.
public struct AnyTrigger: Trigger, Hashable {
  package let kind: any TriggerKind

  /// The trigger that is this object.
  package init(_ kind: some TriggerKind) { self.kind = kind }

  /// The first fire time strictly after `instant`, or `nil` when there will never be another. See ``Trigger``.
  public func next(after instant: Instant) -> Instant? { kind.next(after: instant) }

  /// The first fire time strictly after `instant`; unlike ``next(after:)`` it tells "never" from "not found in the
  /// steps allowed", which only `all_of` and `except` may answer, after some milliseconds.
  public func nextFire(after instant: Instant) -> NextFire {
    var budget = SearchBudget()
    return kind.nextFire(after: instant, &budget)
  }

  /// The same as part of a larger search.
  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    kind.nextFire(after: instant, &budget)
  }

  /// The object that it refers to. Triggers with the same object are equal.
  package var identity: ObjectIdentifier { ObjectIdentifier(kind) }

  /// Whether it also fires once at each start of the host (`@reboot`, `@startup`).
  public var firesAtStart: Bool { kind.firesAtStart }

  /// Whether both are of the same kind and fire by the same rule.
  public static func == (left: AnyTrigger, right: AnyTrigger) -> Bool { left.kind.isEqual(to: right.kind) }

  /// Hashes the rule by which it fires.
  public func hash(into hasher: inout Hasher) { kind.hash(into: &hasher) }
}

extension AnyTrigger {
  /// Whether it holds an interval or calendar that has no anchor yet, so that a schedule must assign and keep one.
  public var needsAnchor: Bool { kind.needsAnchor }

  /// The trigger with `anchor` assigned to the intervals and calendars inside it that have no anchor or start date yet.
  public func anchored(at anchor: Instant) -> AnyTrigger { kind.anchored(at: anchor) }

  /// The fires from `from` to `until`, both inclusive. An interval or calendar without an anchor starts at `from`.
  public func bounded(from: Instant?, until: Instant?) -> AnyTrigger {
    if from == nil && until == nil { return self }
    return kind.bounded(from: from, until: until) ?? AnyTrigger(BoundedTrigger(self, from: from, until: until))
  }

  /// The names of the zones whose clocks it reads, sorted.
  public var zoneNames: [String] { Set(kind.zones.map(\.name)).sorted() }
}

extension AnyTrigger: CustomStringConvertible {
  /// The shortest Lua that makes it where it was made: what its context provides (zone, policy, name) is left out.
  public var lua: String { kind.lua(.short) }

  /// The Lua that makes it anywhere: with its zone, policy and name. Equal triggers have equal texts; stores keep it to
  /// tell an edited trigger from an unchanged one.
  public var text: String { kind.lua(.complete) }

  /// When it fires, as an English sentence without a full stop: `At 03:00 every day, Europe/Berlin time`.
  public var description: String { kind.explanation }
}
