import Chronology

/// Reads the words in which triggers explain themselves, as a person who takes them literally would: it knows English
/// and the calendar, and nothing of fields and bits. What it understands is compared with what fires.
struct SentenceReader {
  typealias DayTest = (PlainDay) -> Bool

  /// Which times of day, and on which days.
  struct Meaning {
    var isTime: (_ hour: Int, _ minute: Int, _ second: Int) -> Bool = { _, _, _ in true }
    var isDay: DayTest = { _ in true }
  }

  struct Unreadable: Error, CustomStringConvertible {
    let text: String
    let rest: String
    var description: String { "cannot read \"\(rest)\" in \"\(text)\"" }
  }

  let text: String
  var rest: Substring

  init(_ text: String) {
    self.text = text
    rest = text[...]
  }

  func fail() -> Unreadable { Unreadable(text: text, rest: String(rest)) }
}

// MARK: Words

extension SentenceReader {
  static let ordinals = ["first", "second", "third", "fourth", "fifth"]
  static let weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
  ]

  mutating func take(_ word: String) -> Bool {
    guard rest.hasPrefix(word) else { return false }
    rest = rest.dropFirst(word.count)
    return true
  }

  mutating func number() -> Int? {
    let digits = rest.prefix { $0.isNumber }
    guard !digits.isEmpty else { return nil }
    rest = rest.dropFirst(digits.count)
    return Int(digits)
  }

  private mutating func name(of names: [String], from first: Int) -> Int? {
    for (index, name) in names.enumerated() where take(name) { return index + first }
    return nil
  }

  mutating func month() -> Int? { name(of: SentenceReader.months, from: 1) }

  mutating func weekday() -> Int? { name(of: SentenceReader.weekdays, from: 0) }

  /// `first`, `20th`.
  mutating func ordinal() -> Int? {
    if let found = name(of: SentenceReader.ordinals, from: 1) { return found }
    let before = rest
    if let number = number(), take("th") || take("st") || take("nd") || take("rd") { return number }
    rest = before
    return nil
  }

  /// `a, b and c`; an end of the list is where no further item can be read.
  mutating func list<Item>(_ item: (inout SentenceReader) -> Item?) throws -> [Item] {
    guard let first = item(&self) else { throw fail() }
    var items = [first]
    while true {
      let before = rest
      // What comes "7 times" is a number of its own.
      guard take(", ") || take(" and ") || take(" or "), let next = item(&self), !rest.hasPrefix(" times") else {
        rest = before
        return items
      }
      items.append(next)
    }
  }

  /// Single values and `a to b`.
  mutating func values(_ value: @escaping (inout SentenceReader) -> Int?, around: Int? = nil) throws -> Set<Int> {
    Set(try list { $0.span(value, around: around) }.joined())
  }

  mutating func span(_ value: (inout SentenceReader) -> Int?, around: Int? = nil) -> [Int]? {
    guard let first = value(&self) else { return nil }
    let before = rest
    guard take(" to "), let last = value(&self) else {
      rest = before
      return [first]
    }
    guard let around else { return first <= last ? Array(first...last) : nil }
    return Array(first...(last < first ? last + around : last)).map { $0 % around }
  }

  /// `09:05` or `09:05:30`, in seconds of the day.
  mutating func clock() -> Int? {
    let before = rest
    guard let hour = number(), take(":"), let minute = number() else {
      rest = before
      return nil
    }
    guard take(":") else { return hour * 3600 + minute * 60 }
    return number().map { hour * 3600 + minute * 60 + $0 }
  }
}

// MARK: Times of cron sentences

extension SentenceReader {
  /// `Every 5 minutes from 09:00 to 17:55 on Monday to Friday`.
  static func cron(_ text: String) throws -> Meaning {
    var reader = SentenceReader(text.prefix(1).lowercased() + text.dropFirst())
    var meaning = try reader.cronTimes()
    meaning.isDay = try reader.cronDays()
    guard reader.rest.isEmpty else { throw reader.fail() }
    return meaning
  }

  /// `every 5 minutes`: the count, where `unit` is what is counted.
  private mutating func every(_ unit: String) -> Int? {
    let before = rest
    if take("every \(unit)") { return 1 }
    if take("every "), let count = number(), take(" \(unit)s") { return count }
    rest = before
    return nil
  }

  private mutating func cronTimes() throws -> Meaning {
    var isSecond: ((Int) -> Bool)?
    var isEveryMinute = true
    if let step = every("second") {
      let start = take(" from second ") ? number() ?? 0 : 0
      isSecond = { $0 % step == start }
      isEveryMinute = !take(" of the minute, ")
    } else if take("at seconds ") {
      let seconds = try values { $0.number() }
      isSecond = { seconds.contains($0) }
      isEveryMinute = take(" of every minute")
      guard isEveryMinute || take(" of the minute, ") else { throw fail() }
    }
    guard let isSecond else { return try minuteTimes() }
    let minutes = isEveryMinute ? Meaning() : try minuteTimes()
    let isTime = minutes.isTime
    return Meaning(isTime: { isTime($0, $1, isEveryMinute ? $2 : 0) && isSecond($2) })
  }

