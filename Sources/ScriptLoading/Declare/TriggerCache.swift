internal import Chronology
internal import JobModel
internal import Lua
internal import Triggers

/// Builds triggers, each different one once: 10,000 jobs with `every = "10s"` share one trigger object.
///
/// Owned by one load of scripts, since the notes of a trigger depend on the present.
struct TriggerCache {
  /// What a trigger depends on, apart from its arguments and a job's name.
  private struct Conditions: Hashable {
    var constructor: String
    var zone: TimeZoneRules
    var dst: DSTPolicy
  }
  private struct Key: Hashable {
    var conditions: Conditions
    var arguments: [SpecValue]
  }
  private var built: [Key: BuiltTrigger] = [:]
  /// Triggers that are one text, by that text, of the conditions asked about last: jobs of a loop differ in the text
  /// alone.
  private var recent: (conditions: Conditions, built: [String: BuiltTrigger])?
  /// The same of other conditions.
  private var others: [Conditions: [String: BuiltTrigger]] = [:]
  /// Trigger values built in the context asked about last, by identity, so that one that is named many times is built
  /// once. (They are kept here: another object may get the number of one that has gone.)
  private var values: [ObjectIdentifier: (specification: TriggerSpecification, built: BuiltTrigger)] = [:]
  private var valuesContext: (conditions: Conditions, jobName: String?)?
  /// Where the innermost specification was made that could not be built, since ``takeFailure()``.
  private var failure: SourceLocation?

  /// The trigger of a specification, its parts first. Notes of the parts come before its own.
  mutating func build(_ specification: TriggerSpecification, in context: TriggerContext) throws(TriggerError)
    -> BuiltTrigger
  {
    do throws(TriggerError) {
      try context.deadline?.check()
      if let complaint = specification.extent.complaint {
        throw TriggerError("\(specification.constructor): \(complaint)")
      }
      if specification.arguments.count == 1, case .string(let text) = specification.arguments[0] {
        return try build(specification.constructor, text: text.text, in: context)
      }
      select(valuesOf: context)
      if let known = values[ObjectIdentifier(specification)] { return known.built }
      let built = try build(specification.constructor, specification.arguments, in: context)
      values[ObjectIdentifier(specification)] = (specification, built)
      return built
    } catch {
      // A part's mistake goes through all that hold it: the first to see it is where it is.
      failure = failure ?? specification.location
      throw error
    }
  }

  /// Where the mistake is that the last `build` threw, in a part or in the whole; `nil` when that is not known. Forgets
  /// it.
  mutating func takeFailure() -> SourceLocation? {
    defer { failure = nil }
    return failure
  }

  /// The trigger that `constructor` makes of one text. One hash of the text when it is known.
  mutating func build(_ constructor: String, text: String, in context: TriggerContext) throws(TriggerError)
    -> BuiltTrigger
  {
    select(Conditions(constructor: constructor, zone: context.zone, dst: context.dst))
    if let known = recent?.built[text] { return known }
    let (result, isShared) = try Self.build(constructor, [.string(text)], in: context)
    if isShared { recent?.built[text] = result }
    return result
  }

  private mutating func select(valuesOf context: TriggerContext) {
    let conditions = Conditions(constructor: "", zone: context.zone, dst: context.dst)
    if let current = valuesContext, current.conditions == conditions, current.jobName == context.jobName { return }
    forgetValues()
    valuesContext = (conditions, context.jobName)
  }

  /// Lets go of trigger values, which belong to one script.
  mutating func forgetValues() {
    if !values.isEmpty { values = [:] }
    valuesContext = nil
  }

  /// Makes `conditions` the recent ones. (Moved about and never copied: nothing else holds a table that is changed.)
  private mutating func select(_ conditions: Conditions) {
    if recent?.conditions == conditions { return }
    if let left = recent.take() { others[left.conditions] = left.built }
    recent = (conditions, others.removeValue(forKey: conditions) ?? [:])
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
    let key = Key(
      conditions: Conditions(constructor: constructor, zone: context.zone, dst: context.dst), arguments: arguments)
    let result: BuiltTrigger
    // Each script that names a file must be seen to do so (``CalendarLibrary``).
    if !TriggerBuilder.readsFiles(constructor), let known = built[key] {
      result = known
    } else {
      let (made, isShared) = try Self.build(constructor, arguments, in: context)
      if isShared { built[key] = made }
      result = made
    }
    return notes.isEmpty ? result : BuiltTrigger(result.trigger, notes: notes + result.notes)
  }

  /// A trigger that needs the job's name (`H` in a cron field) is the job's own; every other one is shared. Which it is
  /// shows by building it without a name: only the former fails.
  private static func build(
    _ constructor: String, _ arguments: [SpecValue], in context: TriggerContext
  ) throws(TriggerError) -> (BuiltTrigger, isShared: Bool) {
    var nameless = context
    nameless.jobName = nil
    do {
      return (
        try TriggerBuilder.build(constructor, arguments, context: nameless), !TriggerBuilder.readsFiles(constructor)
      )
    } catch {
      guard context.jobName != nil else { throw error }
      return (try TriggerBuilder.build(constructor, arguments, context: context), false)
    }
  }
}
