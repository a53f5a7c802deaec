internal import Chronology

/// A recurrence rule with its start: a set of times on a wall clock.
///
/// Time is divided into units: days for rules that repeat daily and more slowly, else hours, minutes or seconds. The
/// rule allows some units, and some times within each. The search finds the unit by words of bits (``RecurrenceDays``)
/// and arithmetic, then the time within it. The one exception is BYSETPOS with weeks, months and years: it chooses
/// from all days and times of a period, so the period's words are computed and the chosen places counted out.
///
/// COUNT is turned into the last time when the pattern is made (``end(afterCount:)``), so that no question has to
/// count.
struct RecurrencePattern: Sendable, WallClockSchedule {
  let days: RecurrenceDays
  let times: RecurrenceTimes
  /// Seconds: 86,400, 3600, 60 or 1.
  let unit: Int
  /// Every how many units, counted from ``startUnit``; 1 for days, whose interval ``days`` knows.
  let interval: Int
  let startUnit: Int
  /// Which hours, minutes and seconds of a day units may begin at; of no account for days.
  let unitTimes: RecurrenceTimes
  /// BYSETPOS in a week, month or year; empty otherwise.
  let positions: [Int]
  /// The local second of the start: nothing comes before it.
  let start: Int
  /// The last local second that may be in the set.
  private(set) var last: Int

  /// Units that a whole day has.
  var unitsPerDay: Int { 86_400 / unit }

  /// - Parameters:
  ///   - start: DTSTART, in seconds since the epoch on the clock of the rule.
  ///   - last: the last second that UNTIL allows.
  /// - Returns: `nil` when the rule never comes true.
  init?(_ rule: RecurrenceRule, start: Int, last: Int = neverLocal - 1) {
    let startDay = start.flooredQuotient(by: 86_400)
    let second = start - startDay * 86_400
    let (allHours, allMinutes): (UInt64, UInt64) = (1 << 24 - 1, 1 << 60 - 1)
    func given(_ bits: UInt64, else bit: Int) -> UInt64 { bits != 0 ? bits : 1 << UInt64(bit) }
    let seconds = given(rule.seconds, else: second % 60)
    let minutes = given(rule.minutes, else: second / 60 % 60)
    let hours = given(rule.hours, else: second / 3600)
    let filterHours = rule.hours != 0 ? rule.hours : allHours
    let filterMinutes = rule.minutes != 0 ? rule.minutes : allMinutes
    let filterSeconds = rule.seconds != 0 ? rule.seconds : allMinutes
    var times: RecurrenceTimes
    switch rule.frequency {
    case .secondly:
      unit = 1
      times = RecurrenceTimes(hours: 1, minutes: 1, seconds: 1)
      unitTimes = RecurrenceTimes(hours: filterHours, minutes: filterMinutes, seconds: filterSeconds)
    case .minutely:
      unit = 60
      times = RecurrenceTimes(hours: 1, minutes: 1, seconds: seconds)
      unitTimes = RecurrenceTimes(hours: filterHours, minutes: filterMinutes, seconds: 1)
    case .hourly:
      unit = 3600
      times = RecurrenceTimes(hours: 1, minutes: minutes, seconds: seconds)
      unitTimes = RecurrenceTimes(hours: filterHours, minutes: 1, seconds: 1)
    default:
      unit = 86_400
      times = RecurrenceTimes(hours: hours, minutes: minutes, seconds: seconds)
      unitTimes = RecurrenceTimes(hours: 1, minutes: 1, seconds: 1)
    }
    if rule.frequency <= .daily, !rule.positions.isEmpty {
      // The period is the unit: the choice is the same in each.
      guard let chosen = times.choosing(rule.positions) else { return nil }
      times = chosen
    }
    positions = rule.frequency > .daily ? rule.positions : []
    days = RecurrenceDays(rule, start: startDay)
    self.times = times
    interval = rule.frequency < .daily ? rule.interval : 1
    startUnit = start.flooredQuotient(by: unit)
    self.start = start
    self.last = last
    guard !days.isEmpty, meetsItsInterval, nextLocal(from: start) != neverLocal else { return nil }
    if let count = rule.count { self.last = min(last, end(afterCount: count)) }
  }

  /// The same, without what comes after `last`.
  func ending(at last: Int) -> RecurrencePattern {
    var pattern = self
    pattern.last = min(self.last, last)
    return pattern
  }

  func nextLocal(from local: Int) -> Int {
    let from = max(local, start)
    if from > last { return neverLocal }
    let next =
      unit == 86_400
      ? (positions.isEmpty ? nextDaily(from: from) : nextPositioned(from: from)) : nextInUnits(from: from)
    return next <= last ? next : neverLocal
  }

  private func nextDaily(from local: Int) -> Int {
    let day = local.flooredQuotient(by: 86_400)
    guard var next = days.next(from: day) else { return neverLocal }
    if next == day {
      if let time = times.next(from: local &- day &* 86_400) { return day &* 86_400 &+ time }
      guard let later = days.next(from: day &+ 1) else { return neverLocal }
      next = later
    }
    return next &* 86_400 &+ times.first
  }
}

