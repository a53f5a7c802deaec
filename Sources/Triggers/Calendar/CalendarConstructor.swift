internal import Chronology

/// `calendar { months = 1, day = "last", hour = 6, … }`.
enum CalendarConstructor: TriggerConstructor {
  static let name = "calendar"
  static let summary = "after whole months, weeks or days on the calendar"
  static let example = "calendar { months = 1, hour = 6 }"
  static let parameters = ["fields table"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...1, "one table")
    var options = TriggerOptions(try Arguments.fields(arguments[0]))
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
      CalendarTrigger(
        steps: steps, dayRule: dayRule, secondOfDay: secondOfDay, anchor: common.from ?? anchor,
        startsAtAnchor: common.from != nil, zone: common.zone, hasOwnZone: common.hasOwnZone, dst: common.dst)
    ).bounded(from: nil, until: common.until)
    return BuiltTrigger(trigger, notes: context.notesAboutEnd(of: trigger))
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
