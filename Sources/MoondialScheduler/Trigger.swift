internal import Chronology
public import FoundationEssentials
internal import JobModel
internal import Lua
internal import ScriptLoading
internal import Triggers

/// When a job runs. A value without clock or memory: asked twice, it answers the same.
///
///     try .cron("0 9 * * mon-fri", timezone: "Europe/Berlin")
///     try .every(.seconds(90))
///     try .anyOf([.cron("0 3 * * *"), .at("2027-01-01 00:00")])
///
/// A trigger that names no zone follows its job's, and then the scheduler's. Making one checks it, and throws a
/// ``ParseError`` that says what is wrong; the rule of each kind, DST included, is in docs/triggers.md.
public struct Trigger: Sendable, Equatable, CustomStringConvertible {
  let specification: TriggerSpecification

  /// How it would be written in Lua, which is also how it is compared.
  public var description: String { specification.luaDescription }

  /// Whether both would be written the same.
  public static func == (left: Trigger, right: Trigger) -> Bool { left.description == right.description }

  /// The first fire time after `date`, with `timezone` for the parts that name no zone; nil when there is none. An
  /// interval counts from `date`. Throws when there is no such zone. Microseconds at most, but for combinations.
  public func next(after date: Date, timezone: String = "UTC") throws(ParseError) -> Date? {
    do {
      let zone = try TimeZoneDatabase.shared.zone(named: timezone)
      let context = TriggerContext(zones: .shared, zone: zone, jobName: "job")
      let instant = Instant(date)
      return try specification.build(in: context).trigger.anchored(at: instant).next(after: instant).map { Date($0) }
    } catch { throw ParseError("\(error)") }
  }

  /// Checks what a constructor is given. The name stands for whichever job will use it (`H` in cron).
  init(_ constructor: ConstructorName, _ arguments: [LuaValue]) throws(ParseError) {
    specification = TriggerSpecification(constructor: constructor.text, arguments: arguments.filter { $0 != .nil })
    do { _ = try specification.build(in: TriggerContext(zones: .shared, jobName: "job")) } catch {
      throw ParseError(error.description)
    }
  }

  var value: LuaValue { .object(specification) }
}

extension Trigger {
  /// A cron expression of 5 to 7 fields, or a nickname like `@daily`.
  public static func cron(_ expression: String, timezone: String? = nil) throws(ParseError) -> Trigger {
    try Trigger(.cron, [.text(expression), options(timezone)])
  }

  /// A cron table: fields above the lowest one given are `*`, those below it have their lowest value.
  ///
  ///     try .cron(dayOfWeek: "mon-fri", hour: "9")       // 09:00:00 on workdays
  public static func cron(
    month: String? = nil, day: String? = nil, week: String? = nil, dayOfWeek: String? = nil, hour: String? = nil,
    minute: String? = nil, second: String? = nil, timezone: String? = nil
  ) throws(ParseError) -> Trigger {
    let parts = [
      ("month", month), ("day", day), ("week", week), ("day_of_week", dayOfWeek), ("hour", hour), ("minute", minute),
      ("second", second), ("timezone", timezone),
    ]
    return try Trigger(.cron, [.options(parts.compactMap { name, text in text.map { (name, .text($0)) } })])
  }

  /// A fixed rate, at least 1 ms; first one interval after the job was first registered.
  public static func every(_ interval: Duration) throws(ParseError) -> Trigger {
    try Trigger(.every, [.text(interval.text)])
  }

  /// Once, at an instant (to the microsecond). In `add`, one that is past does not run.
  public static func at(_ date: Date) throws(ParseError) -> Trigger {
    try Trigger(.at, [.text(Instant(date).description)])
  }

  /// Once at each of these times: `2027-01-31 09:00`, ISO 8601, with or without an offset.
  public static func at(_ times: String..., timezone: String? = nil) throws(ParseError) -> Trigger {
    try Trigger(.at, [.texts(times), options(timezone)])
  }

  /// After whole years, months, weeks or days on the calendar, at a time of day.
  ///
  /// - Parameter day: with months or years: `1` to `31`, or `last`. Default: the day on which it began.
  public static func calendar(
    years: Int = 0, months: Int = 0, weeks: Int = 0, days: Int = 0, day: String? = nil, hour: Int = 0, minute: Int = 0,
    second: Int = 0, timezone: String? = nil
  ) throws(ParseError) -> Trigger {
    let steps = [("years", years), ("months", months), ("weeks", weeks), ("days", days)].filter { $0.1 != 0 }
    let time = [("hour", hour), ("minute", minute), ("second", second)]
    var fields = (steps + time).map { (key: $0.0, value: LuaValue.integer(Int64($0.1))) }
    if let day { fields.append(("day", Int64(day).map { .integer($0) } ?? .text(day))) }
    if let timezone { fields.append(("timezone", .text(timezone))) }
    return try Trigger(.calendar, [.options(fields)])
  }

  /// A systemd calendar expression: `Mon..Fri 09:00`.
  public static func onCalendar(_ expression: String, timezone: String? = nil) throws(ParseError) -> Trigger {
    try Trigger(.onCalendar, [.text(expression), options(timezone)])
  }

