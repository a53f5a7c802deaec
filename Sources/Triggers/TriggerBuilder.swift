internal import Basics
internal import Chronology

/// Makes triggers from what scripts write.
///
/// Every error is one sentence that begins with what was written; the caller puts the place in the script before it.
///
///     try TriggerBuilder.build("cron", [.string("61 3 * * *")], context: context)
///     // cron "61 3 * * *": minute 61 is outside 0-59
package enum TriggerBuilder {
  private static let table: [(name: String, constructor: any TriggerConstructor.Type)] =
    ConstructorName.allCases.map { (name: $0.text, constructor: $0.constructor) }

  /// The names of all constructors, as scripts call them.
  package static let constructors = table.map(\.name)

  /// Whether a constructor of this name makes triggers that depend on files beside its arguments.
  package static func readsFiles(_ constructor: String) -> Bool {
    table.first { $0.name == constructor }?.constructor.readsFiles ?? false
  }

  /// The trigger that calling `constructor` with `arguments` makes.
  package static func build(
    _ constructor: String, _ arguments: [SpecValue], context: TriggerContext
  ) throws(TriggerError) -> BuiltTrigger {
    guard let entry = table.first(where: { $0.name == constructor }) else {
      let near = Spelling.closest(to: constructor, among: constructors, limit: 1).first
      throw TriggerError(
        "there is no trigger called \(constructor)",
        suggestion: near.map { "did you mean \($0)?" } ?? "there are \(constructors.joined(separator: ", "))")
    }
    try context.deadline?.check()
    do throws(TriggerError) {
      return try entry.constructor.build(arguments, in: context)
    } catch {
      throw error.prefixed(call(constructor, arguments))
    }
  }

  /// How a call reads at the head of a message; long ones are cut.
  private static func call(_ constructor: String, _ arguments: [SpecValue]) -> String {
    let written: String
    if arguments.count == 1 {
      written = LuaText.call(constructor, arguments[0].description)
    } else {
      written = "\(constructor)(\(arguments.map(\.description).joined(separator: ", ")))"
    }
    return written.count <= 200 ? written : written.prefix(200) + "…"
  }
}
