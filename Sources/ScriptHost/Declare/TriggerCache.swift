internal import Chronology
internal import Lua
internal import Triggers

/// Builds triggers, each different one once: 10,000 jobs with `every = "10s"` share one trigger object.
///
/// Owned by one load of scripts, since the notes of a trigger depend on the present.
struct TriggerCache {
  /// What a trigger depends on, apart from a job's name.
  private struct Key: Hashable {
    var constructor: String
    var arguments: [SpecValue]
    var zone: TimeZoneRules
    var dst: DSTPolicy
  }
  private var built: [Key: BuiltTrigger] = [:]

  /// The trigger of a recipe, its parts first. Notes of the parts come before its own.
  mutating func build(_ recipe: TriggerRecipe, in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try build(recipe.constructor, recipe.arguments, in: context)
  }

  /// The trigger that `constructor` makes of Lua values.
  mutating func build(
    _ constructor: String, _ values: [LuaValue], in context: TriggerContext
  ) throws(TriggerError) -> BuiltTrigger {
    var notes: [TriggerNote] = []
    var arguments: [SpecValue] = []
    arguments.reserveCapacity(values.count)
    for value in values {
      arguments.append(
        try SpecValue(value) { (part) throws(TriggerError) in
          let inner = try self.build(part, in: context)
          notes += inner.notes
          return inner.trigger
        })
    }
    let result = try build(constructor, arguments, in: context)
    return notes.isEmpty ? result : BuiltTrigger(result.trigger, notes: notes + result.notes)
  }

  /// A trigger that needs the job's name (`H` in a cron field) is the job's own; every other one is shared. Which it is shows by
  /// building it without a name: only the former fails.
  private mutating func build(
    _ constructor: String, _ arguments: [SpecValue], in context: TriggerContext
  ) throws(TriggerError) -> BuiltTrigger {
    let key = Key(constructor: constructor, arguments: arguments, zone: context.zone, dst: context.dst)
    // Each script that names a calendar file must be seen to do so (``CalendarLibrary``).
    let readsFiles = constructor == "calendar_of"
    if !readsFiles, let known = built[key] { return known }
    var nameless = context
    nameless.jobName = nil
    do {
      let result = try TriggerBuilder.build(constructor, arguments, context: nameless)
      built[key] = result
      return result
    } catch {
      guard context.jobName != nil else { throw error }
      return try TriggerBuilder.build(constructor, arguments, context: context)
    }
  }
}
