import Chronology
import TestSupport

@testable import Triggers

/// A cron expression made at random, together with what it means: made by generating the meaning first and writing it
/// down, so that the parser under test has no part in it.
struct RandomCron {
  var text = ""
  var seconds = [Bool](repeating: false, count: 60)
  var minutes = [Bool](repeating: false, count: 60)
  var hours = [Bool](repeating: false, count: 24)
  var months = [Bool](repeating: false, count: 13)
  var dayItems: [DayItem] = []
  var weekdayItems: [DayItem] = []
  var dayStar = false
  var weekdayStar = false
  var followsClock = false
  var hasSeconds = false

  enum DayItem {
    case number(Int), fromEnd(Int), lastWorkday, nearestWorkday(Int)
    case weekday(Int), nth(Int, Int), last(Int)
  }

  /// `sparse` makes dates that are far apart more likely.
  init(using random: inout SeededGenerator, seconds wantsSeconds: Bool = false, sparse: Bool = false) {
    hasSeconds = wantsSeconds
    var words: [String] = []
    if wantsSeconds { words.append(RandomCron.field(&seconds, 0...59, star: 20, &random)) } else { seconds[0] = true }
    let minute = RandomCron.field(&minutes, 0...59, star: sparse ? 0 : 40, &random)
    let hour = RandomCron.field(&hours, 0...23, star: sparse ? 0 : 50, &random)
    followsClock = minute.hasPrefix("*") || hour.hasPrefix("*")
    words += [minute, hour]
    let day = dayField(&random, star: sparse ? 30 : 60)
    let month = RandomCron.field(&months, 1...12, star: sparse ? 10 : 70, &random)
    let weekday = weekdayField(&random, star: sparse ? 40 : 60)
    words += [day, month, weekday]
    dayStar = day.hasPrefix("*") || day.hasPrefix("?")
    weekdayStar = weekday.hasPrefix("*") || weekday.hasPrefix("?")
    text = words.joined(separator: " ")
  }

  private static func field(
    _ values: inout [Bool], _ range: ClosedRange<Int>, star: Int, _ random: inout SeededGenerator
  ) -> String {
    if random.chance(star) {
      let step = random.chance(50) ? 1 : Int.random(in: 2...20, using: &random)
      for value in stride(from: range.lowerBound, through: range.upperBound, by: step) { values[value] = true }
      return step == 1 ? "*" : "*/\(step)"
    }
    var items: [String] = []
    for _ in 0..<(random.chance(70) ? 1 : Int.random(in: 2...4, using: &random)) {
      let first = Int.random(in: range, using: &random)
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<6:
        values[first] = true
        items.append(
          range.upperBound == 12 && random.chance(30) ? CronField.month.names[first - 1].uppercased() : "\(first)")
      case 6..<8:
        let last = Int.random(in: first...range.upperBound, using: &random)
        for value in first...last { values[value] = true }
        items.append("\(first)-\(last)")
      case 8:
        let last = Int.random(in: first...range.upperBound, using: &random)
        let step = Int.random(in: 1...9, using: &random)
        for value in stride(from: first, through: last, by: step) { values[value] = true }
        items.append("\(first)-\(last)/\(step)")
      default:
        let step = Int.random(in: 1...9, using: &random)
        for value in stride(from: first, through: range.upperBound, by: step) { values[value] = true }
        items.append("\(first)/\(step)")
      }
    }
    return items.joined(separator: ",")
  }

  private mutating func dayField(_ random: inout SeededGenerator, star: Int) -> String {
    if random.chance(star) {
      for day in 1...31 { dayItems.append(.number(day)) }
      return random.chance(80) ? "*" : "?"
    }
    var items: [String] = []
    for _ in 0..<(random.chance(70) ? 1 : 2) {
      let first = Int.random(in: 1...31, using: &random)
      switch Int.random(in: 0..<12, using: &random) {
      case 0..<5:
        dayItems.append(.number(first))
        items.append("\(first)")
      case 5, 6:
        let last = Int.random(in: first...31, using: &random)
        for day in first...last { dayItems.append(.number(day)) }
        items.append("\(first)-\(last)")
      case 7:
        dayItems.append(.fromEnd(0))
        items.append(random.chance(50) ? "L" : "l")
      case 8:
        let distance = Int.random(in: 1...30, using: &random)
        dayItems.append(.fromEnd(distance))
        items.append("L-\(distance)")
      case 9:
        dayItems.append(.lastWorkday)
        items.append("LW")
      case 10:
        dayItems.append(.nearestWorkday(first))
        items.append("\(first)W")
      default:
        let step = Int.random(in: 2...10, using: &random)
        for day in stride(from: first, through: 31, by: step) { dayItems.append(.number(day)) }
        items.append("\(first)/\(step)")
      }
    }
    return items.joined(separator: ",")
  }

  private mutating func weekdayField(_ random: inout SeededGenerator, star: Int) -> String {
    if random.chance(star) {
      for weekday in 0...6 { weekdayItems.append(.weekday(weekday)) }
      return random.chance(80) ? "*" : "?"
    }
    let names = CronField.weekday.names
    var items: [String] = []
    for _ in 0..<(random.chance(70) ? 1 : 2) {
      let weekday = Int.random(in: 0...6, using: &random)
      let written = random.chance(50) ? names[weekday] : "\(weekday == 0 && random.chance(50) ? 7 : weekday)"
      switch Int.random(in: 0..<8, using: &random) {
      case 0..<4:
        weekdayItems.append(.weekday(weekday))
        items.append(written)
      case 4, 5:
        let length = Int.random(in: 1...5, using: &random)
        for offset in 0...length { weekdayItems.append(.weekday((weekday + offset) % 7)) }
        items.append("\(names[weekday])-\(names[(weekday + length) % 7])")
      case 6:
        let nth = Int.random(in: 1...5, using: &random)
        weekdayItems.append(.nth(nth, weekday))
        items.append("\(written)#\(nth)")
      default:
        weekdayItems.append(.last(weekday))
        items.append("\(written)L")
      }
    }
    return items.joined(separator: ",")
  }
}

