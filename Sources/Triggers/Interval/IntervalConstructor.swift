internal import Chronology

/// `every("90s", { … })`, `every(90)` or `every { hours = 1, … }`.
enum IntervalConstructor: TriggerConstructor {
  static let name = "every"
  static let summary = "at a fixed rate"
  static let example = "every \"90s\""
  static let parameters = ["interval moondial.Duration|table", "options? moondial.TriggerOptions"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...2, "a duration or a table, and options")
    var options: TriggerOptions
    let nanoseconds: Int64
    switch arguments[0] {
    case .table, .list:
      guard arguments.count == 1 else {
        throw TriggerError("an every table has its options in the same table", suggestion: "move them into it")
      }
      options = TriggerOptions(try Arguments.fields(arguments[0]))
      nanoseconds = try takeParts(&options)
    default:
      options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
      nanoseconds = try Arguments.duration(arguments[0])
    }
    guard nanoseconds >= 1_000_000 else {
      throw TriggerError("an interval is at least 1 ms, not \(DurationText.format(nanoseconds: nanoseconds))")
    }
    let anchor = try options.takeInstant("anchor", zone: context.zone)
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    if anchor != nil, common.from != nil {
      throw TriggerError("anchor and start_date are both given", suggestion: "keep start_date")
    }
    let trigger = AnyTrigger(
      IntervalTrigger(
        nanoseconds: nanoseconds, anchor: common.from ?? anchor, startsAtAnchor: common.from != nil,
        until: common.until))
    return BuiltTrigger(trigger, notes: context.notesAboutEnd(of: trigger))
  }

  /// The sum of `weeks`, `days`, `hours`, `minutes`, `seconds`, each a number that may have a fraction.
  private static func takeParts(_ options: inout TriggerOptions) throws(TriggerError) -> Int64 {
    let units: [(String, Int64)] = [
      ("weeks", 604_800_000_000_000), ("days", 86_400_000_000_000), ("hours", 3_600_000_000_000),
      ("minutes", 60_000_000_000), ("seconds", 1_000_000_000), ("milliseconds", 1_000_000),
    ]
    var total: Int64 = 0
    var isEmpty = true
    for (key, unit) in units {
      guard let value = options.take(key) else { continue }
      isEmpty = false
      let part: Int64
      switch value {
      case .integer(let count) where count >= 0: part = try Arguments.product(count, unit)
      case .number(let count) where count >= 0: part = try Arguments.product(count, Double(unit))
      default: throw TriggerError("\(key) is a number that is not negative, not \(value)")
      }
      let (sum, overflow) = total.addingReportingOverflow(part)
      guard !overflow else { throw Arguments.tooLong }
      total = sum
    }
    guard !isEmpty else {
      for field in options.remaining where ["month", "months", "year", "years"].contains(field.key) {
        throw TriggerError(
          "\(field.key) have no fixed length", suggestion: "write calendar { \(field.key) = \(field.value) }")
      }
      if !options.remaining.isEmpty { try options.finish() }
      throw TriggerError("it has no length", suggestion: "write { minutes = 5 } or every \"5m\"")
    }
    return total
  }
}