  private mutating func minuteTimes() throws -> Meaning {
    if let hours = every("hour") { return try hourTimes(hours) }
    if take("at minutes ") {
      let minutes = try values { $0.number() }
      return try within { _, minute in minutes.contains(minute) }
    }
    if let step = every("minute") {
      if let (first, last) = try clockSpan() {
        return Meaning(isTime: { hour, minute, second in
          let time = hour * 3600 + minute * 60 + second
          return time >= first && time <= last && (time - first) % (step * 60) == 0
        })
      }
      let start = take(" from minute ") ? number() ?? 0 : 0
      return try within { _, minute in minute % step == start }
    }
    guard take("at ") else { throw fail() }
    let times = Set(try list { $0.clock() })
    return Meaning(isTime: { times.contains($0 * 3600 + $1 * 60 + $2) })
  }

  private mutating func clockSpan() throws -> (Int, Int)? {
    let before = rest
    guard take(" from "), let first = clock() else {
      rest = before
      return nil
    }
    guard take(" to "), let last = clock() else { throw fail() }
    return (first, last)
  }

  private mutating func hourTimes(_ step: Int) throws -> Meaning {
    if take(", on the hour") { return Meaning(isTime: { $1 == 0 && $2 == 0 }) }
    if take(" at minute ") {
      let at = number()
      return Meaning(isTime: { $1 == at && $2 == 0 })
    }
    if take(" at ") {
      guard let time = clock(), take(" past the hour") else { throw fail() }
      // Read as hours and minutes, meant as minutes and seconds.
      return Meaning(isTime: { $1 == time / 3600 && $2 == time / 60 % 60 })
    }
    guard take(" from "), let first = clock() else { throw fail() }
    let last = take(" to ") ? clock() ?? 0 : 86_399
    return Meaning(isTime: {
      let time = $0 * 3600 + $1 * 60 + $2
      return time >= first && time <= last && (time - first) % (step * 3600) == 0
    })
  }

  /// What may follow minutes: a span of clock times, or a second and which hours.
  private mutating func within(_ isMinute: @escaping (_ hour: Int, _ minute: Int) -> Bool) throws -> Meaning {
    if let (first, last) = try clockSpan() {
      return Meaning(isTime: {
        let time = $0 * 3600 + $1 * 60 + $2
        return isMinute($0, $1) && time >= first && time <= last && $2 == first % 60
      })
    }
    let at = take(" at second ") ? number() ?? 0 : 0
    var isHour: (Int) -> Bool = { _ in true }
    if take(" in every ") {
      guard let step = ordinal(), take(" hour from "), let first = clock() else { throw fail() }
      isHour = { $0 >= first / 3600 && ($0 - first / 3600) % step == 0 }
    } else if take(" in hours ") {
      let hours = try values { $0.number() }
      isHour = { hours.contains($0) }
    } else {
      _ = take(" of every hour")
    }
    return Meaning(isTime: { isHour($0) && isMinute($0, $1) && $2 == at })
  }
}

// MARK: Days

extension SentenceReader {
  private mutating func cronDays() throws -> DayTest {
    var isDay: DayTest = { _ in true }
    if take(" on ") { isDay = try choice() } else { _ = take(" every day") }
    var tests = [isDay]
    if let months = try monthsIn() { tests.append { months.contains($0.month) } }
    if take(" in ISO weeks ") || take(" in ISO week ") {
      let weeks = try values { $0.number() }
      tests.append { weeks.contains($0.isoWeek) }
    }
    if take(" in ") {
      let years = try values { $0.number() }
      tests.append { years.contains($0.year) }
    }
    return { day in tests.allSatisfy { $0(day) } }
  }

  /// ` in March to May`, unless something else follows ` in `.
  mutating func monthsIn() throws -> Set<Int>? {
    let before = rest
    guard take(" in "), SentenceReader.months.contains(where: { rest.hasPrefix($0) }) else {
      rest = before
      return nil
    }
    return try values { $0.month() }
  }

  /// `day 13 of the month, or on Friday`, `day 13 of the month if that is a Friday`.
  mutating func choice() throws -> DayTest {
    let first = try days()
    if take(", or on ") {
      let second = try days()
      return { first($0) || second($0) }
    }
    let also = take(" that is also ") ? try days() : { _ in true }
    guard take(" if that is ") else { return { first($0) && also($0) } }
    _ = take("a ")
    let condition = try days()
    return { first($0) && also($0) && condition($0) }
  }

  /// A list of days with what it is a part of: `days 1 and 15 and the last Friday of March`.
  private mutating func days() throws -> DayTest {
    var items: [Counted] = try list { $0.dayItem() }
    if take(" of the year") {
      items = items.map { item in Counted(isDay: { item.inYear?($0) ?? item.isDay($0) }) }
      return { day in items.contains { $0.isDay(day) } }
    }
    var months: Set<Int>?
    if !take(" of the month"), take(" of ") { months = try values { $0.month() } }
    let tests = items.map(\.isDay)
    return { day in (months?.contains(day.month) ?? true) && tests.contains { $0(day) } }
  }

