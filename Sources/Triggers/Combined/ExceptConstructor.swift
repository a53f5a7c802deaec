internal import Chronology

/// `except(trigger, "2026-12-25" or { dates } or trigger)`: without what falls on those days, or coincides.
enum ExceptConstructor: TriggerConstructor {
  static let name = "except"
  static let summary = "when the first trigger does and the others do not, and not on the dates given"
  static let example = #"except(cron "0 9 * * mon-fri", { "2026-12-25", "2026-12-28..2026-12-31" })"#
  static let parameters = ["trigger moondial.Trigger|table", "exceptions? moondial.Trigger|table"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 2...3, "a trigger, and dates or a trigger to leave out, and options")
    let base = try Arguments.trigger(arguments[0])
    if arguments.count == 2, case .trigger(let other) = arguments[1], let calendar = other.kind as? DayCalendar {
      return try DayRuleTrigger.build(base, calendar, .except, context)
    }
    var options = try TriggerOptions(argument: arguments.count > 2 ? arguments[2] : nil)
    var dateContext = context
    // Dates are days on the clocks that the trigger reads.
    if let zone = base.kind.dateZone { dateContext.zone = zone }
    let common = try CommonOptions(&options, context: dateContext)
    try options.finish()
    var stretches: [ExceptTrigger.Stretch] = []
    var excluded: [AnyTrigger] = []
    let items = Arguments.positions(arguments[1])
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
      ExceptTrigger(
        base, stretches: stretches, excluded: excluded.isEmpty ? nil : .anyOf(excluded), zoneOfDates: common.zone)
    ).bounded(from: common.from, until: common.until)
    try context.proveFires(trigger, "what it leaves out is everything")
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
}
