public import Chronology

/// Fires at given instants, once each.
package final class DateListTrigger: PlainTriggerKind {
  /// Ascending, without duplicates.
  package let instants: [Instant]
  /// The zone that they are shown in. It has no part in when the trigger fires, nor in what it equals.
  let zone: TimeZoneRules
  /// Whether the zone was written with the trigger, rather than taken from its context.
  let hasOwnZone: Bool

  package init(_ instants: [Instant], zone: TimeZoneRules = .utc, hasOwnZone: Bool = true) {
    self.zone = zone
    self.hasOwnZone = hasOwnZone
    var sorted: [Instant] = []
    sorted.reserveCapacity(instants.count)
    for instant in instants.sorted() where instant != sorted.last { sorted.append(instant) }
    self.instants = sorted
  }

  /// - Complexity: O(log n) in the number of instants.
  package func next(after instant: Instant) -> Instant? {
    var low = 0
    var high = instants.count
    while low < high {
      let middle = (low + high) / 2
      if instants[middle] > instant { high = middle } else { low = middle + 1 }
    }
    return low < instants.count ? instants[low] : nil
  }
}

extension DateListTrigger: Hashable {
  package static func == (left: DateListTrigger, right: DateListTrigger) -> Bool {
    left === right || left.instants == right.instants
  }

  package func hash(into hasher: inout Hasher) { hasher.combine(instants) }
}

extension DateListTrigger {
  package var zones: [TimeZoneRules] { [] }

  /// `at "2027-01-01"`, `at { "…", "…" }`.
  package func lua(_ form: LuaForm) -> String {
    // Equal triggers may have been written in different zones: the complete form is in UTC.
    let times = instants.map { LuaText.quote(form == .complete ? $0.description : shortTime($0)) }
    return times.count == 1 ? "at \(times[0])" : "at { \(times.joined(separator: ", ")) }"
  }

  /// `2027-01-01`, `2027-01-01 09:00` on the clocks of the context; with its offset where those would not do.
  private func shortTime(_ instant: Instant) -> String {
    let civil = zone.civilTime(at: instant)
    guard !hasOwnZone, zone.instant(of: civil) == instant else { return ISO8601.format(instant, in: zone) }
    if civil.secondOfDay == 0, civil.nanosecond == 0 { return civil.date.description }
    let time = civil.description.replacing("T", with: " ")
    return civil.second == 0 && civil.nanosecond == 0 ? String(time.dropLast(3)) : time
  }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? { nil }

  package var explanation: String {
    guard let first = instants.first, let last = instants.last else { return "Never" }
    if instants.count == 1 { return "Once at \(ISO8601.format(first, in: zone))" }
    if instants.count <= 3 {
      return "At \(EnglishText.list(instants.map { ISO8601.format($0, in: zone) }))"
    }
    return "At \(instants.count) times from \(ISO8601.format(first, in: zone)) to \(ISO8601.format(last, in: zone))"
  }
}

extension AnyTrigger {
  /// Fires once at each of these instants.
  public static func at(_ instants: [Instant]) -> AnyTrigger { AnyTrigger(DateListTrigger(instants)) }

  /// The plain list of dates that it is; nil for every other kind.
  package var dateList: DateListTrigger? { kind as? DateListTrigger }
}
