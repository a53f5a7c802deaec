internal import Basics
internal import Chronology
/// The days that the events of calendar files (`.ics`) touch: one bit for each day up to the end of ``Instant``'s
/// range.
///
/// A calendar without an end, Christmas every year, is therefore a finite value, at most 27 KB long; whether a day is
/// in it is one load, however many events there are.
package struct CalendarDays: Sendable, Hashable {
  /// The day (since the epoch) of bit 0 of the first word.
  static let first = -107_200
  /// Days beyond the last word's end are after all instants.
  static let last = 107_200
  private var words = [UInt64](repeating: 0, count: (last - first) / 64 + 1)

  init() {}

  /// Whether there is no day.
  var isEmpty: Bool { words.allSatisfy { $0 == 0 } }

  /// The number of days.
  var count: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }

  /// Adds `count` days from `day` on; those out of range are left out.
  ///
  /// - Complexity: a step per 64 days.
  mutating func insert(_ day: Int, count: Int = 1) {
    var index = max(day, CalendarDays.first) - CalendarDays.first
    let end = min(max(day, CalendarDays.first).addingCapped(count), CalendarDays.last) - CalendarDays.first
    while index < end {
      let bits = min(64 - index & 63, end - index)
      let mask: UInt64 = bits == 64 ? ~0 : (1 << UInt64(bits)) - 1
      words[index >> 6] |= mask << UInt64(index & 63)
      index += bits
    }
  }

  mutating func formUnion(_ other: CalendarDays) {
    for index in words.indices { words[index] |= other.words[index] }
  }

  func contains(_ day: Int) -> Bool {
    guard day >= CalendarDays.first, day < CalendarDays.last else { return false }
    let index = day - CalendarDays.first
    return words[index >> 6] >> UInt64(index & 63) & 1 != 0
  }

  /// The first day at or after `day`, or `nil`.
  ///
  /// - Complexity: a step per 64 days passed over.
  func next(from day: Int) -> Int? {
    let start = max(day, CalendarDays.first) - CalendarDays.first
    var word = start >> 6
    guard word < words.count else { return nil }
    var left = words[word] & (~0 << UInt64(start & 63))
    while left == 0 {
      word += 1
      guard word < words.count else { return nil }
      left = words[word]
    }
    return CalendarDays.first + word << 6 + left.trailingZeroBitCount
  }

  /// A number that differs when the days do, the same in every process.
  var fingerprint: UInt64 { words.reduce(0) { StableHash.mix($0 ^ $1) } }
}

extension Int {
  /// The sum, or the greatest number when that is less.
  fileprivate func addingCapped(_ other: Int) -> Int {
    let (sum, overflow) = addingReportingOverflow(other)
    return overflow ? .max : sum
  }
}