// MARK: Matching, one day and one time at a time

extension RandomCron {
  func matches(_ day: PlainDay) -> Bool {
    guard months[day.month] else { return false }
    let byDay = dayItems.contains { RandomCron.matches($0, day) }
    let byWeekday = weekdayItems.contains { RandomCron.matches($0, day) }
    return !dayStar && !weekdayStar ? byDay || byWeekday : byDay && byWeekday
  }

  func matches(secondOfDay second: Int) -> Bool {
    hours[second / 3600] && minutes[second / 60 % 60] && seconds[second % 60]
  }

  private static func matches(_ item: DayItem, _ day: PlainDay) -> Bool {
    let length = day.length
    switch item {
    case .number(let number): return day.day == number
    case .fromEnd(let distance): return day.day == length - distance
    case .weekday(let weekday): return day.weekday == weekday
    case .nth(let nth, let weekday): return day.weekday == weekday && (day.day + 6) / 7 == nth
    case .last(let weekday): return day.weekday == weekday && day.day + 7 > length
    case .lastWorkday:
      // Monday to Friday, and no such day follows.
      return (1...5).contains(day.weekday)
        && (day.day + 1..<max(length + 1, day.day + 1)).allSatisfy {
          [0, 6].contains((day.weekday + $0 - day.day) % 7)
        }
    case .nearestWorkday(let wanted):
      guard wanted <= length, (1...5).contains(day.weekday) else { return false }
      let weekday = ((day.weekday + wanted - day.day) % 7 + 7) % 7
      switch weekday {
      case 6: return day.day == (wanted == 1 ? 3 : wanted - 1)
      case 0: return day.day == (wanted == length ? wanted - 2 : wanted + 1)
      default: return day.day == wanted
      }
    }
  }
}

/// Days counted up from 1960-01-01, a Friday, by the rules of primary school.
struct PlainDay {
  let year: Int
  let month: Int
  let day: Int
  let weekday: Int

