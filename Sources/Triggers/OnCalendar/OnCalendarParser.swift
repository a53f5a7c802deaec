internal import Basics
internal import Chronology

/// Reads calendar events as systemd timers write them (`systemd.time(7)`): `Mon..Fri *-*-* 09:00`, `*-*-01/7 0/6:00`,
/// `weekly`.
///
/// An event is weekdays, a date, a time and a zone, each of which may be absent. A component is `*`, or a list of
/// values, ranges `a..b` and repetitions `a/n` and `a..b/n`; `~` before the day counts from the end of the month. All
/// parts must match. Differs from systemd in that seconds are whole.
struct OnCalendarParser {
  private static let shorthands = [
    "minutely": "*-*-* *:*:00", "hourly": "*-*-* *:00:00", "daily": "*-*-* 00:00:00", "monthly": "*-*-01 00:00:00",
    "weekly": "mon *-*-* 00:00:00", "yearly": "*-01-01 00:00:00", "annually": "*-01-01 00:00:00",
    "quarterly": "*-01,04,07,10-01 00:00:00", "semiannually": "*-01,07-01 00:00:00",
    "semi-annually": "*-01,07-01 00:00:00", "biannually": "*-01,07-01 00:00:00", "bi-annually": "*-01,07-01 00:00:00",
  ]
  private static let fullNames = ["sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"]

  /// What `text` means. Errors do not repeat the text.
  static func parse(_ text: String) throws(TriggerError) -> CronParser.Result {
    guard text.utf8.count <= 500 else { throw TriggerError("it is longer than 500 bytes") }
    guard text.utf8.allSatisfy({ $0 >= 32 && $0 < 127 || $0 == 9 }) else {
      throw TriggerError("a character that no calendar event has")
    }
    var words = text.split { $0 == " " || $0 == "\t" }.map(String.init)
    var result = CronParser.Result(source: .onCalendar(""))
    if words.count > 1, let last = words.last, isZone(last) {
      result.zoneName = words.removeLast()
    }
    result.source = .onCalendar(words.joined(separator: " "))
    if words.count == 1, let expansion = shorthands[words[0].lowercased()] {
      words = expansion.split(separator: " ").map(String.init)
    }
    guard !words.isEmpty else { throw TriggerError("it is empty", suggestion: "write Mon..Fri 09:00 or daily") }
    result.fields.days.numbers = DaySet.everyDay
    result.fields.weekdays.weekdays = DaySet.everyWeekday
    if words[0].first?.isLetter == true {
      result.fields.weekdays.weekdays = try weekdays(words.removeFirst())
    }
    if let word = words.first, word.contains("-") || word.contains("~") {
      try date(words.removeFirst(), into: &result.fields)
    }
    var time = "00:00:00"
    if let word = words.first, word.contains(":") { time = words.removeFirst() }
    try self.time(time, into: &result)
    guard words.isEmpty else {
      throw TriggerError(
        "unexpected text \"\(words[0])\"",
        suggestion: "the order is weekdays, date, time, zone: Mon..Fri 2027-*-01 09:00 Europe/Berlin")
    }
    result.fields.finish()
    guard result.fields.nextLocal(from: CronParser.firstLocal) != neverLocal else {
      throw TriggerError("it never fires: no date has these fields")
    }
    return result
  }

  /// A last word that is neither weekday, date, time nor shorthand is a zone.
  private static func isZone(_ word: String) -> Bool {
    word.first?.isLetter == true && !word.contains(":") && !word.contains("..") && !word.contains(",")
      && weekday(word) == nil
  }

  private static func weekday(_ word: String) -> Int? {
    let lower = word.lowercased()
    return CronField.weekday.names.firstIndex(of: lower) ?? fullNames.firstIndex(of: lower)
  }

  /// `Mon`, `Mon,Wed`, `Fri..Mon`; `-` for a range is the old form.
  private static func weekdays(_ word: String) throws(TriggerError) -> UInt64 {
    var bits: UInt64 = 0
    for item in word.split(separator: ",", omittingEmptySubsequences: false) {
      let ends = item.replacing("..", with: "-").split(separator: "-", omittingEmptySubsequences: false).map(
        String.init)
      var numbers: [Int] = []
      for end in ends {
        guard let number = weekday(end) else {
          let near = Spelling.closest(to: end, among: CronField.weekday.names + fullNames + shorthands.keys, limit: 1)
            .first
          throw TriggerError(
            "\"\(end)\" is no weekday", suggestion: near.map { "did you mean \($0)?" } ?? "write Mon, Tue … or Mon..Fri"
          )
        }
        numbers.append(number)
      }
      guard let first = numbers.first, let last = numbers.last, numbers.count <= 2 else {
        throw TriggerError("\"\(item)\" is no range of weekdays", suggestion: "write Mon..Fri")
      }
      for number in first...(last < first ? last + 7 : last) { bits |= 1 << UInt64(number % 7) }
    }
    return bits
  }

