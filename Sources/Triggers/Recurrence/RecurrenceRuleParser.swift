internal import Basics
internal import Chronology

/// Reads `FREQ=MONTHLY;BYDAY=-1FR` strictly: each part once, with values in their ranges, and only combinations to
/// which RFC 5545 gives a meaning. Every complaint says where, and what to write.
struct RecurrenceRuleParser {
  private let text: [UInt8]
  /// Where `text` begins in what the author wrote.
  private let offset: Int
  private var given: [String: Range<Int>] = [:]
  private var rule = RecurrenceRule(.daily)

  private static let parts = [
    "FREQ", "UNTIL", "COUNT", "INTERVAL", "BYSECOND", "BYMINUTE", "BYHOUR", "BYDAY", "BYMONTHDAY", "BYYEARDAY",
    "BYWEEKNO", "BYMONTH", "BYSETPOS", "WKST",
  ]

  /// What calendars keep beside a rule, and where it goes here.
  private static let elsewhere = [
    "DTSTART": "give the start beside it: { start_date = \"2027-01-31 09:00\" }, or a line of its own before RRULE:",
    "RDATE": "give it beside the rule: { rdate = \"2027-01-31\" }",
    "EXDATE": "give it beside the rule: { exdate = \"2027-01-31\" }",
    "TZID": "give the zone beside the rule: { timezone = \"Europe/Berlin\" }",
    "DTEND": "remove it: a fire has no length, and UNTIL= ends a rule",
    "DURATION": "remove it: a fire has no length",
    "RRULE": "write the rule alone, or RRULE: with a colon",
  ]

  /// - Parameter offset: where `text` begins in a longer text, for the positions of complaints.
  static func parse(_ text: some StringProtocol, at offset: Int = 0) throws(TriggerError) -> RecurrenceRule {
    var parser = RecurrenceRuleParser(text: Array(text.utf8), offset: offset)
    return try parser.parse()
  }

  private init(text: [UInt8], offset: Int) {
    self.text = text
    self.offset = offset
  }

  private mutating func parse() throws(TriggerError) -> RecurrenceRule {
    guard !text.isEmpty else {
      throw TriggerError("the rule is empty", suggestion: "write one like FREQ=WEEKLY;BYDAY=MO")
    }
    var start = 0
    while start < text.count {
      let end = text[start...].firstIndex(of: UInt8(ascii: ";")) ?? text.count
      // A semicolon at the very end separates nothing; calendars write it.
      if start == end, end < text.count { throw fail("an empty part", start..<end + 1, "remove the extra semicolon") }
      try part(start..<end)
      start = end + 1
    }
    guard given["FREQ"] != nil else {
      throw TriggerError(
        "FREQ is missing", at: offset..<offset + text.count, suggestion: "begin with one like FREQ=WEEKLY")
    }
    try check()
    return rule
  }

  private func string(_ range: Range<Int>) -> String { String(decoding: text[range], as: UTF8.self) }

  private func fail(_ message: String, _ range: Range<Int>, _ suggestion: String? = nil) -> TriggerError {
    TriggerError(message, at: offset + range.lowerBound..<offset + range.upperBound, suggestion: suggestion)
  }

  private mutating func part(_ range: Range<Int>) throws(TriggerError) {
    guard let equals = text[range].firstIndex(of: UInt8(ascii: "=")) else {
      throw fail("\"\(string(range))\" is no part of a rule", range, "write NAME=VALUE, as in FREQ=DAILY")
    }
    let name = string(range.lowerBound..<equals).uppercased()
    guard RecurrenceRuleParser.parts.contains(name) else { throw unknown(name, range.lowerBound..<equals) }
    guard given.updateValue(range, forKey: name) == nil else {
      throw fail("\(name) is given twice", range, "keep one, with all values separated by commas")
    }
    let value = equals + 1..<range.upperBound
    guard !value.isEmpty else { throw fail("\(name) has no value", range) }
    switch name {
    case "FREQ": rule.frequency = try frequency(value)
    case "UNTIL": rule.until = try until(value)
    case "COUNT": rule.count = try number(value, name, 1...1_000_000_000_000)
    case "INTERVAL": rule.interval = try number(value, name, 1...1_000_000_000)
    case "BYSECOND":
      let bits = try bits(value, name, 0...60)
      rule.seconds = bits & (1 << 60) == 0 ? bits : bits & ~(1 << 60) | 1 << 59
    case "BYMINUTE": rule.minutes = try bits(value, name, 0...59)
    case "BYHOUR": rule.hours = try bits(value, name, 0...23)
    case "BYMONTH": rule.months = try bits(value, name, 1...12)
    case "BYMONTHDAY": rule.monthDays = try signed(value, name, 31)
    case "BYYEARDAY": rule.yearDays = try signed(value, name, 366)
    case "BYWEEKNO": rule.weekNumbers = try signed(value, name, 53)
    case "BYSETPOS": rule.positions = try signed(value, name, 366)
    case "BYDAY": rule.weekdays = try weekdays(value)
    default: rule.weekStart = try weekday(value)
    }
  }