  /// A recurrence rule of RFC 5545: `FREQ=MONTHLY;BYDAY=-1FR`, counted from `start`.
  public static func rrule(_ rule: String, start: String? = nil, timezone: String? = nil) throws(ParseError) -> Trigger
  {
    try Trigger(.rrule, [.text(rule), options(timezone, start.map { [("start_date", .text($0))] } ?? [])])
  }

  /// Once at each start of the scheduler.
  public static var startup: Trigger {
    get throws(ParseError) { try Trigger(.startup, []) }
  }

  /// Whenever one of them fires; once when several do at the same instant.
  public static func anyOf(_ triggers: [Trigger]) throws(ParseError) -> Trigger {
    try Trigger(.anyOf, [.table(LuaTable(array: triggers.map(\.value)))])
  }

  /// At the instants that all of them share.
  public static func allOf(_ triggers: [Trigger]) throws(ParseError) -> Trigger {
    try Trigger(.allOf, [.table(LuaTable(array: triggers.map(\.value)))])
  }

  /// On the n-th working day of each month, Monday to Friday: `1st` to `23rd`, `last`, `-2`.
  public static func workdays(
    _ number: String, hour: Int = 0, minute: Int = 0, second: Int = 0, timezone: String? = nil
  ) throws(ParseError) -> Trigger {
    let time = [("hour", hour), ("minute", minute), ("second", second)]
    let fields = time.map { (key: $0.0, value: LuaValue.integer(Int64($0.1))) }
    return try Trigger(.workdays, [.text(number), options(timezone, fields)])
  }

  /// At `sunrise`, `sunset`, `dawn`, `dusk` or solar `noon` at a place, in degrees north and east; not on days that
  /// have none.
  public static func solar(
    _ event: String, latitude: Double, longitude: Double, offset: Duration = .zero
  ) throws(ParseError) -> Trigger {
    let place = [(key: "latitude", value: LuaValue.number(latitude)), (key: "longitude", value: .number(longitude))]
    return try Trigger(.solar, [.text(event), options(nil, place + shift(offset))])
  }

  /// When the moon is `new`, `first_quarter`, `full` or `last_quarter`.
  public static func lunar(_ phase: String, offset: Duration = .zero) throws(ParseError) -> Trigger {
    try Trigger(.lunar, [.text(phase), options(nil, shift(offset))])
  }

  private static func shift(_ offset: Duration) -> [(key: String, value: LuaValue)] {
    offset == .zero ? [] : [("offset", .text(offset.text))]
  }

  /// Without what falls on these days: `2026-12-25`, `2026-12-28..2026-12-31`.
  public func except(_ dates: String...) throws(ParseError) -> Trigger {
    try Trigger(.except, [value, .texts(dates)])
  }

  /// Without the instants at which `other` fires too.
  public func except(_ other: Trigger) throws(ParseError) -> Trigger { try Trigger(.except, [value, other.value]) }

  /// Only on days of these names (`mon,wed-fri`).
  public func only(on weekdays: String, timezone: String? = nil) throws(ParseError) -> Trigger {
    let fields = [("weekdays", LuaValue.text(weekdays))] + (timezone.map { [("timezone", .text($0))] } ?? [])
    let days = TriggerSpecification(constructor: ConstructorName.calendarOf.text, arguments: [.options(fields)])
    return try Trigger(.only, [value, .object(days)])
  }

  /// When one of these days begins, and which days ``shifted(from:to:)`` leaves: dates as in `except`, and weekdays by
  /// their names (`sat,sun`).
  public static func days(_ dates: String..., weekdays: String? = nil, timezone: String? = nil) throws(ParseError)
    -> Trigger
  {
    var fields: [(key: String, value: LuaValue)] = dates.isEmpty ? [] : [("dates", .texts(dates))]
    if let weekdays { fields.append(("weekdays", .text(weekdays))) }
    return try Trigger(.calendarOf, [options(timezone, fields)])
  }

  /// Where ``shifted(from:to:)`` moves fires.
  public enum Direction: String, Sendable {
    /// To the next day that is none of them, at the same time of day.
    case next
    /// To the last such day before.
    case previous
  }

  /// With the fires on some days moved to the nearest other day, at the same time of day. `days` is a trigger that
  /// ``days(_:weekdays:timezone:)`` made; every other one is an error.
  public func shifted(from days: Trigger, to direction: Direction) throws(ParseError) -> Trigger {
    try Trigger(.shift, [value, days.value, .text(direction.rawValue)])
  }

  private static func options(_ timezone: String?, _ more: [(key: String, value: LuaValue)] = []) -> LuaValue {
    let fields = (timezone.map { [(key: "timezone", value: LuaValue.text($0))] } ?? []) + more
    return fields.isEmpty ? .nil : .options(fields)
  }
}

extension LuaValue {
  fileprivate static func options(_ fields: [(key: String, value: LuaValue)]) -> LuaValue {
    .table(LuaTable(fields: fields))
  }
}
