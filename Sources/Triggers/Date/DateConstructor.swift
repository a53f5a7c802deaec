internal import Chronology

/// `at("2027-01-01 00:00", { … })` or `at { "…", "…" }`.
enum DateConstructor: TriggerConstructor {
  static let name = "at"
  static let summary = "once at a time, or at each of several"
  static let example = "at \"2027-01-31 09:00\""
  static let parameters = ["time moondial.Time|moondial.Time[]", "options? moondial.TriggerOptions"]
  static let editorTypes = ""
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...2, "a time or a list of times, and options")
    var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
    var times = [arguments[0]]
    if let (items, fields) = Arguments.positions(arguments[0]) {
      guard !items.isEmpty else { throw TriggerError("it lists no time", suggestion: "write at \"2027-01-31 09:00\"") }
      if !fields.isEmpty {
        guard arguments.count == 1 else { throw TriggerError("its options are in two tables", suggestion: "keep one") }
        options = TriggerOptions(fields)
      }
      times = items
    }
    let common = try CommonOptions(&options, context: context)
    try options.finish()
    var instants: [Instant] = []
    var notes: [TriggerNote] = []
    for time in times {
      let instant = try TriggerOptions.instant(time, name: times.count > 1 ? "the time" : nil, zone: common.zone)
      instants.append(instant)
      if let now = context.now, instant <= now {
        notes.append(TriggerNote("\(ISO8601.format(instant, in: common.zone)) is in the past: it will not run then"))
      }
    }
    let list = DateListTrigger(instants, zone: common.zone, hasOwnZone: common.hasOwnZone)
    let trigger = AnyTrigger(list).bounded(from: common.from, until: common.until)
    return BuiltTrigger(trigger, notes: notes)
  }
}