  private func unknown(_ name: String, _ range: Range<Int>) -> TriggerError {
    if name == "RSCALE" || name == "SKIP" {
      return fail(
        "\(name) (RFC 7529) is not supported", range,
        "remove it: dates are Gregorian, and days that do not exist are left out")
    }
    if let advice = RecurrenceRuleParser.elsewhere[name] {
      return fail("\(name) is no part of a rule", range, advice)
    }
    let near = Spelling.closest(to: name, among: RecurrenceRuleParser.parts, limit: 1).first
    return fail(
      "unknown part \"\(string(range))\"", range,
      near.map { "did you mean \($0)?" } ?? "the parts are \(RecurrenceRuleParser.parts.joined(separator: ", "))")
  }
}

// MARK: Values

extension RecurrenceRuleParser {
  private func frequency(_ range: Range<Int>) throws(TriggerError) -> RecurrenceRule.Frequency {
    let name = string(range).uppercased()
    if let found = RecurrenceRule.Frequency.allCases.first(where: { $0.name == name }) { return found }
    let names = RecurrenceRule.Frequency.allCases.map(\.name)
    let near = Spelling.closest(to: name, among: names, limit: 1).first
    throw fail(
      "\(string(range)) is no frequency", range,
      near.map { "did you mean \($0)?" } ?? "write one of \(names.joined(separator: ", "))")
  }

  private func number(_ range: Range<Int>, _ name: String, _ allowed: ClosedRange<Int>) throws(TriggerError) -> Int {
    let digits = string(range)
    // `Int("+5")` is 5; the standard has a sign only where numbers may count from the end.
    guard let number = Int(digits), text[range.lowerBound] != UInt8(ascii: "+") else {
      throw fail("\(name) \(digits) is no whole number", range)
    }
    guard allowed.contains(number) else {
      throw fail("\(name) \(digits) is outside \(allowed.lowerBound)-\(allowed.upperBound)", range)
    }
    return number
  }

  /// The items between commas.
  private func items(_ range: Range<Int>, _ name: String) throws(TriggerError) -> [Range<Int>] {
    var items: [Range<Int>] = []
    var start = range.lowerBound
    while true {
      let end = text[start..<range.upperBound].firstIndex(of: UInt8(ascii: ",")) ?? range.upperBound
      guard start < end else { throw fail("\(name) has an empty item", range, "remove the extra comma") }
      items.append(start..<end)
      if end == range.upperBound { return items }
      start = end + 1
    }
  }

  private func bits(_ range: Range<Int>, _ name: String, _ allowed: ClosedRange<Int>) throws(TriggerError) -> UInt64 {
    var bits: UInt64 = 0
    for item in try items(range, name) { bits |= 1 << UInt64(try number(item, name, allowed)) }
    return bits
  }

  /// Numbers that count from the beginning, or with `-` from the end; 0 is neither.
  private func signed(_ range: Range<Int>, _ name: String, _ limit: Int) throws(TriggerError) -> [Int] {
    var numbers: Set<Int> = []
    for item in try items(range, name) {
      guard let number = Int(string(item)) else { throw fail("\(name) \(string(item)) is no whole number", item) }
      guard number != 0, number.magnitude <= limit else {
        throw fail("\(name) \(string(item)) is outside 1-\(limit) and -\(limit) to -1", item)
      }
      numbers.insert(number)
    }
    return numbers.sorted()
  }

