public import Chronology

/// Any trigger, as one concrete value: what definitions and schedules hold.
///
/// One word wide, immutable, cheap to copy and compare; asking it switches over an enum, not over a protocol's witness
/// table.
public struct AnyTrigger: Trigger, Hashable {
  package let kind: Kind

  package init(_ kind: Kind) { self.kind = kind }

  /// The kinds of triggers there are. Each payload is one reference to an immutable object.
  package enum Kind: Sendable, Hashable {
    case cron(CronTrigger)
    case every(IntervalTrigger)
    case at(DateListTrigger)
    case calendar(CalendarTrigger)
    case anyOf(UnionTrigger)
    case allOf(IntersectionTrigger)
    case except(ExceptTrigger)
    case bounded(BoundedTrigger)
    case calendarDays(DayCalendar)
    case dayRule(DayRuleTrigger)
    case recurrence(RecurrenceTrigger)
    case workdays(WorkdayTrigger)
    case solar(SolarTrigger)
    case lunar(LunarTrigger)
    /// Fires once at each start of the host, never at an instant.
    case startup
  }

  /// The first fire time strictly after `instant`, or `nil` when there will never be another. See ``Trigger``.
  public func next(after instant: Instant) -> Instant? {
    switch kind {
    case .cron(let trigger): trigger.next(after: instant)
    case .every(let trigger): trigger.next(after: instant)
    case .at(let trigger): trigger.next(after: instant)
    case .calendar(let trigger): trigger.next(after: instant)
    case .anyOf(let trigger): trigger.next(after: instant)
    case .allOf(let trigger): trigger.next(after: instant)
    case .except(let trigger): trigger.next(after: instant)
    case .bounded(let trigger): trigger.next(after: instant)
    case .calendarDays(let calendar): calendar.next(after: instant)
    case .dayRule(let trigger): trigger.next(after: instant)
    case .recurrence(let trigger): trigger.next(after: instant)
    case .workdays(let trigger): trigger.next(after: instant)
    case .solar(let trigger): trigger.next(after: instant)
    case .lunar(let trigger): trigger.next(after: instant)
    case .startup: nil
    }
  }

  /// The first fire time strictly after `instant`; unlike ``next(after:)`` it tells "never" from "not found in the
  /// steps allowed", which only `all_of` and `except` may answer, after some milliseconds.
  public func nextFire(after instant: Instant) -> NextFire {
    var budget = SearchBudget()
    return nextFire(after: instant, &budget)
  }

  func nextFire(after instant: Instant, _ budget: inout SearchBudget) -> NextFire {
    switch kind {
    case .anyOf(let trigger): return trigger.nextFire(after: instant, &budget)
    case .allOf(let trigger): return trigger.nextFire(after: instant, &budget)
    case .except(let trigger): return trigger.nextFire(after: instant, &budget)
    case .bounded(let trigger): return trigger.nextFire(after: instant, &budget)
    case .dayRule(let trigger): return trigger.nextFire(after: instant, &budget)
    default:
      budget.spend()
      return NextFire(next(after: instant))
    }
  }

  /// The object that it is one reference to; nil for a trigger without one. Triggers with the same object are equal.
  package var identity: ObjectIdentifier? {
    switch kind {
    case .cron(let trigger): ObjectIdentifier(trigger)
    case .every(let trigger): ObjectIdentifier(trigger)
    case .at(let trigger): ObjectIdentifier(trigger)
    case .calendar(let trigger): ObjectIdentifier(trigger)
    case .anyOf(let trigger): ObjectIdentifier(trigger)
    case .allOf(let trigger): ObjectIdentifier(trigger)
    case .except(let trigger): ObjectIdentifier(trigger)
    case .bounded(let trigger): ObjectIdentifier(trigger)
    case .calendarDays(let calendar): ObjectIdentifier(calendar)
    case .dayRule(let trigger): ObjectIdentifier(trigger)
    case .recurrence(let trigger): ObjectIdentifier(trigger)
    case .workdays(let trigger): ObjectIdentifier(trigger)
    case .solar(let trigger): ObjectIdentifier(trigger)
    case .lunar(let trigger): ObjectIdentifier(trigger)
    case .startup: nil
    }
  }

