/// `any_of { cron "…", every "…" }`: whenever one of them fires.
enum AnyOfConstructor: TriggerConstructor {
  static let name = "any_of"
  static let summary = "whenever one of its triggers does"
  static let example = #"any_of { cron "0 3 * * *", every "6h" }"#
  static let parameters = ["triggers moondial.Trigger[]"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    let (members, common) = try CombinedArguments.members(arguments, context)
    return BuiltTrigger(AnyTrigger.anyOf(members).bounded(from: common.from, until: common.until))
  }
}

/// `all_of { cron "…", cron "…" }`: at the instants that all of them share.
enum AllOfConstructor: TriggerConstructor {
  static let name = "all_of"
  static let summary = "when all of its triggers do at the same instant"
  static let example = #"all_of { cron "0 0 13 * *", cron "0 0 * * fri" }"#
  static let parameters = ["triggers moondial.Trigger[]"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    let (members, common) = try CombinedArguments.members(arguments, context)
    if members.contains(where: \.firesAtStart) {
      throw TriggerError("a start of the host is no instant that another trigger can share", suggestion: "use any_of")
    }
    let trigger = AnyTrigger(IntersectionTrigger(members)).bounded(from: common.from, until: common.until)
    try context.proveFires(trigger, "its triggers share no instant")
    return BuiltTrigger(trigger)
  }
}

/// What both take.
private enum CombinedArguments {
  static func members(
    _ arguments: [SpecValue], _ context: TriggerContext
  ) throws(TriggerError) -> ([AnyTrigger], CommonOptions) {
    guard let first = arguments.first, let (items, fields) = Arguments.positions(first), arguments.count == 1 else {
      throw TriggerError("expected one table of triggers, as in { cron \"0 3 * * *\", every \"90s\" }")
    }
    guard !items.isEmpty else { throw TriggerError("it holds no trigger") }
    guard items.count <= 1000 else { throw TriggerError("it holds \(items.count) triggers; at most 1000 are allowed") }
    var options = TriggerOptions(fields)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    var members: [AnyTrigger] = []
    for item in items { members.append(try Arguments.trigger(item)) }
    return (members, common)
  }
}
