internal import Chronology

/// `calendar_of { dates = { "2026-12-25", "2026-12-28..2026-12-31" }, weekdays = "sat,sun", ics = "holidays.ics" }`.
enum CalendarOfConstructor: TriggerConstructor {
  static let name = "calendar_of"
  static let summary = "when a day of the calendar begins; mostly it is a part of other triggers"
  static let example = #"calendar_of { dates = { "2026-12-25" }, weekdays = "sat,sun" }"#
  static let parameters = ["days moondial.CalendarTable"]
  static let editorTypes = """
    ---The days of a calendar.
    ---@class (exact) moondial.CalendarTable
    ---@field dates? string|string[] Like "2026-12-25" and "2026-12-28..2026-12-31".
    ---@field ranges? string|string[] The same as `dates`.
    ---@field weekdays? string|string[] Like "sat,sun".
    ---@field ics? string|string[] Calendar files: paths below the scripts directory, or absolute ones.
    ---@field timezone? string
    ---@field dst? table
    ---@field start_date? moondial.Time
    ---@field end_date? moondial.Time
    """
  static let readsFiles = true

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...1, "one table")
    if case .string(let text) = arguments[0] {
      let fields = text.lowercased().hasSuffix(".ics") ? "ics = \"\(text)\"" : "dates = { \"2026-12-25\" }"
      throw TriggerError("expected a table, not a string", suggestion: "write calendar_of { \(fields) }")
    }
    var options = TriggerOptions(try Arguments.fields(arguments[0]))
    var ranges: [ClosedRange<Int>] = []
    for key in ["dates", "ranges"] {
      guard let value = options.take(key) else { continue }
      for item in Arguments.positions(value)?.items ?? [value] { ranges.append(try dayRange(item)) }
    }
    var weekdays: UInt64 = 0
    if let value = options.take("weekdays") {
      var texts: [String] = []
      for item in Arguments.positions(value)?.items ?? [value] {
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
      AnyTrigger(calendar).bounded(from: common.from, until: common.until), notes: notes)
  }

  /// The days of one calendar file, or of several.
  private static func calendarEvents(
    _ value: SpecValue, _ zone: TimeZoneRules, _ context: TriggerContext, _ notes: inout [TriggerNote]
  ) throws(TriggerError) -> CalendarEvents {
    var paths: [String] = []
    var days = CalendarDays()
    for item in Arguments.positions(value)?.items ?? [value] {
      guard case .string(let path) = item, !path.isEmpty else {
        throw TriggerError("ics is the path of a calendar file like \"holidays.ics\", not \(item)")
      }
      guard let calendars = context.calendars else {
        throw TriggerError("calendar files can be read in scripts only, while they are loaded")
      }
      let found = try calendars.days(at: path, in: zone, zones: context.zones, deadline: context.deadline)
      // One file's days are shared by all that name it.
      if paths.isEmpty { days = found.days } else { days.formUnion(found.days) }
      notes += found.notes
      paths.append(path)
    }
    guard !days.isEmpty else { throw TriggerError("there is no event in \(EnglishText.list(paths))") }
    return CalendarEvents(paths: paths, days: days)
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
