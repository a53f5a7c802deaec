/// Says in English when a cron schedule fires, from its bits: what was written as `0-59/5` and as `*/5` reads the same.
struct CronExplanation {
  private let fields: CronFields

  init(_ fields: CronFields) { self.fields = fields }

  /// `Every 5 minutes from 09:00 to 17:55 on Monday to Friday`.
  var sentence: String {
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

  private static func isRun(_ numbers: [Int]) -> Bool {
    numbers.count >= 2 && numbers[numbers.count - 1] - numbers[0] == numbers.count - 1
  }

  /// What fires within a day, and whether that is so often that "every day" goes without saying.
  private var timePhrase: (String, isDense: Bool) {
    let seconds = CronExplanation.numbers(fields.seconds)
    let minutes = CronExplanation.numbers(fields.minutes)
    let hours = CronExplanation.numbers(fields.hours)
    guard seconds.count > 1 else { return minutePhrase(minutes, hours, second: seconds[0]) }
    let rhythm: String
    if let step = CronExplanation.step(seconds, limit: 60), seconds[0] == 0 {
      rhythm = "every \(EnglishText.every(step, "second"))"
    } else {
      rhythm = "at seconds \(EnglishText.runs(seconds) { "\($0)" })"
    }
    if minutes.count == 60, hours.count == 24 { return (rhythm, true) }
    let (minute, isDense) = minutePhrase(minutes, hours, second: 0)
    return ("\(rhythm) of the minute, \(minute)", isDense)
  }

  private func minutePhrase(_ minutes: [Int], _ hours: [Int], second: Int) -> (String, isDense: Bool) {
    let atSecond = second == 0 ? "" : " at second \(second)"
    if minutes.count * hours.count <= 6 {
      let times = hours.flatMap { hour in minutes.map { clock(hour, $0, second) } }
      return ("at \(EnglishText.list(times))", false)
    }
    if minutes.count == 1 { return hourPhrase(hours, minute: minutes[0], second: second) }
    let rhythm: String
    if let step = CronExplanation.step(minutes, limit: 60) {
      let start = minutes[0] == 0 ? "" : " from minute \(minutes[0])"
      rhythm = "every \(EnglishText.every(step, "minute"))\(start)\(atSecond)"
    } else if CronExplanation.isRun(minutes) {
      rhythm = "every minute from \(minutes[0]) to \(minutes[minutes.count - 1])\(atSecond)"
    } else {
      rhythm = "at minutes \(EnglishText.runs(minutes) { "\($0)" })\(atSecond)"
    }
    if hours.count == 24 {
      // "Every 5 minutes" needs no more; "every minute from 5 to 9" and "at minutes 5 and 9" do.
      let isWhole = CronExplanation.step(minutes, limit: 60) != nil
      return (isWhole ? rhythm : "\(rhythm) of every hour", true)
    }
    if hours.count == 1 || CronExplanation.isRun(hours) {
      let first = clock(hours[0], minutes[0], second)
      let last = clock(hours[hours.count - 1], minutes[minutes.count - 1], second)
      return ("\(rhythm) from \(first) to \(last)", false)
    }
    if let step = CronExplanation.step(hours, limit: 24) {
      let start = hours[0] == 0 ? "" : " from \(EnglishText.two(hours[0])):00"
      return ("\(rhythm) of every \(EnglishText.every(step, "hour"))\(start)", true)
    }
    return ("\(rhythm) of hours \(EnglishText.runs(hours) { "\($0)" })", false)
  }

  private func hourPhrase(_ hours: [Int], minute: Int, second: Int) -> (String, isDense: Bool) {
    let place: String
    switch (minute, second) {
    case (0, 0): place = ", on the hour"
    case (_, 0): place = " at minute \(minute)"
    default: place = " at \(EnglishText.two(minute)):\(EnglishText.two(second)) past the hour"
    }
    if let step = CronExplanation.step(hours, limit: 24) {
      let start = hours[0] == 0 ? place : " from \(clock(hours[0], minute, second))"
      return ("every \(EnglishText.every(step, "hour"))\(start)", true)
    }
    if CronExplanation.isRun(hours) {
      let last = hours[hours.count - 1]
      return ("every hour from \(clock(hours[0], minute, second)) to \(clock(last, minute, second))", false)
    }
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
    let days = fields.days.isEverything ? nil : dayItems(fields.days, months: months, ofMonth: ofMonth)
    let weekdays = fields.weekdays.isEverything ? nil : weekdayItems(fields.weekdays, ofMonth: ofMonth)
    var namesMonth = false
    switch (days, weekdays) {
    case (let days?, let weekdays?) where fields.eitherDay:
      phrases.append("on \(days.text), or on \(weekdays.text)")
      namesMonth = days.namesMonth && weekdays.namesMonth
    case (let days?, let weekdays?):
      phrases.append("on \(days.text) if that is \(article(weekdays.text))")
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

  private func article(_ text: String) -> String {
    text.contains(" ") ? text : "a \(text)"
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