  private func weekday(_ range: Range<Int>) throws(TriggerError) -> Int {
    let name = string(range).uppercased()
    if let found = RecurrenceRule.weekdayNames.firstIndex(of: name) { return found }
    // MON and MONDAY begin with the two letters that are meant.
    let short = RecurrenceRule.weekdayNames.first { name.hasPrefix($0) }
    throw fail(
      "\"\(string(range))\" is no weekday", range,
      short.map { "write \($0)" } ?? "write one of \(RecurrenceRule.weekdayNames.joined(separator: ", "))")
  }

  private func weekdays(_ range: Range<Int>) throws(TriggerError) -> [RecurrenceRule.Weekday] {
    var found: Set<RecurrenceRule.Weekday> = []
    for item in try items(range, "BYDAY") {
      let digits = text[item].prefix { (48...57).contains($0) || $0 == 43 || $0 == 45 }.count
      let name = item.lowerBound + digits..<item.upperBound
      let weekday = try weekday(name.isEmpty ? item : name)
      var ordinal = 0
      if digits > 0 {
        let written = string(item.lowerBound..<name.lowerBound)
        guard let number = Int(written), number != 0, number.magnitude <= 53 else {
          throw fail("\(written) in BYDAY=\(string(item)) is outside 1-53 and -53 to -1", item)
        }
        ordinal = number
      }
      found.insert(RecurrenceRule.Weekday(ordinal: ordinal, weekday: weekday))
    }
    // Monday first, as weeks are read.
    return found.sorted { ($0.ordinal, ($0.weekday + 6) % 7) < ($1.ordinal, ($1.weekday + 6) % 7) }
  }

  private func until(_ range: Range<Int>) throws(TriggerError) -> RecurrenceRule.Until {
    do {
      // "For ever" is written as a far year by some programs.
      let time = try CalendarTime.parse(string(range), years: 1677...9999)
      guard let second = time.secondOfDay else { return .day(time.day) }
      let local = time.day * 86_400 + second
      guard time.isUTC else { return .local(local) }
      return .instant(Instant(seconds: Int64(local)))
    } catch {
      throw fail("UNTIL \(string(range)): \(error.message)", range)
    }
  }
}

// MARK: Combinations

extension RecurrenceRuleParser {
  /// What the standard's "MUST NOT"s exclude: combinations that calendars read in different ways.
  private func check() throws(TriggerError) {
    let frequency = rule.frequency
    func refuse(_ name: String, unless isAllowed: Bool, _ suggestion: String) throws(TriggerError) {
      guard let range = given[name], !isAllowed else { return }
      throw fail("\(name) has no meaning with FREQ=\(frequency.name)", range, suggestion)
    }
    try refuse("BYWEEKNO", unless: frequency == .yearly, "use FREQ=YEARLY")
    try refuse("BYYEARDAY", unless: frequency == .yearly || frequency < .daily, "use FREQ=YEARLY")
    try refuse("BYMONTHDAY", unless: frequency != .weekly, "use FREQ=MONTHLY")
    if let range = given["COUNT"], given["UNTIL"] != nil {
      throw fail("COUNT and UNTIL are both given", range, "keep one")
    }
    if let range = given["BYDAY"], let numbered = rule.weekdays.first(where: { $0.ordinal != 0 }) {
      let name = "\(numbered.ordinal)\(RecurrenceRule.weekdayNames[numbered.weekday])"
      if frequency != .monthly && frequency != .yearly {
        throw fail(
          "\(name) has no meaning with FREQ=\(frequency.name)", range, "use FREQ=MONTHLY, or remove the number")
      }
      if given["BYWEEKNO"] != nil {
        throw fail("\(name) has no meaning with BYWEEKNO", range, "remove the number")
      }
      let inMonth = frequency == .monthly || given["BYMONTH"] != nil
      if inMonth, let far = rule.weekdays.first(where: { $0.ordinal.magnitude > 5 }) {
        throw fail("no month has \(far.ordinal.magnitude) of a weekday", range, "write 1 to 5, or -1 for the last")
      }
    }
    if let range = given["BYSETPOS"], !given.keys.contains(where: { $0.hasPrefix("BY") && $0 != "BYSETPOS" }) {
      throw fail(
        "BYSETPOS has nothing to choose from", range, "add another BY part, as in BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1")
    }
  }
}
