internal import Chronology

extension TriggerBuilder {
  /// `every("90s", { … })`, `every(90)` or `every { hours = 1, … }`.
  @Sendable static func every(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger
  {
    try requireArguments(arguments, 1...2, "a duration or a table, and options")
    var options: TriggerOptions
    let nanoseconds: Int64
    switch arguments[0] {
    case .table, .list:
      guard arguments.count == 1 else {
        throw TriggerError("an every table has its options in the same table", suggestion: "move them into it")
      }
      options = TriggerOptions(try fields(arguments[0]))
      nanoseconds = try takeParts(&options)
    default:
      options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
      nanoseconds = try duration(arguments[0])
    }
    guard nanoseconds >= 1_000_000 else {
      throw TriggerError("an interval is at least 1 ms, not \(DurationText.format(nanoseconds: nanoseconds))")
    }
    let anchor = try options.takeInstant("anchor", zone: context.zone)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    if anchor != nil, common.from != nil {
      throw TriggerError("anchor and start_date are both given", suggestion: "keep start_date")
    }
    let trigger = AnyTrigger(
      .every(
        IntervalTrigger(
          nanoseconds: nanoseconds, anchor: common.from ?? anchor, startsAtAnchor: common.from != nil,
          until: common.until)))
    return BuiltTrigger(trigger, notes: notesAboutEnd(of: trigger, context))
  }

  /// A duration: text like `1h30m`, or a number of seconds.
  package static func duration(_ value: SpecValue) throws(TriggerError) -> Int64 {
    switch value {
    case .string(let text):
      do {
        return try DurationText.parseNanoseconds(text)
      } catch {
        throw TriggerError(error.message, at: error.position..<error.position)
      }
    case .integer(let seconds):
      return try product(seconds, 1_000_000_000)
    case .number(let seconds):
      return try product(seconds, 1e9)
    default:
      throw TriggerError("expected a duration like \"90s\" or a number of seconds, not \(value.typeName)")
    }
  }

  /// The sum of `weeks`, `days`, `hours`, `minutes`, `seconds`, each a number that may have a fraction.
  private static func takeParts(_ options: inout TriggerOptions) throws(TriggerError) -> Int64 {
    let units: [(String, Int64)] = [
      ("weeks", 604_800_000_000_000), ("days", 86_400_000_000_000), ("hours", 3_600_000_000_000),
      ("minutes", 60_000_000_000), ("seconds", 1_000_000_000), ("milliseconds", 1_000_000),
    ]
    var total: Int64 = 0
    var isEmpty = true
    for (key, unit) in units {
      guard let value = options.take(key) else { continue }
      isEmpty = false
      let part: Int64
      switch value {
      case .integer(let count) where count >= 0: part = try product(count, unit)
      case .number(let count) where count >= 0: part = try product(count, Double(unit))
      default: throw TriggerError("\(key) is a number that is not negative, not \(value)")
      }
      let (sum, overflow) = total.addingReportingOverflow(part)
      guard !overflow else { throw tooLong }
      total = sum
    }
    guard !isEmpty else {
      for field in options.remaining where ["month", "months", "year", "years"].contains(field.key) {
        throw TriggerError(
          "\(field.key) have no fixed length", suggestion: "write calendar { \(field.key) = \(field.value) }")
      }
      if !options.remaining.isEmpty { try options.finish() }
      throw TriggerError("it has no length", suggestion: "write { minutes = 5 } or every \"5m\"")
    }
    return total
  }

  private static var tooLong: TriggerError { TriggerError("it is longer than 292 years") }

  private static func product(_ count: Int64, _ unit: Int64) throws(TriggerError) -> Int64 {
    let (product, overflow) = count.multipliedReportingOverflow(by: unit)
    guard !overflow else { throw tooLong }
    return product
  }

  private static func product(_ count: Double, _ unit: Double) throws(TriggerError) -> Int64 {
    guard let product = Int64(exactly: (count * unit).rounded()) else { throw tooLong }
    return product
  }

  /// `at("2027-01-01 00:00", { … })` or `at { "…", "…" }`.
  @Sendable static func at(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try requireArguments(arguments, 1...2, "a time or a list of times, and options")
    var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
    var times = [arguments[0]]
    if let (items, fields) = positions(arguments[0]) {
      guard !items.isEmpty else { throw TriggerError("it lists no time", suggestion: "write at \"2027-01-31 09:00\"") }
      if !fields.isEmpty {
        guard arguments.count == 1 else { throw TriggerError("its options are in two tables", suggestion: "keep one") }
        options = TriggerOptions(fields)
      }
      times = items
    }
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    var instants: [Instant] = []
    var notes: [TriggerNote] = []
    for time in times {
      let instant = try TriggerOptions.instant(time, name: times.count > 1 ? "the time" : nil, zone: common.zone)
      instants.append(instant)
      if let now = context.now, instant <= now {
        notes.append(TriggerNote("\(ISO8601.format(instant, in: common.zone)) is in the past: it will not run then"))
      }
    }
    let list = DateListTrigger(instants, zone: common.zone, hasOwnZone: common.hasOwnZone)
    let trigger = AnyTrigger(.at(list)).bounded(from: common.from, until: common.until)
    return BuiltTrigger(trigger, notes: notes)
  }

  /// `calendar { months = 1, day = "last", hour = 6, … }`.
  @Sendable static func calendar(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError)
    -> BuiltTrigger
  {
    try requireArguments(arguments, 1...1, "one table")
    var options = TriggerOptions(try fields(arguments[0]))
    var steps = CalendarTrigger.Steps()
    let count = 0...10_000
    steps.years = try options.takeInteger("years", in: 0...300) ?? 0
    steps.months = try options.takeInteger("months", in: count) ?? 0
    steps.weeks = try options.takeInteger("weeks", in: count) ?? 0
    steps.days = try options.takeInteger("days", in: 0...100_000) ?? 0
    let dayRule = try takeDayRule(&options, steps)
    let hour = try options.takeInteger("hour", in: 0...23)
    let minute = try options.takeInteger("minute", in: 0...59)
    let second = try options.takeInteger("second", in: 0...59)
    let anchor = try options.takeInstant("anchor", zone: context.zone)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    guard steps.allMonths + steps.allDays > 0 else {
      throw TriggerError("it has no step", suggestion: "write { months = 1 } or { days = 2 }")
    }
    if anchor != nil, common.from != nil {
      throw TriggerError("anchor and start_date are both given", suggestion: "keep start_date")
    }
    var secondOfDay = (hour ?? 0) * 3600 + (minute ?? 0) * 60 + (second ?? 0)
    // Without a time of its own it keeps the start date's.
    if hour == nil, minute == nil, second == nil, let start = common.from {
      secondOfDay = common.zone.civilTime(at: start).secondOfDay
    }
    let trigger = AnyTrigger(
      .calendar(
        CalendarTrigger(
          steps: steps, dayRule: dayRule, secondOfDay: secondOfDay, anchor: common.from ?? anchor,
          startsAtAnchor: common.from != nil, zone: common.zone, hasOwnZone: common.hasOwnZone, dst: common.dst))
    ).bounded(from: nil, until: common.until)
    return BuiltTrigger(trigger, notes: notesAboutEnd(of: trigger, context))
  }

  private static func takeDayRule(
    _ options: inout TriggerOptions, _ steps: CalendarTrigger.Steps
  ) throws(TriggerError) -> CalendarTrigger.DayRule {
    let rule: CalendarTrigger.DayRule
    switch options.take("day") {
    case nil: return .same
    case .integer(let day)? where (1...31).contains(day): rule = .number(Int(day))
    case .string("last")?: rule = .last
    case let other?: throw TriggerError("day is 1-31 or \"last\", not \(other)")
    }
    guard steps.allMonths > 0, steps.allDays == 0 else {
      throw TriggerError("day goes with months or years only", suggestion: "remove day, or weeks and days")
    }
    return rule
  }
}
