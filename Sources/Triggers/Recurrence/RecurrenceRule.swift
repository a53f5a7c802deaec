internal import Chronology

/// A recurrence rule of iCalendar as it was written (RFC 5545, 3.3.10): `FREQ=MONTHLY;BYDAY=-1FR`.
///
/// A value that says nothing yet about dates: those need a start (``RecurrencePattern``). What was written in any order
/// and spelling reads the same afterwards: two rules that say the same are equal and have the same ``text``.
struct RecurrenceRule: Sendable, Hashable {
  /// How long the interval is in which the rule is applied once, from the shortest.
  enum Frequency: Int, Sendable, Hashable, CaseIterable, Comparable {
    case secondly, minutely, hourly, daily, weekly, monthly, yearly

    /// As the standard writes it.
    var name: String { "\(self)".uppercased() }

    static func < (left: Frequency, right: Frequency) -> Bool { left.rawValue < right.rawValue }
  }

  /// A weekday, each of them or the n-th of a month or year.
  struct Weekday: Sendable, Hashable {
    /// 1 for the first, −1 for the last; 0 for every one.
    let ordinal: Int
    /// 0 is Sunday.
    let weekday: Int
  }

  /// The end that UNTIL gives, inclusive.
  enum Until: Sendable, Hashable {
    /// The whole of this day, counted from the epoch.
    case day(Int)
    /// Up to this second on the clocks of the rule's zone, since the epoch.
    case local(Int)
    /// Up to this instant.
    case instant(Instant)
  }

  var frequency: Frequency
  var interval = 1
  var count: Int?
  var until: Until?
  /// Bits 0...59; 0 when BYSECOND is not given. A leap second, 60, counts as 59, as the standard advises.
  var seconds: UInt64 = 0
  /// Bits 0...59; 0 when BYMINUTE is not given.
  var minutes: UInt64 = 0
  /// Bits 0...23; 0 when BYHOUR is not given.
  var hours: UInt64 = 0
  /// BYDAY, in the order of the text.
  var weekdays: [Weekday] = []
  /// BYMONTHDAY, ascending: −31...−1, 1...31.
  var monthDays: [Int] = []
  /// BYYEARDAY, ascending: −366...−1, 1...366.
  var yearDays: [Int] = []
  /// BYWEEKNO, ascending: −53...−1, 1...53.
  var weekNumbers: [Int] = []
  /// Bits 1...12; 0 when BYMONTH is not given.
  var months: UInt64 = 0
  /// BYSETPOS, ascending: −366...−1, 1...366.
  var positions: [Int] = []
  /// WKST: the day on which weeks begin; 0 is Sunday.
  var weekStart = 1

  init(_ frequency: Frequency) { self.frequency = frequency }

  /// The standard's names of weekdays, from Sunday.
  static let weekdayNames = ["SU", "MO", "TU", "WE", "TH", "FR", "SA"]

  /// Whether its rhythm lies within the day, so that it follows the clock when clocks change (``DSTPolicy``).
  var followsClock: Bool { frequency < .daily }

  /// What it takes from the start besides the time of day; `nil` when it says everything itself. Without a start, only
  /// such a rule has a meaning.
  var needOfStart: String? {
    if interval > 1 { return "INTERVAL=\(interval) counts from it" }
    if count != nil { return "COUNT=\(count ?? 0) counts from it" }
    switch frequency {
    case .weekly where weekdays.isEmpty: return "FREQ=WEEKLY without BYDAY takes the weekday from it"
    case .monthly where weekdays.isEmpty && monthDays.isEmpty:
      return "FREQ=MONTHLY without BYDAY and BYMONTHDAY takes the day from it"
    case .yearly where weekdays.isEmpty && monthDays.isEmpty && yearDays.isEmpty:
      return "FREQ=YEARLY without BYDAY, BYMONTHDAY and BYYEARDAY takes the day from it"
    default: return nil
    }
  }
}

extension RecurrenceRule {
  /// The rule as the standard writes it: parts in one order, what is the default left out.
  var text: String {
    var parts = ["FREQ=\(frequency.name)"]
    switch until {
    case .day(let day)?: parts.append("UNTIL=\(RecurrenceRule.compact(CivilDate(daysSinceEpoch: day)))")
    case .local(let second)?: parts.append("UNTIL=\(RecurrenceRule.compact(CivilDateTime(localSeconds: second)))")
    case .instant(let instant)?: parts.append("UNTIL=\(RecurrenceRule.compact(CivilDateTime(instant, offset: 0)))Z")
    case nil: break
    }
    if let count { parts.append("COUNT=\(count)") }
    if interval > 1 { parts.append("INTERVAL=\(interval)") }
    func add(_ name: String, _ items: [String]) {
      if !items.isEmpty { parts.append("\(name)=\(items.joined(separator: ","))") }
    }
    func numbers(_ bits: UInt64) -> [String] { RecurrenceRule.numbers(bits).map { "\($0)" } }
    add("BYMONTH", numbers(months))
    add("BYWEEKNO", weekNumbers.map { "\($0)" })
    add("BYYEARDAY", yearDays.map { "\($0)" })
    add("BYMONTHDAY", monthDays.map { "\($0)" })
    add(
      "BYDAY",
      weekdays.map { "\($0.ordinal == 0 ? "" : "\($0.ordinal)")\(RecurrenceRule.weekdayNames[$0.weekday])" })
    add("BYHOUR", numbers(hours))
    add("BYMINUTE", numbers(minutes))
    add("BYSECOND", numbers(seconds))
    add("BYSETPOS", positions.map { "\($0)" })
    // Where weeks begin matters only to rules that count them.
    if weekStart != 1 { parts.append("WKST=\(RecurrenceRule.weekdayNames[weekStart])") }
    return parts.joined(separator: ";")
  }

  /// The bits of a word, ascending.
  static func numbers(_ bits: UInt64) -> [Int] { (0..<64).filter { bits >> UInt64($0) & 1 != 0 } }

  /// `20261225`.
  static func compact(_ date: CivilDate) -> String { date.description.replacing("-", with: "") }

  /// `20261225T090000`.
  static func compact(_ time: CivilDateTime) -> String {
    time.description.replacing("-", with: "").replacing(":", with: "")
  }
}
