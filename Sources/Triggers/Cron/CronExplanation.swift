/// Says in English when a cron schedule fires, from what its fields match: what was written as `0-59/5` and as `*/5`
/// reads the same, and a day field that leaves no day out is not spoken of.
///
/// The words are exact: a reader who takes them literally arrives at the times that fire. So a step that does not
/// divide its field evenly is listed, because "every 7 minutes" would be wrong once an hour.
struct CronExplanation {
  private let fields: CronFields

  init(_ fields: CronFields) { self.fields = fields }

  /// `Every 5 minutes from 09:00 to 17:55 on Monday to Friday`.
  var text: String {
    let (time, isDense) = timePhrase
    let dates = datePhrase
    let day = dates.isEmpty ? (isDense ? "" : " every day") : " " + dates
    return EnglishText.capitalized(time + day)
  }
}

// MARK: Times

extension CronExplanation {
  /// The bits of a word, ascending.
  private static func numbers(_ bits: UInt64) -> [Int] { (0..<64).filter { bits >> UInt64($0) & 1 != 0 } }

  /// The step with which `numbers` run from a first value below it through the whole of `0..<limit`.
  private static func step(_ numbers: [Int], limit: Int) -> Int? {
    guard numbers.count >= 2 else { return nil }
    let step = numbers[1] - numbers[0]
    guard numbers[0] < step, numbers[numbers.count - 1] + step >= limit,
      zip(numbers, numbers.dropFirst()).allSatisfy({ $1 - $0 == step })
    else { return nil }
    return step
  }

  /// The same where the rhythm goes on unbroken from one round of the field to the next.
  private static func rhythm(_ numbers: [Int], limit: Int) -> Int? {
    step(numbers, limit: limit).flatMap { limit % $0 == 0 ? $0 : nil }
  }

  private static func isRun(_ numbers: [Int]) -> Bool {
    numbers.count >= 2 && numbers[numbers.count - 1] - numbers[0] == numbers.count - 1
  }

  /// What fires within a day, and whether that is so often that "every day" goes without saying.
  private var timePhrase: (String, isDense: Bool) {
    let seconds = CronExplanation.numbers(fields.seconds)
    let minutes = CronExplanation.numbers(fields.minutes)
    let hours = CronExplanation.numbers(fields.hours)
    guard seconds.count > 1 else { return minutePhrase(minutes, hours, second: seconds[0]) }
    let isEveryMinute = minutes.count == 60 && hours.count == 24
    let rhythm: String
    if let step = CronExplanation.rhythm(seconds, limit: 60) {
      let start = seconds[0] == 0 ? "" : " from second \(seconds[0])"
      rhythm = "every \(EnglishText.every(step, "second"))\(start)"
      if isEveryMinute { return (rhythm, true) }
    } else {
      rhythm = "at seconds \(EnglishText.runs(seconds) { "\($0)" })"
      if isEveryMinute { return ("\(rhythm) of every minute", true) }
    }
    let (minute, isDense) = minutePhrase(minutes, hours, second: 0)
    return ("\(rhythm) of the minute, \(minute)", isDense)
  }

  private func minutePhrase(_ minutes: [Int], _ hours: [Int], second: Int) -> (String, isDense: Bool) {
    if minutes.count * hours.count <= 6 {
      let times = hours.flatMap { hour in minutes.map { clock(hour, $0, second) } }
      return ("at \(EnglishText.list(times))", false)
    }
    if minutes.count == 1 { return hourPhrase(hours, minute: minutes[0], second: second) }
    let atSecond = second == 0 ? "" : " at second \(second)"
    let step = CronExplanation.rhythm(minutes, limit: 60)
    let rhythm =
      step.map { "every \(EnglishText.every($0, "minute"))" }
      ?? "at minutes \(EnglishText.runs(minutes) { "\($0)" })"
    if hours.count == 1 || hours.count < 24 && CronExplanation.isRun(hours) {
      // The clock times say where the rhythm begins, and a run of minutes in one hour needs no other words.
      let first = clock(hours[0], minutes[0], second)
      let last = clock(hours[hours.count - 1], minutes[minutes.count - 1], second)
      let isPlainRun = hours.count == 1 && CronExplanation.isRun(minutes)
      return ("\(isPlainRun ? "every minute" : rhythm) from \(first) to \(last)", false)
    }
    let start = step == nil || minutes[0] == 0 ? "" : " from minute \(minutes[0])"
    // "Every 5 minutes" needs no more; "at minutes 5 and 9" does.
    if hours.count == 24 { return (rhythm + start + atSecond + (step == nil ? " of every hour" : ""), true) }
    return ("\(rhythm)\(start)\(atSecond) \(inHours(hours))", false)
  }

  /// `in every 2nd hour from 01:00`, `in hours 8, 12 and 16`.
  private func inHours(_ hours: [Int]) -> String {
    if hours.count > 6, let step = CronExplanation.rhythm(hours, limit: 24) {
      return "in every \(EnglishText.numbered(step)) hour from \(EnglishText.two(hours[0])):00"
    }
    return "in hours \(EnglishText.runs(hours) { "\($0)" })"
  }