  /// `YYYY-MM-DD` or `MM-DD`, with `~` instead of the last `-` to count from the end of the month.
  private static func date(_ word: String, into fields: inout CronFields) throws(TriggerError) {
    let isFromEnd = word.contains("~")
    let parts = word.replacing("~", with: "-").split(separator: "-", omittingEmptySubsequences: false).map(String.init)
    guard (2...3).contains(parts.count),
      !isFromEnd || word.split(separator: "~").last.map({ !$0.contains("-") }) == true
    else {
      throw TriggerError("\"\(word)\" is no date", suggestion: "write 2027-01-31, *-*-01 or *-02~01")
    }
    if parts.count == 3, parts[0] != "*" {
      var years = YearSet()
      for year in try values(parts[0], "year", 1970...2199) {
        // Two digits are a year of 1970 to 2069, as in systemd.
        years.insert(year < 70 ? year + 2000 : year < 100 ? year + 1900 : year)
      }
      fields.years = years
    }
    fields.months = 0
    for month in try values(parts[parts.count - 2], "month", 1...12) { fields.months |= 1 << UInt64(month) }
    let days = parts[parts.count - 1]
    fields.days.numbers = 0
    guard isFromEnd else {
      for day in try values(days, "day", 1...31) { fields.days.numbers |= 1 << UInt64(day) }
      return
    }
    guard days != "*" else { throw TriggerError("\"~*\" means nothing", suggestion: "write ~01 for the last day") }
    for item in days.split(separator: ",", omittingEmptySubsequences: false) {
      try insertFromEnd(String(item), into: &fields.days)
    }
  }

  /// `~03` is the third day from the end; `~07/1` that day and every one after it.
  private static func insertFromEnd(_ item: String, into days: inout DaySet) throws(TriggerError) {
    let (first, last, step) = try component(item, "day", 1...31)
    if let last {
      for day in stride(from: first, through: last, by: step ?? 1) { days.fromEnd |= 1 << UInt64(day - 1) }
    } else {
      for day in stride(from: first, to: 0, by: -(step ?? first)) { days.fromEnd |= 1 << UInt64(day - 1) }
    }
  }

  /// `HH:MM` or `HH:MM:SS`.
  private static func time(_ word: String, into result: inout CronParser.Result) throws(TriggerError) {
    let parts = word.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
    guard (2...3).contains(parts.count) else {
      throw TriggerError("\"\(word)\" is no time", suggestion: "write 09:00, 09:00:30 or *:0/15")
    }
    for hour in try values(parts[0], "hour", 0...23) { result.fields.hours |= 1 << UInt64(hour) }
    for minute in try values(parts[1], "minute", 0...59) { result.fields.minutes |= 1 << UInt64(minute) }
    if parts.count == 3 {
      guard !parts[2].replacing("..", with: "").contains(".") else {
        throw TriggerError("\"\(parts[2])\" has a fraction", suggestion: "write whole seconds")
      }
      result.fields.seconds = 0
      for second in try values(parts[2], "second", 0...59) { result.fields.seconds |= 1 << UInt64(second) }
    }
    result.followsClock = parts[0].hasPrefix("*") || parts[1].hasPrefix("*")
  }

  /// The values of a component.
  private static func values(_ text: String, _ name: String, _ range: ClosedRange<Int>) throws(TriggerError) -> [Int] {
    if text == "*" { return Array(range) }
    var values: [Int] = []
    for item in text.split(separator: ",", omittingEmptySubsequences: false) {
      // `*/n` is read as counting from the lowest value.
      let item = item.hasPrefix("*/") ? "\(range.lowerBound)" + item.dropFirst() : String(item)
      let (first, last, step) = try component(item, name, range)
      if let step {
        values += stride(from: first, through: last ?? range.upperBound, by: step)
      } else {
        values += first...(last ?? first)
      }
    }
    return values
  }

  /// `a`, `a..b`, `a/n`, `a..b/n`.
  private static func component(
    _ item: String, _ name: String, _ range: ClosedRange<Int>
  ) throws(TriggerError) -> (first: Int, last: Int?, step: Int?) {
    let halves = item.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
    let ends = halves[0].replacing("..", with: "/").split(separator: "/", omittingEmptySubsequences: false).map(
      String.init)
    guard halves.count <= 2, ends.count <= 2 else { throw TriggerError("\"\(item)\" is no \(name)") }
    let first = try number(ends[0], name, range)
    let last = ends.count == 2 ? try number(ends[1], name, range) : nil
    if let last, last < first {
      throw TriggerError("range \(item) is upside down", suggestion: "write \(ends[1])..\(ends[0])")
    }
    guard halves.count == 2 else { return (first, last, nil) }
    guard let step = Int(halves[1]), step > 0, step < 10_000 else {
      throw TriggerError("\"\(item)\" has no step after the \"/\"", suggestion: "a step is at least 1")
    }
    return (first, last, step)
  }

  private static func number(_ text: String, _ name: String, _ range: ClosedRange<Int>) throws(TriggerError) -> Int {
    guard (1...4).contains(text.utf8.count), text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text)
    else {
      throw TriggerError("\"\(text)\" is no \(name)")
    }
    guard range.contains(number) || name == "year" && number < 100 else {
      throw TriggerError("\(name) \(number) is outside \(range.lowerBound)-\(range.upperBound)")
    }
    return number
  }
}
