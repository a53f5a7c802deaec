internal import Basics
internal import Chronology

/// Makes triggers from what scripts write.
///
/// One function per constructor of the Lua API, given the arguments as values. Every error is one sentence that begins
/// with what was written; the caller puts the place in the script before it.
///
///     try TriggerBuilder.build("cron", [.string("61 3 * * *")], context: context)
///     // cron "61 3 * * *": minute 61 is outside 0-59
package enum TriggerBuilder {
  private typealias Constructor = @Sendable ([SpecValue], TriggerContext) throws(TriggerError) -> BuiltTrigger

  private static let table: [(name: String, make: Constructor)] = [
    ("cron", cron), ("every", every), ("at", at), ("calendar", calendar), ("any_of", anyOf), ("all_of", allOf),
    ("except", except), ("startup", startup), ("on_calendar", onCalendar),
    ("calendar_of", calendarOf), ("rrule", rrule), ("only", only), ("shift", shift), ("workdays", workdays),
    ("solar", solar), ("lunar", lunar),
  ]

  /// The names of all constructors, as scripts call them.
  package static let constructors = table.map(\.name)

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
      return try entry.make(arguments, context)
    } catch {
      throw error.prefixed(call(constructor, arguments))
    }
  }

  /// The trigger in a `trigger =`, or in a member of a combination: one that was made, or a cron expression, or a
  /// duration.
  package static func trigger(_ value: SpecValue, context: TriggerContext) throws(TriggerError) -> AnyTrigger {
    guard case .trigger(let trigger) = value else {
      throw TriggerError("expected a trigger like cron \"0 3 * * *\" or every \"90s\", not \(value.typeName)")
    }
    return trigger
  }

  /// `{ gap = "shift" | "skip", overlap = "first" | "last" | "both" }`.
  package static func dst(_ value: SpecValue) throws(TriggerError) -> DSTPolicy {
    guard case .table(let fields) = value else {
      throw TriggerError("dst is a table like { gap = \"skip\", overlap = \"both\" }, not \(value.typeName)")
    }
    var options = TriggerOptions(fields)
    var policy = DSTPolicy()
    if let text = try options.takeString("gap") {
      policy.gap = DSTPolicy.Gap(rawValue: text)
      if policy.gap == nil { throw TriggerError("dst.gap is \"shift\" or \"skip\", not \"\(text)\"") }
    }
    if let text = try options.takeString("overlap") {
      policy.overlap = DSTPolicy.Overlap(rawValue: text)
      if policy.overlap == nil { throw TriggerError("dst.overlap is \"first\", \"last\" or \"both\", not \"\(text)\"") }
    }
    try options.finish()
    return policy
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

// MARK: What several constructors share

extension TriggerBuilder {
  /// The table of a constructor that takes one, whose positions are refused.
  static func fields(_ value: SpecValue) throws(TriggerError) -> [SpecValue.Field] {
    switch value {
    case .table(let fields): return fields
    case .list([]): return []
    case .list: throw TriggerError("its fields have names, as in { hours = 1 }")
    default: throw TriggerError("expected a table, not \(value.typeName)")
    }
  }

  /// Splits a table into what stands at positions and the named fields.
  static func positions(_ value: SpecValue) -> (items: [SpecValue], fields: [SpecValue.Field])? {
    switch value {
    case .list(let items):
      return (items, [])
    case .table(let fields):
      let isPosition = { (field: SpecValue.Field) in Int(field.key) != nil }
      let items = fields.filter(isPosition).sorted { (Int($0.key) ?? 0) < (Int($1.key) ?? 0) }
      return (items.map(\.value), fields.filter { !isPosition($0) })
    default:
      return nil
    }
  }

  static func requireArguments(_ arguments: [SpecValue], _ range: ClosedRange<Int>, _ shape: String)
    throws(TriggerError)
  {
    guard range.contains(arguments.count) else {
      throw TriggerError("expected \(shape), not \(arguments.count) arguments")
    }
  }

  /// `startup()`: once at each start of the host.
  @Sendable static func startup(_ arguments: [SpecValue], _ context: TriggerContext) throws(TriggerError)
    -> BuiltTrigger
  {
    guard arguments.allSatisfy({ $0 == .nothing }) else { throw TriggerError("it takes no arguments") }
    return BuiltTrigger(.startup)
  }
}
