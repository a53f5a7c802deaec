internal import Chronology

/// `lunar("full", { offset = "-1d" })`.
enum LunarConstructor: TriggerConstructor {
  static let name = "lunar"
  static let summary = "by the moon"
  static let example = "lunar \"full\""
  static let parameters = [
    "phase \"new\"|\"first_quarter\"|\"full\"|\"last_quarter\"",
    "options? moondial.LunarOptions",
  ]
  static let editorTypes = """
    ---@class moondial.LunarOptions: moondial.TriggerOptions
    ---@field offset? moondial.Duration Negative is before the phase.
    """
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...2, "a phase, and options")
    let phase: LunarTrigger.Phase = try Arguments.word(arguments[0], of: "the phase")
    var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
    let offset = try Sky.takeOffset(&options)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    let trigger = LunarTrigger(phase, offset: offset)
    return BuiltTrigger(AnyTrigger(trigger).bounded(from: common.from, until: common.until))
  }
}
