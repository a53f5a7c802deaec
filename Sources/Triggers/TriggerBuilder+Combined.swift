internal import Chronology

extension TriggerBuilder {
  /// `any_of { cron "…", every "…" }`: whenever one of them fires.
  @Sendable static func anyOf(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger
  {
    let (members, common) = try members(arguments, context)
    return BuiltTrigger(AnyTrigger.anyOf(members).bounded(from: common.from, until: common.until))
  }

  /// `all_of { cron "…", cron "…" }`: at the instants that all of them share.
  @Sendable static func allOf(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger
  {
    let (members, common) = try members(arguments, context)
    if members.contains(where: \.firesAtStart) {
      throw TriggerError("a start of the host is no instant that another trigger can share", suggestion: "use any_of")
    }
    let trigger = AnyTrigger(.allOf(IntersectionTrigger(members))).bounded(from: common.from, until: common.until)
    try proveFires(trigger, context, "its triggers share no instant")
    return BuiltTrigger(trigger)
  }

  /// `except(trigger, "2026-12-25" or { dates } or trigger)`: without what falls on those days, or coincides.
  @Sendable static func except(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger
  {
    try requireArguments(arguments, 2...3, "a trigger, and dates or a trigger to leave out, and options")
    let base = try trigger(arguments[0], context: context)
    if arguments.count == 2, case .trigger(let other) = arguments[1], case .calendarDays(let calendar) = other.kind {
      return try dayRule(base, calendar, .except, context)
    }
    var options = try TriggerOptions(argument: arguments.count > 2 ? arguments[2] : nil)
    var dateContext = context
    // Dates are days on the clocks that the trigger reads.
    if let zone = base.firstZone { dateContext.zone = zone }
    let common = try CommonOptions(&options, context: dateContext)
    try options.finish()
    var stretches: [ExceptTrigger.Stretch] = []
    var excluded: [AnyTrigger] = []
    let items = positions(arguments[1])
    if let items, !items.fields.isEmpty {
      throw TriggerError("dates to leave out have no names", suggestion: "write { \"2026-12-25\", \"2027-01-01\" }")
    }
    for item in items?.items ?? [arguments[1]] {
      if case .trigger(let trigger) = item {
        excluded.append(trigger)
      } else {
        stretches.append(try stretch(item, zone: common.zone))
      }
    }
    guard !stretches.isEmpty || !excluded.isEmpty else { throw TriggerError("it leaves nothing out") }
    let trigger = AnyTrigger(
      .except(
        ExceptTrigger(
          base, stretches: stretches, excluded: excluded.isEmpty ? nil : .anyOf(excluded), zoneOfDates: common.zone))
    ).bounded(from: common.from, until: common.until)
    try proveFires(trigger, context, "what it leaves out is everything")
    return BuiltTrigger(trigger)
  }

  /// A date is its whole day, `a..b` are all days from a to b, a time is that instant.
  private static func stretch(_ value: SpecValue, zone: TimeZoneRules) throws(TriggerError) -> ExceptTrigger.Stretch {
    guard case .string(let text) = value else {
      let instant = try TriggerOptions.instant(value, name: "the date", zone: zone)
      return ExceptTrigger.Stretch(
        start: instant, end: instant.advanced(byNanoseconds: 1), text: ISO8601.format(instant, in: zone))
    }
    if let dots = text.firstRange(of: "..") {
      let first = try TriggerOptions.written(String(text[..<dots.lowerBound]), name: "the date")
      let last = try TriggerOptions.written(String(text[dots.upperBound...]), name: "the date")
      let end = last.hasTimeOfDay ? last.instant(in: zone).advanced(byNanoseconds: 1) : last.endOfDay(in: zone)
      guard first.instant(in: zone) < end else {
        throw TriggerError("\"\(text)\" ends before it begins", suggestion: "swap the dates")
      }
      return ExceptTrigger.Stretch(start: first.instant(in: zone), end: end, text: text)
    }
    let time = try TriggerOptions.written(text, name: "the date")
    let start = time.instant(in: zone)
    return ExceptTrigger.Stretch(
      start: start, end: time.hasTimeOfDay ? start.advanced(byNanoseconds: 1) : time.endOfDay(in: zone), text: text)
  }

  private static func members(
    _ arguments: [SpecValue], _ context: TriggerContext
  ) throws(TriggerError) -> ([AnyTrigger], CommonOptions) {
    guard let first = arguments.first, let (items, fields) = positions(first), arguments.count == 1 else {
      throw TriggerError("expected one table of triggers, as in { cron \"0 3 * * *\", every \"90s\" }")
    }
    guard !items.isEmpty else { throw TriggerError("it holds no trigger") }
    guard items.count <= 1000 else { throw TriggerError("it holds \(items.count) triggers; at most 1000 are allowed") }
    var options = TriggerOptions(fields)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    var members: [AnyTrigger] = []
    for item in items { members.append(try trigger(item, context: context)) }
    return (members, common)
  }

  /// Refuses a combination that has no fire time within the reach of a search from now.
  static func proveFires(
    _ trigger: AnyTrigger, _ context: TriggerContext, _ reason: String
  ) throws(TriggerError) {
    guard let now = context.now else { return }
    switch trigger.nextFire(after: now) {
    case .at: return
    case .never: throw TriggerError("it never fires: \(reason)")
    case .unknown(let searched):
      throw TriggerError(
        "no fire time was found up to \(ISO8601.format(searched, in: context.zone)): \(reason)",
        suggestion: "check its parts with moondial next")
    }
  }
}

extension AnyTrigger {
  /// The zone of the first part that reads a clock.
  var firstZone: TimeZoneRules? {
    switch kind {
    case .cron(let trigger): trigger.zone
    case .calendar(let trigger): trigger.zone
    case .anyOf(let trigger): trigger.members.lazy.compactMap(\.firstZone).first
    case .allOf(let trigger): trigger.members.lazy.compactMap(\.firstZone).first
    case .except(let trigger): trigger.base.firstZone
    case .bounded(let trigger): trigger.base.firstZone
    case .calendarDays(let calendar): calendar.zone
    case .dayRule(let trigger): trigger.base.firstZone
    case .recurrence(let trigger): trigger.zone
    case .workdays(let trigger): trigger.zone
    case .every, .at, .startup, .solar, .lunar: nil
    }
  }
}
