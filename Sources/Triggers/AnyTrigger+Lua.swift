internal import Chronology

extension AnyTrigger {
  /// The shortest Lua that makes it where it was made: what its surroundings provide (zone, policy, name) is left out.
  public var lua: String { written(.short) }

  /// The Lua that makes it anywhere: with its zone, policy and name. Equal triggers have equal texts; stores keep it to
  /// tell an edited trigger from an unchanged one.
  public var text: String { written(.complete) }

  private enum Form { case short, complete }

  private func written(_ form: Form) -> String {
    switch kind {
    case .cron(let trigger): trigger.written(options: [], complete: form == .complete)
    case .every(let trigger): trigger.written()
    case .at(let trigger): AnyTrigger.written(trigger, form)
    case .calendar(let trigger): trigger.written(until: nil, complete: form == .complete)
    case .anyOf(let trigger): AnyTrigger.written("any_of", trigger.members, form)
    case .allOf(let trigger): AnyTrigger.written("all_of", trigger.members, form)
    case .except(let trigger): AnyTrigger.written(trigger, form)
    case .bounded(let trigger): AnyTrigger.written(trigger, form)
    case .calendarDays(let calendar): calendar.written(complete: form == .complete)
    case .dayRule(let trigger): AnyTrigger.written(trigger, form)
    case .recurrence(let trigger): trigger.written(until: nil, complete: form == .complete)
    case .workdays(let trigger): trigger.written(options: [], complete: form == .complete)
    case .solar(let trigger): trigger.written(options: [])
    case .lunar(let trigger): trigger.written(options: [])
    case .startup: "startup()"
    }
  }

  private static func written(_ trigger: DateListTrigger, _ form: Form) -> String {
    // Equal triggers may be shown in different zones: the complete form is in UTC.
    let times = trigger.instants.map { instant in
      LuaText.quote(form == .complete ? instant.description : shortTime(instant, trigger))
    }
    return times.count == 1 ? "at \(times[0])" : "at { \(times.joined(separator: ", ")) }"
  }

  /// `2027-01-01`, `2027-01-01 09:00` on the clocks of the surroundings; with its offset where those would not do.
  private static func shortTime(_ instant: Instant, _ trigger: DateListTrigger) -> String {
    let civil = trigger.zone.civilTime(at: instant)
    guard !trigger.hasOwnZone, trigger.zone.instant(of: civil) == instant else {
      return ISO8601.format(instant, in: trigger.zone)
    }
    if civil.secondOfDay == 0, civil.nanosecond == 0 { return civil.date.description }
    let time = civil.description.replacing("T", with: " ")
    return civil.second == 0 && civil.nanosecond == 0 ? String(time.dropLast(3)) : time
  }

  private static func written(
    _ name: String, _ members: [AnyTrigger], _ form: Form, options: [(key: String, literal: String)] = []
  ) -> String {
    let parts = members.map { $0.written(form) } + options.map { "\($0.key) = \($0.literal)" }
    return "\(name) { \(parts.joined(separator: ", ")) }"
  }

  private static func written(_ trigger: ExceptTrigger, _ form: Form) -> String {
    var excluded = trigger.stretches.map { LuaText.quote($0.text) }
    switch trigger.excluded?.kind {
    case nil: break
    case .anyOf(let union)?: excluded += union.members.map { $0.written(form) }
    case .some: excluded += trigger.excluded.map { [$0.written(form)] } ?? []
    }
    let list = excluded.count == 1 ? excluded[0] : "{ \(excluded.joined(separator: ", ")) }"
    var options = ""
    if form == .complete, let zone = trigger.zoneOfDates { options = ", { timezone = \(LuaText.quote(zone.name)) }" }
    return "except(\(trigger.base.written(form)), \(list)\(options))"
  }

  private static func written(_ trigger: DayRuleTrigger, _ form: Form) -> String {
    let parts = "\(trigger.base.written(form)), \(trigger.calendar.written(complete: form == .complete))"
    switch trigger.rule {
    case .only, .except: return "\(trigger.rule.rawValue)(\(parts))"
    case .next, .previous: return "shift(\(parts), \"\(trigger.rule.rawValue)\")"
    }
  }

