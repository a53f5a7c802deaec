import Chronology

/// What the sentence of a recurrence rule says, as a person reads it who knows what a week and a month are.
struct RecurrenceSentence {
  let unit: String
  let interval: Int
  let weekStart: Int
  let isDay: SentenceReader.DayTest
  let isTime: (_ secondOfDay: Int) -> Bool
  /// Which of each period's times count, from 1, or from the end below 0; empty for all of them.
  let places: [Int]
  let count: Int?

  /// - Parameter start: the local second of the start, which the caller's text names.
  init(_ text: String) throws {
    var reader = SentenceReader(text)
    (unit, interval) = try reader.rhythm()
    weekStart = try reader.weekStart()
    isDay = try reader.recurrenceDays()
    isTime = try reader.recurrenceTimes(unit)
    places = try reader.places()
    count = try reader.repetitions()
    guard reader.rest.isEmpty else { throw reader.fail() }
  }

  /// The seconds of a unit of fixed length.
  private var length: Int { ["second": 1, "minute": 60, "hour": 3600][unit] ?? 86_400 }

  /// The number of the period that a local second lies in, from the start of time or of the years.
  private func period(_ local: Int) -> Int {
    let days = local / 86_400
    let day = PlainDay.at(daysSinceEpoch: days)
    switch unit {
    case "week": return (days + 4 - weekStart) / 7
    case "month": return day.year * 12 + day.month
    case "year": return day.year
    default: return local / length
    }
  }

  /// The times from `start` on, through `last`.
  func times(from start: Int, through last: Int) -> [Int] {
    let first = period(start)
    var times: [Int] = []
    var current: [Int] = []
    var number = Int.min
    func finish() {
      let chosen =
        places.isEmpty
        ? current
        : Set(places.map { $0 > 0 ? $0 - 1 : current.count + $0 }.filter(current.indices.contains)).sorted()
          .map { current[$0] }
      times += chosen.filter { $0 >= start }
      current = []
    }
    let seconds = (0..<86_400).filter(isTime)
    // Whole periods, so that places are counted from their beginning.
    for day in max(0, start / 86_400 - (length < 86_400 ? 1 : 366))...last / 86_400 {
      guard isDay(PlainDay.at(daysSinceEpoch: day)) else { continue }
      for second in seconds {
        let local = day * 86_400 + second
        if length < 86_400, local < start - length { continue }
        let here = period(local)
        guard (here - first) % interval == 0 else { continue }
        if here != number {
          finish()
          number = here
        }
        current.append(local)
      }
    }
    // The last period may go on after the end: its places cannot be counted.
    if places.isEmpty { finish() }
    if let count { return Array(times.prefix(count)) }
    return times
  }
}

extension SentenceReader {
  fileprivate mutating func rhythm() throws -> (String, Int) {
    guard take("Every ") else { throw fail() }
    let interval = number()
    if interval != nil { _ = take(" ") }
    for unit in ["second", "minute", "hour", "day", "week", "month", "year"] where take(unit) {
      guard interval == nil || take("s") else { throw fail() }
      return (unit, interval ?? 1)
    }
    throw fail()
  }

  fileprivate mutating func weekStart() throws -> Int {
    guard take(" (weeks begin on ") else { return 1 }
    guard let start = weekday(), take(")") else { throw fail() }
    return start
  }

  fileprivate mutating func recurrenceDays() throws -> DayTest {
    var tests: [DayTest] = []
    if take(" on ") { tests.append(try choice()) }
    if rest.hasPrefix(" in week"), take(" in weeks ") || take(" in week ") {
      let weeks = try values { $0.number() }
      tests.append { weeks.contains($0.isoWeek) }
    } else if rest.hasPrefix(" in the ") {
      _ = take(" in ")
      let ranks = try list { reader in reader.take("the ") ? reader.rank() : nil }
      guard take(" week of the year") else { throw fail() }
      tests.append { day in
        let week = day.week(from: 1)
        return ranks.contains { $0.fromEnd ? week.count + 1 - $0.0 == week.number : $0.0 == week.number }
      }
    }
    if let months = try monthsIn() { tests.append { months.contains($0.month) } }
    return { day in tests.allSatisfy { $0(day) } }
  }

  /// `at 09:00 and 17:00`; or lists of minutes, seconds and hours, each in words of its own.
  fileprivate mutating func recurrenceTimes(_ unit: String) throws -> (Int) -> Bool {
    if rest.hasPrefix(" at "), rest.dropFirst(4).first?.isNumber == true {
      _ = take(" at ")
      let times = Set(try list { $0.clock() })
      return { times.contains($0) }
    }
    // What a unit leaves open is its first second or minute, unless words say otherwise.
    var parts: [String: Set<Int>] = [:]
    if unit != "second" { parts["second"] = [0] }
    while true {
      let before = rest
      guard take(" at ") || take(" in ") || take(" of "),
        let name = ["second", "minute", "hour"].first(where: { rest.hasPrefix($0) }), take(name)
      else {
        rest = before
        break
      }
      _ = take("s")
      guard take(" ") else { throw fail() }
      parts[name] = try values { $0.number() }
    }
    let read = parts
    return { second in
      (read["hour"]?.contains(second / 3600) ?? true) && (read["minute"]?.contains(second / 60 % 60) ?? true)
        && (read["second"]?.contains(second % 60) ?? true)
    }
  }

  fileprivate mutating func places() throws -> [Int] {
    guard take(" (only ") else { return [] }
    let ranks = try list { reader in reader.take("the ") ? reader.rank() : nil }
    guard let end = rest.firstIndex(of: ")") else { throw fail() }
    _ = take(String(rest[...end]))
    return ranks.map { $0.fromEnd ? -$0.0 : $0.0 }
  }

  fileprivate mutating func repetitions() throws -> Int? {
    if take(", once") { return 1 }
    guard take(", ") else { return nil }
    guard let count = number(), take(" times") else { throw fail() }
    return count
  }
}
