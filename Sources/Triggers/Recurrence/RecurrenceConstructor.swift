internal import Chronology

/// `rrule("FREQ=MONTHLY;BYDAY=-1FR", { start_date = "2026-01-01 09:00", rdate = { … }, exdate = { … } })`, or several
/// rules as a list or as a text of lines, and `rrule { "FREQ=…", start_date = … }`.
enum RecurrenceConstructor: TriggerConstructor {
  static let name = "rrule"
  static let summary = "by recurrence rules of iCalendar"
  static let example = #"rrule("FREQ=MONTHLY;BYDAY=-1FR", { start_date = "2026-01-01 09:00" })"#
  static let parameters = ["rules string|table", "options? moondial.RecurrenceOptions"]
  static let editorTypes = """
    ---What `rrule` takes besides its rules. `start_date` is iCalendar's DTSTART.
    ---@class moondial.RecurrenceOptions: moondial.TriggerOptions
    ---@field rdate? moondial.Time|moondial.Time[] Further times.
    ---@field exdate? moondial.Time|moondial.Time[] Times, or whole days, that are left out.
    """
  static let readsFiles = false

  static func build(_ arguments: [SpecValue], in context: TriggerContext) throws(TriggerError) -> BuiltTrigger {
    try Arguments.require(arguments, 1...2, "a recurrence rule or a list of rules, and options")
    var options = try TriggerOptions(argument: arguments.count > 1 ? arguments[1] : nil)
    var texts = [arguments[0]]
    if let (items, fields) = Arguments.positions(arguments[0]) {
      if !fields.isEmpty {
        guard arguments.count == 1 else { throw TriggerError("its options are in two tables", suggestion: "keep one") }
        options = TriggerOptions(fields)
      }
      texts = items
    }
    var written = RecurrenceText()
    for text in texts {
      guard case .string(let text) = text else {
        throw TriggerError("expected a rule like \"FREQ=WEEKLY;BYDAY=MO\", not \(text.typeName)")
      }
      try written.read(text)
    }
    guard written.rules.count <= mostRules else {
      throw TriggerError("it has \(written.rules.count) rules; at most \(mostRules) are allowed")
    }
    guard !written.rules.isEmpty else {
      throw TriggerError(
        "it has no rule", suggestion: "write one like \"FREQ=WEEKLY;BYDAY=MO\", or use at for single times")
    }
    let startDate = options.take("start_date")
    let (added, removed) = (options.take("rdate"), options.take("exdate"))
    let common = try CommonOptions(&options, context: context, prefixZone: written.zoneName)
    try options.finish()
    var local = LocalTimes(zone: common.zone)
    try local.takeStart(startDate, written.start, written.rules)
    for time in written.added { try local.add(time) }
    for time in written.removed { local.remove(time) }
    for item in list(added) { try local.add(item) }
    for item in list(removed) { try local.remove(item) }
    if let start = local.start, let until = common.until,
      until < common.zone.instant(of: CivilDateTime(localSeconds: start))
    {
      throw TriggerError("end_date is before start_date", suggestion: "swap them")
    }
    let recurrence = try RecurrenceTrigger(
      rules: written.rules, start: local.start, added: local.added, removed: local.removed,
      removedDays: local.removedDays, zone: common.zone, hasOwnZone: common.hasOwnZone, dst: common.dst,
      deadline: context.deadline)
    let trigger = AnyTrigger(recurrence).bounded(from: nil, until: common.until)
    guard trigger.next(after: .distantPast) != nil else {
      throw TriggerError("it never fires: its end is before its first time, or all times are left out")
    }
    return BuiltTrigger(trigger, notes: context.notesAboutEnd(of: trigger))
  }

  /// The most rules of one `rrule`: each is asked for every fire.
  private static var mostRules: Int { 100 }

  private static func list(_ value: SpecValue?) -> [SpecValue] {
    guard let value else { return [] }
    return Arguments.positions(value)?.items ?? [value]
  }

  /// Times as a recurrence counts them: on the clocks of its zone.
  private struct LocalTimes {
    let zone: TimeZoneRules
    private(set) var start: Int?
    private(set) var added: [Int] = []
    private(set) var removed: [Int] = []
    private(set) var removedDays: [Int] = []

    init(zone: TimeZoneRules) { self.zone = zone }

    mutating func takeStart(
      _ option: SpecValue?, _ line: CalendarTime?, _ rules: [RecurrenceRule]
    ) throws(TriggerError) {
      if let option {
        guard line == nil else {
          throw TriggerError("DTSTART and start_date are both given", suggestion: "keep one")
        }
        start = try second(option, "start_date").local
      } else if let line {
        start = second(line)
      } else {
        for rule in rules {
          if let need = rule.needOfStart {
            throw TriggerError("it needs a start: \(need)", suggestion: "add { start_date = \"2027-01-31 09:00\" }")
          }
        }
      }
    }

    mutating func add(_ time: CalendarTime) throws(TriggerError) {
      added.append(time.secondOfDay == nil ? time.local + timeOfDay : second(time))
    }

    mutating func add(_ value: SpecValue) throws(TriggerError) {
      let time = try second(value, "rdate")
      // A date alone is that day at the usual time.
      added.append(time.isDay ? time.local + timeOfDay : time.local)
    }

    mutating func remove(_ time: CalendarTime) {
      if time.secondOfDay == nil { removedDays.append(time.day) } else { removed.append(second(time)) }
    }

    mutating func remove(_ value: SpecValue) throws(TriggerError) {
      let time = try second(value, "exdate")
      if time.isDay { removedDays.append(time.local / 86_400) } else { removed.append(time.local) }
    }

    private var timeOfDay: Int { start.map { $0 - $0.flooredQuotient(by: 86_400) * 86_400 } ?? 0 }

    private func second(_ time: CalendarTime) -> Int {
      guard time.isUTC else { return time.local }
      return zone.civilTime(at: Instant(seconds: Int64(time.local))).localSeconds
    }

    /// A time as scripts write it. Without an offset it is what clocks show, also where clocks skip it.
    private func second(_ value: SpecValue, _ name: String) throws(TriggerError) -> (local: Int, isDay: Bool) {
      var civil: CivilDateTime
      var isDay = false
      if case .string(let text) = value {
        let time = try TriggerOptions.written(text, name: name)
        civil = time.offset == nil ? time.civil : zone.civilTime(at: time.instant(in: zone))
        isDay = !time.hasTimeOfDay
      } else {
        civil = zone.civilTime(at: try TriggerOptions.instant(value, name: name, zone: zone))
      }
      guard civil.nanosecond == 0 else {
        throw TriggerError("\(name) has a fraction of a second", suggestion: "recurrence rules count whole seconds")
      }
      return (civil.localSeconds, isDay)
    }
  }
}
