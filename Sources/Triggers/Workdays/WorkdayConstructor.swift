internal import Chronology

/// `workdays("2nd", { calendar = calendar_of { … }, hour = 9, minute = 30, … })`.
enum WorkdayConstructor: TriggerConstructor {
  static let name = "workdays"
  static let summary = "on the n-th working day of each month"
  static let example = "workdays(\"2nd\", { hour = 9 })"
  static let parameters = ["day string|integer", "options? moondial.WorkdayOptions"]
  static let editorTypes = """
    ---@class moondial.WorkdayOptions: moondial.TriggerOptions
    ---@field calendar? moondial.Trigger Days that are no working days, as `calendar_of` makes them.
    ---@field hour? integer
    ---@field minute? integer
    ---@field second? integer
    """
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...2, "a day like \"2nd\" or \"last\", and options")
    let number = try workday(arguments[0])
    var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
    var calendar: DayCalendar?
    if let value = options.take("calendar") {
      guard case .trigger(let other) = value, let days = other.kind as? DayCalendar else {
        throw TriggerError(
          "calendar is a calendar, as calendar_of { dates = { \"2026-12-25\" } } makes it, not \(value)")
      }
      calendar = days
    }
    let hour = try options.takeInteger("hour", in: 0...23) ?? 0
    let minute = try options.takeInteger("minute", in: 0...59) ?? 0
    let second = try options.takeInteger("second", in: 0...59) ?? 0
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    let workdays = WorkdayTrigger(
      number, calendar: calendar, secondOfDay: hour * 3600 + minute * 60 + second, zone: common.zone,
      hasOwnZone: common.hasOwnZone, dst: common.dst)
    let endless = AnyTrigger(workdays)
    try context.proveFires(endless, "no month has that many working days")
    let trigger = endless.bounded(from: common.from, until: common.until)
    return BuiltTrigger(trigger, notes: context.notesAboutEnd(of: trigger))
  }

  /// `"2nd"`, `"last"`, `"-3"`, `5`: counted from the month's beginning, or its end when negative.
  private static func workday(_ value: SpecValue) throws(TriggerError) -> Int {
    let number: Int?
    switch value {
    case .integer(let integer): number = Int(exactly: integer)
    case .number(let double): number = Int(exactly: double)
    case .string("last"): number = -1
    case .string("first"): number = 1
    case .string(let text):
      let digits = ["st", "nd", "rd", "th"].contains(text.suffix(2)) ? String(text.dropLast(2)) : text
      number = Int(digits)
    default: number = nil
    }
    guard let number, number != 0 else {
      throw TriggerError(
        "which working day is a text like \"2nd\", \"last\" or \"-3\" (the third to last), not \(value)")
    }
    // The magnitude: the smallest integer has no absolute value among integers.
    guard number.magnitude <= WorkdayTrigger.most else {
      throw TriggerError(
        "no month has \(number.magnitude) working days", suggestion: "write 1 to \(WorkdayTrigger.most), or \"last\"")
    }
    return number
  }
}