  /// Whether it also fires once at each start of the host (`@reboot`, `@startup`).
  public var firesAtStart: Bool {
    switch kind {
    case .startup: true
    case .anyOf(let trigger): trigger.members.contains { $0.firesAtStart }
    case .bounded(let trigger): trigger.base.firesAtStart
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
  /// Whether it holds an interval or calendar that has no anchor yet, so that a schedule must assign and keep one.
  public var needsAnchor: Bool {
    switch kind {
    case .every(let trigger): trigger.anchor == nil
    case .calendar(let trigger): trigger.anchor == nil
    case .anyOf(let trigger): trigger.members.contains { $0.needsAnchor }
    case .allOf(let trigger): trigger.needsAnchor
    case .except(let trigger): trigger.needsAnchor
    case .bounded(let trigger): trigger.base.needsAnchor
    case .dayRule(let trigger): trigger.base.needsAnchor
    case .cron, .at, .startup, .calendarDays, .recurrence, .workdays, .solar, .lunar: false
    }
  }

  /// The trigger with `anchor` assigned to the intervals and calendars inside it that have no anchor or start date yet.
  public func anchored(at anchor: Instant) -> AnyTrigger {
    switch kind {
    case .every(let trigger): AnyTrigger(.every(trigger.anchored(at: anchor)))
    case .calendar(let trigger): AnyTrigger(.calendar(trigger.anchored(at: anchor)))
    case .anyOf(let trigger): AnyTrigger(.anyOf(UnionTrigger(trigger.members.map { $0.anchored(at: anchor) })))
    case .allOf(let trigger): AnyTrigger(.allOf(IntersectionTrigger(trigger.members.map { $0.anchored(at: anchor) })))
    case .except(let trigger): AnyTrigger(.except(trigger.anchored(at: anchor)))
    case .bounded(let trigger):
      AnyTrigger(.bounded(BoundedTrigger(trigger.base.anchored(at: anchor), from: trigger.from, until: trigger.until)))
    case .dayRule(let trigger): AnyTrigger(.dayRule(trigger.anchored(at: anchor)))
    case .cron, .at, .startup, .calendarDays, .recurrence, .workdays, .solar, .lunar: self
    }
  }

  /// The interval of a plain `every`, in nanoseconds; `nil` for every other kind.
  public var intervalNanoseconds: Int64? {
    if case .every(let trigger) = kind { trigger.nanoseconds } else { nil }
  }

  /// The fires from `from` to `until`, both inclusive. An interval or calendar without an anchor starts at `from`.
  public func bounded(from: Instant?, until: Instant?) -> AnyTrigger {
    if from == nil && until == nil { return self }
    switch kind {
    case .every(let trigger) where trigger.anchor == nil && trigger.until == nil:
      return AnyTrigger(
        .every(
          IntervalTrigger(nanoseconds: trigger.nanoseconds, anchor: from, startsAtAnchor: from != nil, until: until)))
    case .calendar(let trigger) where trigger.anchor == nil && from != nil:
      return AnyTrigger(.calendar(trigger.starting(at: from))).bounded(from: nil, until: until)
    default:
      return AnyTrigger(.bounded(BoundedTrigger(self, from: from, until: until)))
    }
  }

  /// The names of the zones whose clocks it reads, sorted.
  public var zoneNames: [String] {
    var names: Set<String> = []
    collectZones(into: &names)
    return names.sorted()
  }

  private func collectZones(into names: inout Set<String>) {
    switch kind {
    case .cron(let trigger): names.insert(trigger.zone.name)
    case .calendar(let trigger): names.insert(trigger.zone.name)
    case .anyOf(let trigger): for member in trigger.members { member.collectZones(into: &names) }
    case .allOf(let trigger): for member in trigger.members { member.collectZones(into: &names) }
    case .except(let trigger):
      trigger.base.collectZones(into: &names)
      trigger.excluded?.collectZones(into: &names)
    case .bounded(let trigger): trigger.base.collectZones(into: &names)
    case .calendarDays(let calendar): names.insert(calendar.zone.name)
    case .dayRule(let trigger):
      trigger.base.collectZones(into: &names)
      names.insert(trigger.calendar.zone.name)
    case .recurrence(let trigger): names.insert(trigger.zone.name)
    case .workdays(let trigger): names.insert(trigger.zone.name)
    case .every, .at, .startup, .solar, .lunar: break
    }
  }
}