  var length: Int {
    switch month {
    case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }

  /// The days of 1960 to 2110; the first one is 3,653 days before the epoch.
  static let all: [PlainDay] = {
    var days: [PlainDay] = []
    var day = PlainDay(year: 1960, month: 1, day: 1, weekday: 5)
    while day.year < 2111 {
      days.append(day)
      let weekday = (day.weekday + 1) % 7
      if day.day < day.length {
        day = PlainDay(year: day.year, month: day.month, day: day.day + 1, weekday: weekday)
      } else if day.month < 12 {
        day = PlainDay(year: day.year, month: day.month + 1, day: 1, weekday: weekday)
      } else {
        day = PlainDay(year: day.year + 1, month: 1, day: 1, weekday: weekday)
      }
    }
    return days
  }()

  static func at(daysSinceEpoch days: Int) -> PlainDay { all[days + 3653] }
}

// MARK: Fires by brute force

/// What a schedule means in a zone, by trying everything.
struct CronOracle {
  let cron: RandomCron
  let zone: TimeZoneRules
  let policy: ResolvedDST

  init(_ cron: RandomCron, zone: TimeZoneRules, dst: DSTPolicy) {
    self.cron = cron
    self.zone = zone
    policy = ResolvedDST(
      gap: dst.gap ?? (cron.followsClock ? .skip : .shift), overlap: dst.overlap ?? (cron.followsClock ? .both : .first)
    )
  }

  private func matches(local: Int) -> Bool {
    let day = (local + 86_400 * 10_000) / 86_400 - 10_000
    return cron.matches(secondOfDay: local - day * 86_400) && cron.matches(PlainDay.at(daysSinceEpoch: day))
  }

  /// All fires in `from...until` (seconds since the epoch), by walking the clock of the zone minute by minute (or
  /// second by second) through the window and two days on both sides.
  func walk(from: Int, until: Int) -> [Int] {
    let step = cron.hasSeconds ? 1 : 60
    var shown: [Int: [Int]] = [:]
    var fires: Set<Int> = []
    let margin = 2 * 86_400
    for (index, stretch) in zone.stretches.enumerated() {
      let start = max(stretch.start, from - margin)
      let end = min(stretch.end, until + margin)
      guard start < end else { continue }
      // The first local time on a step at or after the start.
      var local = start + stretch.offset
      local += ((-local) % step + step) % step
      while local < end + stretch.offset {
        if matches(local: local) { shown[local, default: []].append(local - stretch.offset) }
        local += step
      }
      if index > 0, stretch.start == start, policy.gap == .shift {
        var skipped = stretch.start + zone.stretches[index - 1].offset
        skipped += ((-skipped) % step + step) % step
        while skipped < stretch.start + stretch.offset {
          if matches(local: skipped) { fires.insert(stretch.start) }
          skipped += step
        }
      }
    }
    for instants in shown.values {
      switch policy.overlap {
      case .first: fires.insert(instants[0])
      case .last: fires.insert(instants[instants.count - 1])
      case .both: fires.formUnion(instants)
      }
    }
    return fires.filter { $0 >= from && $0 <= until }.sorted()
  }

  /// The first `count` fires after `from`, by going through the days and asking of each local time when clocks show it.
  func list(after from: Int, count: Int, days limit: Int) -> [Int] {
    var fires: Set<Int> = []
    let firstDay = from / 86_400 - 3
    let times = (0..<86_400 / (cron.hasSeconds ? 1 : 60)).map { $0 * (cron.hasSeconds ? 1 : 60) }
      .filter { cron.matches(secondOfDay: $0) }
    var extra = 0
    for day in firstDay..<firstDay + limit where day + 3653 < PlainDay.all.count {
      if cron.matches(PlainDay.at(daysSinceEpoch: day)) {
        for time in times { fires.formUnion(instants(local: day * 86_400 + time)) }
      }
      // Instants are not in the order of local times near a change: a few more days settle the order.
      if fires.count(where: { $0 > from }) >= count { extra += 1 }
      if extra > 4 { break }
    }
    return Array(fires.filter { $0 > from }.sorted().prefix(count))
  }

  private func instants(local: Int) -> [Int] {
    let found = zone.stretches.filter { $0.start <= local - $0.offset && local - $0.offset < $0.end }
      .map { local - $0.offset }
    guard let first = found.first, let last = found.last else {
      guard policy.gap == .shift else { return [] }
      let index = zone.stretches.indices.dropFirst().first { index in
        let (before, after) = (zone.stretches[index - 1], zone.stretches[index])
        return local >= before.end + before.offset && local < after.start + after.offset
      }
      return index.map { [zone.stretches[$0].start] } ?? []
    }
    switch policy.overlap {
    case .first: return [first]
    case .last: return [last]
    case .both: return found
    }
  }
}
