package import Chronology

/// What every kind of trigger answers, beside its fire times: all that ``AnyTrigger`` needs to know about it.
///
/// A kind is one immutable class in a folder of its own. There are no defaults for what only the kind can know, so the
/// compiler asks for whatever a new one has forgotten; ``PlainTriggerKind`` answers some of it for kinds without parts.
package protocol TriggerKind: AnyObject, Trigger, Hashable {
  /// The first fire time strictly after `instant`, found with the steps that are left in `budget`.
  ///
  /// Kinds that search spend a step for each candidate and answer ``NextFire/unknown(searchedTo:)`` when none are left;
  /// kinds that ask others hand the budget on.
  func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire

  /// The zones whose clocks it reads, those of its parts in their order; may repeat.
  var zones: [TimeZoneRules] { get }

  /// The zone in which dates that go with it are read: that of the first part that fires by a clock; nil without one.
  var dateZone: TimeZoneRules? { get }

  /// Whether it, or one of its parts, counts from an anchor and has none yet.
  var needsAnchor: Bool { get }

  /// The trigger with `anchor` assigned wherever an anchor is missing.
  func anchored(at anchor: Instant) -> AnyTrigger

  /// Whether it fires once at each start of the host, at no instant that ``next(after:)`` could tell.
  var firesAtStart: Bool { get }

  /// The fires from `from` to `until`, both inclusive, where the kind keeps these bounds itself; nil leaves them to
  /// ``BoundedTrigger``. At least one of them is given.
  func bounded(from: Instant?, until: Instant?) -> AnyTrigger?

  /// The Lua that makes it.
  func lua(_ form: LuaForm) -> String

  /// The Lua that makes the fires from `from` to `until`, where its constructor takes these bounds as options; nil when
  /// it does not. At least one of them is given.
  func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String?

  /// When it fires, as an English sentence without a full stop.
  var explanation: String { get }

  /// Whether `other` is of the same kind and fires by the same rule.
  func isEqual(to other: any TriggerKind) -> Bool
}

/// How much of the context in which a trigger was made its Lua repeats.
package enum LuaForm: Sendable {
  /// What the context provides (zone, policy, name) is left out: the Lua makes the trigger where it was made.
  case short
  /// With zone, policy and name: the Lua makes the trigger anywhere, and equal triggers have equal texts.
  case complete
}

extension TriggerKind {
  package func isEqual(to other: any TriggerKind) -> Bool {
    if self === other { return true }
    guard let other = other as? Self else { return false }
    return self == other
  }
}

/// A kind without parts that counts from no anchor, keeps no bounds, and answers at once.
package protocol PlainTriggerKind: TriggerKind {}

extension PlainTriggerKind {
  package func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    budget.spend()
    return NextFire(next(after: instant))
  }

  package var dateZone: TimeZoneRules? { zones.first }
  package var needsAnchor: Bool { false }
  package func anchored(at anchor: Instant) -> AnyTrigger { AnyTrigger(self) }
  package var firesAtStart: Bool { false }
  package func bounded(from: Instant?, until: Instant?) -> AnyTrigger? { nil }
}
