/// `only(trigger, calendar)`: the fires on days of the calendar.
enum OnlyConstructor: TriggerConstructor {
  static let name = "only"
  static let summary = "when the trigger does on a day of the calendar"
  static let example = #"only(every "2h", calendar_of { weekdays = "mon-fri" })"#
  static let parameters = ["trigger moondial.Trigger", "calendar moondial.Trigger"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 2...2, "a trigger and a calendar")
    return try DayRuleTrigger.build(arguments, .only, context)
  }
}

/// `shift(trigger, calendar, "next" or "previous")`: fires on days of the calendar move to the nearest other day.
enum ShiftConstructor: TriggerConstructor {
  static let name = "shift"
  static let summary = "when the trigger does; fires on days of the calendar move to the next or previous other day"
  static let example = #"shift(cron "0 9 1 * *", calendar_of { weekdays = "sat,sun" }, "next")"#
  static let parameters = [
    "trigger moondial.Trigger",
    "calendar moondial.Trigger",
    "direction \"next\"|\"previous\"",
  ]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 3...3, "a trigger, a calendar, and \"next\" or \"previous\"")
    switch arguments[2] {
    case .string("next"): return try DayRuleTrigger.build(arguments, .next, context)
    case .string("previous"): return try DayRuleTrigger.build(arguments, .previous, context)
    case let other: throw TriggerError("the direction is \"next\" or \"previous\", not \(other)")
    }
  }
}

extension DayRuleTrigger {
  fileprivate static func build(
    _ arguments: [SpecValue], _ rule: Rule, _ context: TriggerContext
  ) throws(TriggerError) -> BuiltTrigger {
    let base = try Arguments.trigger(arguments[0])
    guard case .trigger(let other) = arguments[1], let calendar = other.kind as? DayCalendar else {
      throw TriggerError("expected a calendar, as calendar_of { weekdays = \"sat,sun\" } makes it")
    }
    return try build(base, calendar, rule, context)
  }

  /// Applies a calendar to a trigger, and proves that something is left.
  static func build(
    _ base: AnyTrigger, _ calendar: DayCalendar, _ rule: Rule, _ context: TriggerContext
  ) throws(TriggerError) -> BuiltTrigger {
    let trigger = AnyTrigger(DayRuleTrigger(base, calendar, rule))
    try context.proveFires(trigger, "no day is left for it")
    return BuiltTrigger(trigger)
  }
}
