internal import Chronology

/// COUNT, turned into an end.
///
/// A rule may count to a million from years ago; a question about today must not count them again. So they are counted
/// once, when the pattern is made, and by months or days rather than one by one.
extension RecurrencePattern {
  /// The local second of the `count`-th time from the start on; a second that nothing comes after when there are fewer.
  ///
  /// - Complexity: a few nanoseconds per month for rules of days; per day for hours, minutes and seconds; a step per
  ///   time with BYSETPOS in weeks, months and years, of which there are at most some ten thousands. At worst some
  ///   tenths of a second.
  func end(afterCount count: Int) -> Int {
    if unit != 86_400 { return endInUnits(count) }
    return positions.isEmpty ? endInDays(count) : endOneByOne(count)
  }

  private static let noEnd = neverLocal - 1

  private func endOneByOne(_ count: Int) -> Int {
    var second = start - 1
    for _ in 0..<count {
      second = nextLocal(from: second + 1)
      if second == neverLocal { return RecurrencePattern.noEnd }
    }
    return second
  }

  private func endInDays(_ count: Int) -> Int {
    let startDay = start.flooredQuotient(by: 86_400)
    let perDay = times.count
    var left = count
    // The first day may have times before the start, which do not count.
    if days.next(from: startDay) == startDay {
      var time = times.next(from: start - startDay * 86_400)
      while let second = time {
        left -= 1
        if left == 0 { return startDay * 86_400 + second }
        time = times.next(from: second + 1)
      }
    }
    var day = startDay + 1
    while let next = days.next(from: day) {
      let date = CivilDate(daysSinceEpoch: next)
      let shape = MonthShape(year: date.year, month: date.month, firstDay: next - date.day + 1)
      let word = days.days(shape) & (~0 << UInt64(date.day))
      let inMonth = word.nonzeroBitCount * perDay
      if inMonth >= left {
        let (index, time) = (left - 1).quotientAndRemainder(dividingBy: perDay)
        return (shape.firstDay + word.bit(index) - 1) * 86_400 + times[time]
      }
      left -= inMonth
      day = shape.firstDay + shape.length
    }
    return RecurrencePattern.noEnd
  }

  private func endInUnits(_ count: Int) -> Int {
    let perDay = unitsPerDay
    var left = count
    let startDay = start.flooredQuotient(by: 86_400)
    // The first day is partial.
    var second = start - 1
    while true {
      second = nextLocal(from: second + 1)
      if second == neverLocal { return RecurrencePattern.noEnd }
      if second >= (startDay + 1) * 86_400 { break }
      left -= 1
      if left == 0 { return second }
    }
    // From then on a day's number of units only depends on where in it the interval first falls.
    var known: [Int: Int] = [:]
    var day = startDay + 1
    while day < CalendarRange.farthestDays, let next = days.next(from: day) {
      let phase = aligned(next * perDay) - next * perDay
      let units: Int
      if let counted = known[phase] {
        units = counted
      } else {
        units = self.units(from: phase)
        known[phase] = units
      }
      if units * times.count >= left {
        let (index, time) = (left - 1).quotientAndRemainder(dividingBy: times.count)
        var unit = nextUnit(from: next * perDay) ?? 0
        for _ in 0..<index { unit = nextUnit(from: unit + 1) ?? 0 }
        return unit * self.unit + times[time]
      }
      left -= units * times.count
      day = next + 1
    }
    return RecurrencePattern.noEnd
  }

  /// The number of units of a day that the rule allows when the interval first falls on the day's unit `phase`.
  private func units(from phase: Int) -> Int {
    let perDay = unitsPerDay
    if interval == 1 { return unitTimes.count }
    var count = 0
    var unit = phase
    while unit < perDay, let second = unitTimes.next(from: unit * self.unit) {
      let fitting = second / self.unit
      if fitting == unit {
        count += 1
        unit += interval
      } else {
        unit += (fitting - unit + interval - 1) / interval * interval
      }
    }
    return count
  }
}
