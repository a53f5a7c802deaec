internal import Chronology

/// Says in English when a recurrence rule comes true: `Every month on the last Friday of the month at 09:00`.
struct RecurrenceExplanation {
  private let rule: RecurrenceRule
  /// The second of the day and the date of the start; midnight on 1 January without one.
  private let second: Int
  private let date: CivilDate
  private let zone: TimeZoneRules

  init(_ rule: RecurrenceRule, start: Int?, zone: TimeZoneRules) {
    self.rule = rule
    self.zone = zone
    let civil = CivilDateTime(localSeconds: start ?? RecurrenceTrigger.beginning)
    second = civil.secondOfDay
    date = civil.date
  }

  /// One sentence without a full stop; the start, ``end`` and the zone are for the caller to add.
  var text: String {
    var phrases = [rhythm]
    phrases += dates
    phrases.append(times)
    if !rule.positions.isEmpty {
      let chosen = RecurrenceExplanation.ordinals(rule.positions)
      phrases.append("(only \(chosen) of \(rule.positions.count == 1 ? "each" : "every") \(unit))")
    }
    let count = rule.count.map { $0 == 1 ? ", once" : ", \($0) times" } ?? ""
    return phrases.filter { !$0.isEmpty }.joined(separator: " ") + count
  }

  /// `, until 2027-01-31 09:00`, where the rule has an UNTIL.
  var end: String {
    switch rule.until {
    case .day(let day)?: ", until the end of \(CivilDate(daysSinceEpoch: day))"
    case .local(let second)?: ", until \(RecurrenceTrigger.format(second, usual: nil))"
    case .instant(let instant)?: ", until \(ISO8601.format(instant, in: zone))"
    case nil: ""
    }
  }

  private var unit: String {
    switch rule.frequency {
    case .secondly: "second"
    case .minutely: "minute"
    case .hourly: "hour"
    case .daily: "day"
    case .weekly: "week"
    case .monthly: "month"
    case .yearly: "year"
    }
  }

  /// `Every 2 weeks`. Weeks that begin on another day than Monday matter when they are counted.
  private var rhythm: String {
    var text = "Every \(EnglishText.every(rule.interval, unit))"
    let countsWeeks = rule.frequency == .weekly && (rule.interval > 1 || !rule.positions.isEmpty)
    if rule.weekStart != 1, countsWeeks || !rule.weekNumbers.isEmpty {
      text += " (weeks begin on \(EnglishText.weekdays[rule.weekStart]))"
    }
    return text
  }
}

// MARK: Dates

extension RecurrenceExplanation {
  private var dates: [String] {
    var phrases: [String] = []
    let months = RecurrenceRule.numbers(rule.months)
    let monthNames = EnglishText.runs(months) { EnglishText.months[$0 - 1] }
    let ofMonth = months.isEmpty ? "of the month" : "of \(monthNames)"
    var namesMonth = months.isEmpty
    var days: [String] = []
    if !rule.yearDays.isEmpty { days.append("\(RecurrenceExplanation.days(rule.yearDays)) of the year") }
    if rule.monthDays.count == 1, rule.monthDays[0] > 0, (1...3).contains(months.count) {
      days.append(EnglishText.list(months.map { "\(rule.monthDays[0]) \(EnglishText.months[$0 - 1])" }))
      namesMonth = true
    } else if !rule.monthDays.isEmpty {
      days.append("\(RecurrenceExplanation.days(rule.monthDays)) \(ofMonth)")
      namesMonth = true
    }
    let weekdays = weekdayPhrase(ofMonth)
    if !days.isEmpty {
      phrases.append("on \(days.joined(separator: " that is also "))")
      if let weekdays {
        phrases.append("if that is \(EnglishText.condition(weekdays.text))")
      }
    } else if let weekdays {
      phrases.append("on \(weekdays.text)")
      namesMonth = namesMonth || weekdays.namesMonth
    } else if rule.frequency == .weekly || rule.frequency == .yearly && !rule.weekNumbers.isEmpty {
      phrases.append("on \(EnglishText.weekdays[date.weekday])")
    } else if rule.frequency == .monthly {
      phrases.append("on day \(date.day) \(ofMonth)")
      namesMonth = true
    } else if rule.frequency == .yearly {
      let named = (months.isEmpty ? [date.month] : months).map { EnglishText.months[$0 - 1] }
      phrases.append(
        named.count <= 3
          ? "on \(EnglishText.list(named.map { "\(date.day) \($0)" }))" : "on day \(date.day) of \(monthNames)")
      namesMonth = true
    }
    if !rule.weekNumbers.isEmpty {
      let counted = rule.weekNumbers.allSatisfy { $0 > 0 }
      phrases.append(
        counted
          ? "in week\(rule.weekNumbers.count == 1 ? "" : "s") \(EnglishText.runs(rule.weekNumbers) { "\($0)" })"
          : "in \(RecurrenceExplanation.ordinals(rule.weekNumbers)) week of the year")
    }
    if !namesMonth { phrases.append("in \(monthNames)") }
    return phrases
  }

