internal import Chronology

/// `cron("0 3 * * *", { … })` or `cron { hour = 3, … }`.
enum CronConstructor: TriggerConstructor {
  static let name = "cron"
  static let summary = "by a cron expression or a table of fields"
  static let example = "cron \"0 3 * * mon-fri\""
  static let parameters = ["expression string|moondial.CronTable", "options? moondial.TriggerOptions"]
  static let editorTypes = """
    ---Fields of a cron table. What is left out above the smallest field given is "every"; what is below it is its first value.
    ---@class (exact) moondial.CronTable
    ---@field second? string|integer
    ---@field minute? string|integer
    ---@field hour? string|integer
    ---@field day? string|integer
    ---@field month? string|integer
    ---@field day_of_week? string|integer
    ---@field week? string|integer
    ---@field year? string|integer
    ---@field timezone? string
    ---@field dst? table
    ---@field start_date? moondial.Time
    ---@field end_date? moondial.Time
    """
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...2, "a cron expression or a table of fields, and options")
    switch arguments[0] {
    case .string(let text):
      var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
      let name = try options.takeString("name") ?? context.jobName
      let parsed = try CronParser.parse(text, jobName: name)
      return try finish(parsed, &options, context, hashName: name)
    case .table(let fields):
      guard arguments.count == 1 else {
        throw TriggerError("a cron table has its options in the same table", suggestion: "move them into it")
      }
      var options = TriggerOptions(fields)
      let name = try options.takeString("name") ?? context.jobName
      let parsed = try CronTable.parse(&options, jobName: name)
      return try finish(parsed, &options, context, hashName: name)
    case let other:
      throw TriggerError(
        "expected a cron expression like \"0 3 * * *\" or a table like { hour = 3 }, not \(other.typeName)")
    }
  }

  /// Puts what an expression says together with its options.
  static func finish(
    _ parsed: CronParser.Result, _ options: inout TriggerOptions, _ context: TriggerContext, hashName: String?
  ) throws(TriggerError) -> BuiltTrigger {
    let common = try CommonOptions(&options, context: context, prefixZone: parsed.zoneName)
    try options.finish()
    if parsed.isStartup { return BuiltTrigger(AnyTrigger.startup.bounded(from: common.from, until: common.until)) }
    let trigger = CronTrigger(
      source: parsed.source, fields: parsed.fields, followsClock: parsed.followsClock, zone: common.zone,
      hasOwnZone: common.hasOwnZone, dst: common.dst, hashName: parsed.usesHash ? hashName : nil)
    let bounded = AnyTrigger(trigger).bounded(from: common.from, until: common.until)
    return BuiltTrigger(bounded, notes: parsed.notes + context.notesAboutEnd(of: bounded))
  }
}