// MARK: Hours, minutes and seconds

extension RecurrencePattern {
  private func nextInUnits(from local: Int) -> Int {
    let unit = local.flooredQuotient(by: unit)
    guard var next = nextUnit(from: unit) else { return neverLocal }
    if next == unit {
      if let time = times.next(from: local - unit * self.unit) { return unit * self.unit + time }
      guard let later = nextUnit(from: unit + 1) else { return neverLocal }
      next = later
    }
    return next * self.unit + times.first
  }

  /// The first unit at or after the given one that the interval reaches.
  @inline(__always)
  func aligned(_ unit: Int) -> Int {
    if interval == 1 { return unit }
    return startUnit - (startUnit - unit).flooredQuotient(by: interval) * interval
  }

  /// The first unit at or after `unit` that the rule allows, or `nil`.
  ///
  /// The day, the time of day and the interval are asked in turn, and each answer moves the search on, until all agree.
  ///
  /// - Complexity: a step or two where the interval divides the day; with one that does not, a step per candidate of
  ///   the rarer of the two, time of day and interval, until they meet.
  func nextUnit(from unit: Int) -> Int? {
    let perDay = unitsPerDay
    var unit = aligned(unit)
    var allowedDay = Int.min
    while true {
      let day = unit.flooredQuotient(by: perDay)
      if day != allowedDay {
        guard day < CalendarRange.farthestDays, let next = days.next(from: day) else { return nil }
        allowedDay = next
        if next != day {
          unit = aligned(next * perDay)
          continue
        }
      }
      let inDay = unit - day * perDay
      guard let second = unitTimes.next(from: inDay * self.unit) else {
        unit = aligned((day + 1) * perDay)
        continue
      }
      let fitting = second / self.unit
      if fitting == inDay { return unit }
      unit = aligned(day * perDay + fitting)
    }
  }

  /// Whether any time of day is ever reached by the interval. "Every 2 seconds" from an odd second on never meets
  /// second 0, and only arithmetic can tell: units that the interval reaches are equal modulo what it has in common
  /// with a day.
  private var meetsItsInterval: Bool {
    let perDay = unitsPerDay
    var (common, rest) = (interval, perDay)
    while rest != 0 { (common, rest) = (rest, common % rest) }
    let residue = startUnit - startUnit.flooredQuotient(by: common) * common
    var second = 0
    while let next = unitTimes.next(from: second) {
      if (next / unit) % common == residue { return true }
      second = next + unit
    }
    return false
  }
}

// MARK: BYSETPOS

extension RecurrencePattern {
  /// The first chosen time at or after `local`. All chosen times are on days of ``days``, so only periods that have
  /// some are looked at, each as a whole.
  private func nextPositioned(from local: Int) -> Int {
    var day = local.flooredQuotient(by: 86_400)
    while let next = days.next(from: day) {
      let period = days.period(of: next)
      let found = chosen(in: period, from: local)
      if found != neverLocal { return found }
      day = period.upperBound + 1
    }
    return neverLocal
  }

  /// The first of the times that BYSETPOS chooses in a period that is not before `local`.
  private func chosen(in period: ClosedRange<Int>, from local: Int) -> Int {
    // A year has twelve months, a week lies in two at most.
    var words = InlineArray<12, UInt64>(repeating: 0)
    var firstDays = InlineArray<12, Int>(repeating: 0)
    var months = 0
    var dayCount = 0
    var date = CivilDate(daysSinceEpoch: period.lowerBound)
    var shape = MonthShape(year: date.year, month: date.month, firstDay: period.lowerBound - date.day + 1)
    while true {
      var word = days.days(shape)
      if shape.firstDay < period.lowerBound { word &= ~0 << UInt64(period.lowerBound - shape.firstDay + 1) }
      let beyond = shape.firstDay + shape.length - 1 - period.upperBound
      if beyond > 0 { word &= shape.allDays >> UInt64(beyond) }
      words[months] = word
      firstDays[months] = shape.firstDay
      dayCount += word.nonzeroBitCount
      months += 1
      let following = shape.firstDay + shape.length
      if following > period.upperBound { break }
      date = CivilDate(daysSinceEpoch: following)
      shape = MonthShape(year: date.year, month: date.month, firstDay: following)
    }
    let timesPerDay = times.count
    let total = dayCount * timesPerDay
    var best = neverLocal
    for position in positions {
      let index = position > 0 ? position - 1 : total + position
      guard index >= 0, index < total else { continue }
      var (dayIndex, time) = index.quotientAndRemainder(dividingBy: timesPerDay)
      var month = 0
      while dayIndex >= words[month].nonzeroBitCount {
        dayIndex -= words[month].nonzeroBitCount
        month += 1
      }
      let second = (firstDays[month] + words[month].bit(dayIndex) - 1) * 86_400 + times[time]
      if second >= local { best = min(best, second) }
    }
    return best
  }
}
