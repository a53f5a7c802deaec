internal import Chronology

extension TriggerBuilder {
  /// `calendar_of { dates = { "2026-12-25", "2026-12-28..2026-12-31" }, weekdays = "sat,sun", ics = "holidays.ics" }`.
  @Sendable static func calendarOf(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError)
    -> BuiltTrigger
  {
    try requireArguments(arguments, 1...1, "one table")
    var options = TriggerOptions(try fields(arguments[0]))
    var ranges: [ClosedRange<Int>] = []
    for key in ["dates", "ranges"] {
      guard let value = options.take(key) else { continue }
      for item in positions(value)?.items ?? [value] { ranges.append(try dayRange(item)) }
    }
    var weekdays: UInt64 = 0
    if let value = options.take("weekdays") {
      var texts: [String] = []
      for item in positions(value)?.items ?? [value] {
        guard case .string(let text) = item else {
          throw TriggerError("weekdays are names like \"sat,sun\", not \(item)")
        }
        texts.append(text)
      }
      let text = texts.joined(separator: ",").replacing(" ", with: "").lowercased()
      let parsed = try CronFieldParser.parse(Array(text.utf8), as: .weekday, at: 0, nameHash: nil)
      guard !parsed.days.hasPositions else {
        throw TriggerError("weekdays are names like \"sat,sun\", not \"\(text)\"")
      }
      weekdays = parsed.days.weekdays
    }
    let files = options.take("ics")
    // What a calendar with files prints besides them, so that a change of their days shows in its text.
    _ = try options.takeString("digest")
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    var notes: [TriggerNote] = []
    var events: CalendarEvents?
    if let files { events = try calendarEvents(files, common.zone, context, &notes) }
    guard !ranges.isEmpty || weekdays != 0 || events != nil else {
      throw TriggerError("it has no day", suggestion: "write { dates = { \"2026-12-25\" }, weekdays = \"sat,sun\" }")
    }
    guard weekdays != DaySet.everyWeekday else {
      throw TriggerError("it has every weekday", suggestion: "leave some out")
    }
    let calendar = DayCalendar(
      ranges: ranges, weekdays: weekdays, events: events, zone: common.zone, hasOwnZone: common.hasOwnZone)
    return BuiltTrigger(
      AnyTrigger(.calendarDays(calendar)).bounded(from: common.from, until: common.until), notes: notes)
  }

  /// The days of one calendar file, or of several.
  private static func calendarEvents(
    _ value: SpecValue, _ zone: TimeZoneRules, _ context: TriggerContext, _ notes: inout [TriggerNote]
  ) throws(TriggerError) -> CalendarEvents {
    var paths: [String] = []
    var days = CalendarDays()
    for item in positions(value)?.items ?? [value] {
      guard case .string(let path) = item, !path.isEmpty else {
        throw TriggerError("ics is the path of a calendar file like \"holidays.ics\", not \(item)")
      }
      guard let calendars = context.calendars else {
        throw TriggerError("calendar files can be read in scripts only, while they are loaded")
      }
      let file = try calendars.calendar(at: path, zones: context.zones, deadline: context.deadline)
      do throws(TriggerError) {
        let found = try file.days(in: zone, deadline: context.deadline)
        // One file's days are shared by all that name it.
        if paths.isEmpty { days = found.days } else { days.formUnion(found.days) }
        notes += found.notes(path: path)
      } catch {
        try context.deadline?.check()
        throw TriggerError("\(path):\(error.message)", suggestion: error.suggestion)
      }
      paths.append(path)
    }
    guard !days.isEmpty else { throw TriggerError("there is no event in \(EnglishText.list(paths))") }
    return CalendarEvents(paths: paths, days: days)
  }

  /// `only(trigger, calendar)`: the fires on days of the calendar.
  @Sendable static func only(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try requireArguments(arguments, 2...2, "a trigger and a calendar")
    return try dayRule(arguments, .only, context)
  }

  /// `shift(trigger, calendar, "next" or "previous")`: fires on days of the calendar move to the nearest other day.
  @Sendable static func shift(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger
  {
    try requireArguments(arguments, 3...3, "a trigger, a calendar, and \"next\" or \"previous\"")
    switch arguments[2] {
    case .string("next"): return try dayRule(arguments, .next, context)
    case .string("previous"): return try dayRule(arguments, .previous, context)
    case let other: throw TriggerError("the direction is \"next\" or \"previous\", not \(other)")
    }
  }

  private static func dayRule(
    _ arguments: [SpecValue], _ rule: DayRuleTrigger.Rule, _ context: TriggerContext
  ) throws(TriggerError) -> BuiltTrigger {
    let base = try trigger(arguments[0], context: context)
    guard case .trigger(let other) = arguments[1], case .calendarDays(let calendar) = other.kind else {
      throw TriggerError("expected a calendar, as calendar_of { weekdays = \"sat,sun\" } makes it")
    }
    return try dayRule(base, calendar, rule, context)
  }

  /// Applies a calendar to a trigger, and proves that something is left.
  static func dayRule(
    _ base: AnyTrigger, _ calendar: DayCalendar, _ rule: DayRuleTrigger.Rule, _ context: TriggerContext
  ) throws(TriggerError) -> BuiltTrigger {
    let trigger = AnyTrigger(.dayRule(DayRuleTrigger(base, calendar, rule)))
    try proveFires(trigger, context, "no day is left for it")
    return BuiltTrigger(trigger)
  }

  private static func dayRange(_ value: SpecValue) throws(TriggerError) -> ClosedRange<Int> {
    guard case .string(let text) = value else { throw TriggerError("a date is like \"2026-12-25\", not \(value)") }
    var ends: [Int] = []
    let parts = text.replacing("..", with: " ").split(separator: " ", omittingEmptySubsequences: false)
    for part in parts {
      let time = try TriggerOptions.written(String(part), name: "the date")
      guard !time.hasTimeOfDay else {
        throw TriggerError("\"\(text)\" has a time of day", suggestion: "write a date alone")
      }
      ends.append(time.civil.date.daysSinceEpoch)
    }
    guard let first = ends.first, let last = ends.last, ends.count <= 2 else {
      throw TriggerError("\"\(text)\" is no date", suggestion: "write 2026-12-25 or 2026-12-28..2026-12-31")
    }
    guard first <= last else { throw TriggerError("\"\(text)\" ends before it begins", suggestion: "swap the dates") }
    return first...last
  }
}
