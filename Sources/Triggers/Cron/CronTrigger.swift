package import Chronology

/// Fires when the clocks of a zone show a time that a cron expression or a cron table describes.
///
/// The days are in the Gregorian calendar of the zone, seconds are whole. Daylight saving time follows ``DSTPolicy``.
package final class CronTrigger: PlainTriggerKind {
  /// What was written, cleaned up: enough to print it and to tell an edit from a change of layout.
  enum Source: Sendable, Hashable {
    /// Fields separated by one space, in lower case where case does not count.
    case expression(String)
    /// The fields that were given, most significant first.
    case table([TableField])
    /// A calendar event of systemd, without its zone, words separated by one space.
    case onCalendar(String)
  }

  struct TableField: Sendable, Hashable {
    let key: String
    let text: String
  }

  let source: Source
  let fields: CronFields
  /// The zone whose clocks it reads.
  package let zone: TimeZoneRules
  /// The policy as given; what is not given follows from the shape of the schedule.
  package let dst: DSTPolicy
  /// The name that `H` was resolved with, if the expression uses `H`.
  let hashName: String?
  /// Whether the zone was written with the trigger, rather than taken from its context.
  let hasOwnZone: Bool
  private let search: WallClockSearch
  /// Whether the minute or hour field begins with `*`: its rhythm comes from the clock.
  let followsClock: Bool

  init(
    source: Source, fields: CronFields, followsClock: Bool, zone: TimeZoneRules, hasOwnZone: Bool, dst: DSTPolicy,
    hashName: String?
  ) {
    self.source = source
    self.fields = fields
    self.followsClock = followsClock
    self.zone = zone
    self.hasOwnZone = hasOwnZone
    self.dst = dst
    self.hashName = hashName
    search = WallClockSearch(zone: zone, policy: dst.resolved(followsClock: followsClock))
  }

  /// - Complexity: O(1) for most expressions: some tens of nanoseconds; a few steps per year that must be passed over
  ///   for dates that are years apart. Does not allocate.
  package func next(after instant: Instant) -> Instant? {
    search.next(of: fields, after: instant)
  }
}

extension CronTrigger: Hashable {
  package static func == (left: CronTrigger, right: CronTrigger) -> Bool {
    left === right
      || left.source == right.source && left.hashName == right.hashName && left.dst == right.dst
        && left.zone == right.zone
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(source)
    hasher.combine(zone)
    hasher.combine(dst)
  }
}

extension CronTrigger {
  package var zones: [TimeZoneRules] { [zone] }

  /// `cron "0 3 * * *"`, `cron { hour = "3" }`, `on_calendar "Mon 09:00"`: as it was written.
  package func lua(_ form: LuaForm) -> String { lua(form, bounds: []) }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    lua(form, bounds: WrittenOptions.bounds(from: from, until: until, zone: zone))
  }

  private func lua(_ form: LuaForm, bounds: [(key: String, literal: String)]) -> String {
    var options = WrittenOptions.clock(zone: zone, hasOwnZone: hasOwnZone, dst: dst, form)
    if form == .complete, let hashName { options.append(("name", LuaText.quote(hashName))) }
    options += bounds
    switch source {
    case .expression(let text):
      return LuaText.call("cron", LuaText.quote(text), options: options)
    case .onCalendar(let text):
      return LuaText.call("on_calendar", LuaText.quote(text), options: options)
    case .table(let fields):
      let written = fields.map { field in
        // A plain number needs no quotes, as long as it reads back as itself.
        (key: field.key, literal: Int(field.text).map { "\($0)" } ?? LuaText.quote(field.text))
      }
      return "cron \(LuaText.table(written + options))"
    }
  }

  package var explanation: String { CronExplanation(fields).text + EnglishText.clock(zone, dst) }
}
