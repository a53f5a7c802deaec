/// The times within a unit of a recurrence rule (a day, an hour, a minute), in seconds from its beginning: hours,
/// minutes and seconds in all combinations, or those of them that BYSETPOS chooses.
struct RecurrenceTimes: Sendable, Hashable {
  /// Bits 0...23, 0...59 and 0...59; none is empty.
  let hours: UInt64
  let minutes: UInt64
  let seconds: UInt64
  /// Ascending; empty when all combinations count.
  private var chosen: [Int] = []

  init(hours: UInt64, minutes: UInt64, seconds: UInt64) {
    self.hours = hours
    self.minutes = minutes
    self.seconds = seconds
  }

  /// The number of times.
  var count: Int {
    chosen.isEmpty ? hours.nonzeroBitCount * minutes.nonzeroBitCount * seconds.nonzeroBitCount : chosen.count
  }

  /// The first of them.
  var first: Int {
    chosen.isEmpty
      ? hours.trailingZeroBitCount &* 3600 &+ minutes.trailingZeroBitCount &* 60 &+ seconds.trailingZeroBitCount
      : chosen[0]
  }

  /// The one at `index`, counted from 0.
  subscript(index: Int) -> Int {
    guard chosen.isEmpty else { return chosen[index] }
    let (minute, second) = index.quotientAndRemainder(dividingBy: seconds.nonzeroBitCount)
    let (hour, minuteOfHour) = minute.quotientAndRemainder(dividingBy: minutes.nonzeroBitCount)
    return hours.bit(hour) * 3600 + minutes.bit(minuteOfHour) * 60 + seconds.bit(second)
  }

  /// The first at or after `second` (not negative), or `nil` when the unit has no more.
  @inline(__always)
  func next(from second: Int) -> Int? {
    if !chosen.isEmpty { return chosen.first { $0 >= second } }
    let minuteOfUnit = second / 60
    let hour = minuteOfUnit / 60
    guard hour < 24 else { return nil }
    if hours &>> UInt64(hour) & 1 != 0 {
      let minute = minuteOfUnit &- hour &* 60
      if minutes &>> UInt64(minute) & 1 != 0 {
        let left = seconds &>> UInt64(second &- minuteOfUnit &* 60)
        if left != 0 { return second &+ left.trailingZeroBitCount }
      }
      // `minute + 1` is at most 60: the shift is in range.
      let left = minutes &>> UInt64(minute &+ 1)
      if left != 0 { return (minuteOfUnit &+ 1 &+ left.trailingZeroBitCount) &* 60 &+ seconds.trailingZeroBitCount }
    }
    let left = hours &>> UInt64(hour &+ 1)
    guard left != 0 else { return nil }
    return (hour &+ 1 &+ left.trailingZeroBitCount) &* 3600 &+ minutes.trailingZeroBitCount &* 60
      &+ seconds.trailingZeroBitCount
  }

  /// Only the times at these places, counted from 1, or from the end with −1; `nil` when there is none there.
  func choosing(_ positions: [Int]) -> RecurrenceTimes? {
    let count = count
    var indices: Set<Int> = []
    for position in positions {
      let index = position > 0 ? position - 1 : count + position
      if (0..<count).contains(index) { indices.insert(index) }
    }
    guard !indices.isEmpty else { return nil }
    var times = self
    times.chosen = indices.sorted().map { self[$0] }
    return times
  }
}

extension UInt64 {
  /// The place of the set bit that has `index` set bits below it.
  ///
  /// - Complexity: O(`index`).
  func bit(_ index: Int) -> Int {
    var rest = self
    for _ in 0..<index { rest &= rest &- 1 }
    return rest.trailingZeroBitCount
  }
}