  private func weekdayPhrase(_ ofMonth: String) -> (text: String, namesMonth: Bool)? {
    guard !rule.weekdays.isEmpty else { return nil }
    let plain = rule.weekdays.filter { $0.ordinal == 0 }.map { ($0.weekday + 6) % 7 }
    var items = plain.isEmpty ? [] : [EnglishText.runs(plain) { EnglishText.weekdays[($0 + 1) % 7] }]
    let counted = rule.weekdays.filter { $0.ordinal != 0 }
    for day in counted {
      items.append("the \(RecurrenceExplanation.ordinal(day.ordinal)) \(EnglishText.weekdays[day.weekday])")
    }
    guard !counted.isEmpty else { return (items[0], false) }
    let inYear = rule.frequency == .yearly && rule.months == 0
    return ("\(EnglishText.list(items)) \(inYear ? "of the year" : ofMonth)", !inYear)
  }

  /// `day 13`, `days 1 and 15 and the last day`.
  private static func days(_ numbers: [Int]) -> String {
    let counted = numbers.filter { $0 > 0 }
    var items: [String] = []
    if !counted.isEmpty {
      items.append("day\(counted.count == 1 ? "" : "s") \(EnglishText.runs(counted) { "\($0)" })")
    }
    let back = numbers.filter { $0 < 0 }.sorted(by: >)
    if back.count >= 3, back == Array((1...back.count).map { -$0 }) {
      items.append("the last \(back.count) days")
    } else {
      items += back.map { "the \(ordinal($0)) day" }
    }
    return EnglishText.list(items)
  }

  /// `the first and the last`.
  private static func ordinals(_ numbers: [Int]) -> String {
    EnglishText.list((numbers.filter { $0 > 0 } + numbers.filter { $0 < 0 }.sorted(by: >)).map { "the \(ordinal($0))" })
  }

  /// `first`, `20th`, `last`, `second to last`.
  private static func ordinal(_ number: Int) -> String {
    guard number < 0 else {
      if number <= EnglishText.ordinals.count { return EnglishText.ordinals[number - 1] }
      let isTeen = (11...13).contains(number % 100)
      let ending = isTeen ? "th" : ["th", "st", "nd", "rd"][number % 10 < 4 ? number % 10 : 0]
      return "\(number)\(ending)"
    }
    return number == -1 ? "last" : "\(ordinal(-number)) to last"
  }
}

// MARK: Times

extension RecurrenceExplanation {
  private func clock(_ hour: Int, _ minute: Int, _ second: Int) -> String {
    let time = "\(EnglishText.two(hour)):\(EnglishText.two(minute))"
    return second == 0 ? time : "\(time):\(EnglishText.two(second))"
  }

  private func given(_ bits: UInt64, else value: Int) -> [Int] { bits == 0 ? [value] : RecurrenceRule.numbers(bits) }

  private var times: String {
    let hours = given(rule.hours, else: second / 3600)
    let minutes = given(rule.minutes, else: second / 60 % 60)
    let seconds = given(rule.seconds, else: second % 60)
    func parts(_ name: String, _ numbers: [Int]) -> String {
      "at \(name)\(numbers.count == 1 ? "" : "s") \(EnglishText.runs(numbers) { "\($0)" })"
    }
    func filter(_ name: String, _ bits: UInt64) -> [String] {
      bits == 0
        ? []
        : [
          "in \(name)\(bits.nonzeroBitCount == 1 ? "" : "s") \(EnglishText.runs(RecurrenceRule.numbers(bits)) { "\($0)" })"
        ]
    }
    switch rule.frequency {
    case .secondly:
      return (filter("second", rule.seconds) + filter("minute", rule.minutes) + filter("hour", rule.hours))
        .joined(separator: " of ").replacing(" of in ", with: " of ")
    case .minutely:
      let inner = seconds == [0] ? [] : [parts("second", seconds)]
      return (inner + filter("minute", rule.minutes) + filter("hour", rule.hours)).joined(separator: " ")
    case .hourly:
      let inner = [parts("minute", minutes)] + (seconds == [0] ? [] : [parts("second", seconds)])
      return (inner + filter("hour", rule.hours)).joined(separator: " ")
    default:
      guard hours.count * minutes.count * seconds.count <= 6 else {
        let inner = [parts("minute", minutes)] + (seconds == [0] ? [] : [parts("second", seconds)])
        return (inner + ["in hours \(EnglishText.runs(hours) { "\($0)" })"]).joined(separator: " ")
      }
      let all = hours.flatMap { hour in minutes.flatMap { minute in seconds.map { clock(hour, minute, $0) } } }
      return "at \(EnglishText.list(all))"
    }
  }
}