  /// What an item of a list means in a month; and in a year, where that differs.
  private struct Counted {
    var isDay: DayTest
    var inYear: DayTest?
  }

  private mutating func dayItem() -> Counted? {
    if let weekdays = span({ $0.weekday() }, around: 7) { return Counted(isDay: { weekdays.contains($0.weekday) }) }
    if take("days ") || take("day ") {
      guard let numbers = try? values({ $0.number() }) else { return nil }
      return Counted(isDay: { numbers.contains($0.day) }, inYear: { numbers.contains($0.dayOfYear) })
    }
    if take("every "), let step = number(), take(" days from day "), let first = number() {
      return Counted(isDay: { $0.day >= first && ($0.day - first) % step == 0 })
    }
    let before = rest
    if let number = number(), take(" "), let month = month() {
      return Counted(isDay: { $0.day == number && $0.month == month })
    }
    rest = before
    return take("the ") ? positionItem() : nil
  }

  private mutating func positionItem() -> Counted? {
    if take("day before the last") { return Counted(isDay: { $0.day == $0.length - 1 }) }
    if take("day "), let distance = number(), take(" days before the last") {
      return Counted(isDay: { $0.day == $0.length - distance })
    }
    if take("working day nearest to day "), let wanted = number() {
      return Counted(isDay: { $0.isWorkingDay(nearestTo: wanted) })
    }
    if take("last working day") { return Counted(isDay: { $0.isWorkingDay && $0.followingWorkingDays == 0 }) }
    guard let (nth, fromEnd) = rank() else { return nil }
    if fromEnd, nth == 0, take(" days") { return nil }
    if take(" days") { return Counted(isDay: { $0.length - $0.day < nth }, inYear: { $0.daysLeft < nth }) }
    if take(" day") {
      return Counted(isDay: { $0.length - $0.day == nth - 1 }, inYear: { $0.daysLeft == nth - 1 })
    }
    guard take(" "), let weekday = weekday() else { return nil }
    return Counted(
      isDay: { $0.weekday == weekday && (fromEnd ? ($0.length - $0.day) / 7 : ($0.day - 1) / 7) == nth - 1 },
      inYear: { $0.weekday == weekday && (fromEnd ? $0.daysLeft / 7 : ($0.dayOfYear - 1) / 7) == nth - 1 })
  }

  /// `first`, `20th`, `last`, `second to last`; and `last 7` of `last 7 days`.
  mutating func rank() -> (Int, fromEnd: Bool)? {
    if take("last ") {
      if let count = number() { return (count, true) }
      rest = text.suffix(rest.count + 1)
      return (1, true)
    }
    if take("last") { return (1, true) }
    guard let number = ordinal() else { return nil }
    return (number, take(" to last"))
  }
}

extension PlainDay {
  var isWorkingDay: Bool { (1...5).contains(weekday) }

  /// How many of the days after it in its month are Monday to Friday.
  var followingWorkingDays: Int {
    day == length ? 0 : (1...length - day).count { (1...5).contains((weekday + $0) % 7) }
  }

  /// Whether it is the nearest day of its month to `wanted` that is Monday to Friday.
  func isWorkingDay(nearestTo wanted: Int) -> Bool {
    guard wanted <= length, isWorkingDay else { return false }
    let weekdayThere = ((weekday + wanted - day) % 7 + 7) % 7
    switch weekdayThere {
    case 6: return day == (wanted == 1 ? 3 : wanted - 1)
    case 0: return day == (wanted == length ? wanted - 2 : wanted + 1)
    default: return day == wanted
    }
  }

  private static let before = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334]

  private static func isLeap(_ year: Int) -> Bool { PlainDay(year: year, month: 2, day: 1, weekday: 0).length == 29 }

  private static func days(_ year: Int) -> Int { isLeap(year) ? 366 : 365 }

  /// 1 is 1 January.
  var dayOfYear: Int { PlainDay.before[month - 1] + (month > 2 && PlainDay.isLeap(year) ? 1 : 0) + day }

  /// How many days of its year follow.
  var daysLeft: Int { PlainDay.days(year) - dayOfYear }

  /// The week of its ISO year: the one in which its Thursday lies.
  var isoWeek: Int { week(from: 1).number }

  /// The number of its week in weeks that begin on `start`, where a year's first one has four days in it at least; and
  /// how many such weeks that year has.
  func week(from start: Int) -> (number: Int, count: Int) {
    // The day of the year, counted from 0, on which its week has its fourth day.
    let fourth = dayOfYear - 1 - (weekday - start + 7) % 7 + 3
    var inYear = fourth
    var length = PlainDay.days(year)
    if fourth < 0 {
      length = PlainDay.days(year - 1)
      inYear = fourth + length
    } else if fourth >= length {
      inYear = fourth - length
      length = PlainDay.days(year + 1)
    }
    let first = inYear % 7
    return (inYear / 7 + 1, (length - 1 - first) / 7 + 1)
  }
}