  private static func written(_ trigger: BoundedTrigger, _ form: Form) -> String {
    let complete = form == .complete
    let bounds = bounds(from: trigger.from, until: trigger.until, zone: trigger.base.firstZone)
    // Combinations have no zone of their own that dates could be read in anywhere.
    let instants = complete ? AnyTrigger.bounds(from: trigger.from, until: trigger.until, zone: nil) : bounds
    switch trigger.base.kind {
    case .cron(let cron):
      return cron.written(options: bounds, complete: complete)
    case .calendar(let calendar) where trigger.from == nil:
      return calendar.written(until: trigger.until, complete: complete)
    case .recurrence(let recurrence) where trigger.from == nil:
      return recurrence.written(until: trigger.until, complete: complete)
    case .workdays(let workdays):
      return workdays.written(options: bounds, complete: complete)
    case .solar(let solar):
      return solar.written(options: bounds)
    case .lunar(let lunar):
      return lunar.written(options: bounds)
    case .anyOf(let union):
      return written("any_of", union.members, form, options: instants)
    case .allOf(let intersection):
      return written("all_of", intersection.members, form, options: instants)
    default:
      return written("any_of", [trigger.base], form, options: instants)
    }
  }

  /// `start_date` and `end_date` as options.
  static func bounds(from: Instant?, until: Instant?, zone: TimeZoneRules?) -> [(key: String, literal: String)] {
    var options: [(key: String, literal: String)] = []
    if let from { options.append(("start_date", LuaText.quote(time(from, zone)))) }
    if let until {
      // A date alone includes its whole day: the instant after it is a midnight.
      let end = time(until.advanced(byNanoseconds: 1), zone)
      let isDay = zone != nil && end.utf8.count == 10
      options.append(("end_date", LuaText.quote(isDay ? day(of: until, zone) : time(until, zone))))
    }
    return options
  }

  /// A date where `zone` has midnight, else the time with its offset.
  private static func time(_ instant: Instant, _ zone: TimeZoneRules?) -> String {
    guard let zone else { return instant.description }
    let civil = zone.civilTime(at: instant)
    let isMidnight = civil.secondOfDay == 0 && civil.nanosecond == 0 && zone.instant(of: civil) == instant
    return isMidnight ? civil.date.description : ISO8601.format(instant, in: zone)
  }

  private static func day(of instant: Instant, _ zone: TimeZoneRules?) -> String {
    (zone ?? .utc).civilTime(at: instant).date.description
  }

  /// `timezone` and `dst` as options.
  static func surroundings(
    zone: TimeZoneRules, hasOwnZone: Bool, dst: DSTPolicy, complete: Bool
  ) -> [(key: String, literal: String)] {
    var options: [(key: String, literal: String)] = []
    if hasOwnZone || complete { options.append(("timezone", LuaText.quote(zone.name))) }
    var policy: [(key: String, literal: String)] = []
    if let gap = dst.gap { policy.append(("gap", LuaText.quote(gap.rawValue))) }
    if let overlap = dst.overlap { policy.append(("overlap", LuaText.quote(overlap.rawValue))) }
    if !policy.isEmpty { options.append(("dst", LuaText.table(policy))) }
    return options
  }
}

extension CronTrigger {
  func written(options bounds: [(key: String, literal: String)], complete: Bool) -> String {
    var options = AnyTrigger.surroundings(zone: zone, hasOwnZone: hasOwnZone, dst: dst, complete: complete)
    if complete, let hashName { options.append(("name", LuaText.quote(hashName))) }
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
}

extension IntervalTrigger {
  func written() -> String {
    var options = AnyTrigger.bounds(from: startsAtAnchor ? anchor : nil, until: until, zone: nil)
    if !startsAtAnchor, let anchor { options.append(("anchor", LuaText.quote(anchor.description))) }
    return LuaText.call("every", LuaText.quote(DurationText.format(nanoseconds: nanoseconds)), options: options)
  }
}

extension CalendarTrigger {
  func written(until: Instant?, complete: Bool) -> String {
    var fields: [(key: String, literal: String)] = []
    let counts = [("years", steps.years), ("months", steps.months), ("weeks", steps.weeks), ("days", steps.days)]
    for (key, count) in counts where count > 0 { fields.append((key, "\(count)")) }
    switch dayRule {
    case .same: break
    case .number(let day): fields.append(("day", "\(day)"))
    case .last: fields.append(("day", "\"last\""))
    }
    let startSecond = startsAtAnchor ? anchor.map { zone.civilTime(at: $0).secondOfDay } : 0
    if secondOfDay != startSecond {
      fields.append(("hour", "\(secondOfDay / 3600)"))
      if secondOfDay % 3600 != 0 { fields.append(("minute", "\(secondOfDay / 60 % 60)")) }
      if secondOfDay % 60 != 0 { fields.append(("second", "\(secondOfDay % 60)")) }
    }
    fields += AnyTrigger.surroundings(zone: zone, hasOwnZone: hasOwnZone, dst: dst, complete: complete)
    fields += AnyTrigger.bounds(from: startsAtAnchor ? anchor : nil, until: until, zone: zone)
    if !startsAtAnchor, let anchor {
      fields.append(("anchor", LuaText.quote(ISO8601.format(anchor, in: zone))))
    }
    return "calendar \(LuaText.table(fields))"
  }
}