  private func hourPhrase(_ hours: [Int], minute: Int, second: Int) -> (String, isDense: Bool) {
    let (first, last) = (clock(hours[0], minute, second), clock(hours[hours.count - 1], minute, second))
    if hours.count == 24 {
      switch (minute, second) {
      case (0, 0): return ("every hour, on the hour", true)
      case (_, 0): return ("every hour at minute \(minute)", true)
      default: return ("every hour at \(EnglishText.two(minute)):\(EnglishText.two(second)) past the hour", true)
      }
    }
    if let step = CronExplanation.rhythm(hours, limit: 24) { return ("every \(step) hours from \(first)", true) }
    if CronExplanation.isRun(hours) { return ("every hour from \(first) to \(last)", false) }
    return ("at \(EnglishText.list(hours.map { clock($0, minute, second) }))", false)
  }

  private func clock(_ hour: Int, _ minute: Int, _ second: Int) -> String {
    let time = "\(EnglishText.two(hour)):\(EnglishText.two(minute))"
    return second == 0 ? time : "\(time):\(EnglishText.two(second))"
  }
}

// MARK: Dates

extension CronExplanation {
  /// Which days; empty for all of them.
  private var datePhrase: String {
    let months = CronExplanation.numbers(fields.months)
    let monthNames = EnglishText.runs(months) { EnglishText.months[$0 - 1] }
    let ofMonth = months.count == 12 ? "of the month" : "of \(monthNames)"
    var phrases: [String] = []
    // Where either field is enough, one that leaves no day out makes the other void; where both must match, such a
    // field goes without saying.
    let isDaily = fields.eitherDay && (fields.days.isEverything || fields.weekdays.isEverything)
    let days = isDaily || fields.days.isEverything ? nil : dayItems(fields.days, months: months, ofMonth: ofMonth)
    let weekdays = isDaily || fields.weekdays.isEverything ? nil : weekdayItems(fields.weekdays, ofMonth: ofMonth)
    var namesMonth = false
    switch (days, weekdays) {
    case (let days?, let weekdays?) where fields.eitherDay:
      phrases.append("on \(days.text), or on \(weekdays.text)")
      namesMonth = days.namesMonth && weekdays.namesMonth
    case (let days?, let weekdays?):
      phrases.append("on \(days.text) if that is \(EnglishText.condition(weekdays.text))")
      namesMonth = days.namesMonth
    case (let days?, nil):
      phrases.append("on \(days.text)")
      namesMonth = days.namesMonth
    case (nil, let weekdays?):
      phrases.append("on \(weekdays.text)")
      namesMonth = weekdays.namesMonth
    case (nil, nil):
      if months.count < 12 { phrases.append("every day") }
    }
    if months.count < 12, !namesMonth { phrases.append("in \(monthNames)") }
    if fields.weeks != CronFields.everyWeek {
      let weeks = CronExplanation.numbers(fields.weeks)
      phrases.append("in ISO week\(weeks.count == 1 ? "" : "s") \(EnglishText.runs(weeks) { "\($0)" })")
    }
    if let years = fields.years?.years { phrases.append("in \(EnglishText.runs(years) { "\($0)" })") }
    return phrases.joined(separator: " ")
  }

  private func dayItems(_ set: DaySet, months: [Int], ofMonth: String) -> (text: String, namesMonth: Bool) {
    var items: [String] = []
    let numbers = CronExplanation.numbers(set.numbers)
    let isPlain = !set.hasPositions
    if isPlain, numbers.count == 1, months.count <= 3 {
      return (EnglishText.list(months.map { "\(numbers[0]) \(EnglishText.months[$0 - 1])" }), true)
    }
    if numbers.count > 4, let step = CronExplanation.step(numbers.map { $0 - 1 }, limit: 31), step > 1 {
      items.append("every \(step) days from day \(numbers[0])")
    } else if !numbers.isEmpty {
      items.append("day\(numbers.count == 1 ? "" : "s") \(EnglishText.runs(numbers) { "\($0)" })")
    }
    let distances = CronExplanation.numbers(set.fromEnd)
    if distances.count >= 3, distances[distances.count - 1] == distances.count - 1 {
      items.append("the last \(distances.count) days")
    }
    for distance in items.last?.hasPrefix("the last ") == true ? [] : distances {
      switch distance {
      case 0: items.append("the last day")
      case 1: items.append("the day before the last")
      default: items.append("the day \(distance) days before the last")
      }
    }
    for day in CronExplanation.numbers(set.nearestWorkday) { items.append("the working day nearest to day \(day)") }
    if set.lastWorkday { items.append("the last working day") }
    items += positions(set)
    return ("\(EnglishText.list(items)) \(ofMonth)", true)
  }

  private func weekdayItems(_ set: DaySet, ofMonth: String) -> (text: String, namesMonth: Bool) {
    let names = weekdayNames(CronExplanation.numbers(set.weekdays))
    let positions = positions(set)
    guard !positions.isEmpty else { return (names, false) }
    return (EnglishText.list((names.isEmpty ? [] : [names]) + positions) + " \(ofMonth)", true)
  }

  private func positions(_ set: DaySet) -> [String] {
    var items: [String] = []
    for position in CronExplanation.numbers(set.nthWeekdays) {
      items.append("the \(EnglishText.ordinals[position / 7]) \(EnglishText.weekdays[position % 7])")
    }
    for weekday in CronExplanation.numbers(set.lastWeekdays) {
      items.append("the last \(EnglishText.weekdays[weekday])")
    }
    return items
  }

  /// Weekdays from Monday on, so that Saturday and Sunday stand together.
  private func weekdayNames(_ weekdays: [Int]) -> String {
    let fromMonday = weekdays.map { ($0 + 6) % 7 }.sorted()
    return EnglishText.runs(fromMonday) { EnglishText.weekdays[($0 + 1) % 7] }
  }
}
