/// `on_calendar("Mon..Fri 09:00", { … })`.
enum OnCalendarConstructor: TriggerConstructor {
  static let name = "on_calendar"
  static let summary = "by a calendar expression of systemd"
  static let example = "on_calendar \"Mon..Fri *-*-* 09:00\""
  static let parameters = ["expression string", "options? moondial.TriggerOptions"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...2, "a calendar event and options")
    guard case .string(let text) = arguments[0] else {
      throw TriggerError(
        "expected a calendar event like \"Mon..Fri 09:00\", not \(arguments[0].typeName)",
        suggestion: "the days of a calendar file are calendar_of { ics = \"holidays.ics\" }, for only, except and shift"
      )
    }
    var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
    return try CronConstructor.finish(OnCalendarParser.parse(text), &options, context, hashName: nil)
  }
}
