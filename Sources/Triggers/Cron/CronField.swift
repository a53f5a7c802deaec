/// The fields of a cron schedule.
enum CronField: String, CaseIterable, Sendable {
  case second, minute, hour, day, month, weekday, week, year

  /// The values that may be written.
  var range: ClosedRange<Int> {
    switch self {
    case .second, .minute: 0...59
    case .hour: 0...23
    case .day: 1...31
    case .month: 1...12
    case .weekday: 0...7
    case .week: 1...53
    case .year: YearSet.range
    }
  }

  /// The values that `*` with a step counts through, and that `a/n` ends with.
  var wholeRange: ClosedRange<Int> {
    // Steps of years are counted from 1970 in Quartz and APScheduler alike.
    self == .year ? 1970...YearSet.range.upperBound : range
  }

  /// The values that `H` spreads over: those that exist in every month, each weekday once.
  var hashRange: ClosedRange<Int>? {
    switch self {
    case .day: 1...28
    case .weekday: 0...6
    case .year: nil
    default: range
    }
  }

  /// The names that may be written for values, in order from ``firstNamed``.
  var names: [String] {
    switch self {
    case .month: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
    case .weekday: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
    default: []
    }
  }

  /// The value of the first name.
  var firstNamed: Int { range.lowerBound }

  /// How messages call it.
  var title: String { self == .weekday ? "day of week" : rawValue }
}

/// What the text of one field means.
struct CronFieldValue: Sendable {
  /// Values as bits; for `day` and `weekday` see ``days``.
  var bits: UInt64 = 0
  /// Days by number, by weekday and by position.
  var days = DaySet()
  /// The years of a year field, or `nil` for all.
  var years: YearSet?
  /// Whether the text begins with `*` or `?`.
  var startsWithStar = false
  /// Whether the text uses `H`.
  var usesHash = false
  /// Whether weekdays were written as numbers.
  var usesWeekdayNumbers = false
  /// What is worth saying.
  var notes: [TriggerNote] = []

  /// What a field means that nobody wrote: every value.
  static func everything(_ field: CronField) -> CronFieldValue {
    var value = CronFieldValue()
    value.startsWithStar = true
    switch field {
    case .day: value.days.numbers = DaySet.everyDay
    case .weekday: value.days.weekdays = DaySet.everyWeekday
    case .year: value.years = nil
    default: for number in field.range { value.bits |= 1 << UInt64(number) }
    }
    return value
  }
}
