/// A POSIX `TZ` string with the extensions of RFC 9636: `CET-1CEST,M3.5.0,M10.5.0/3`,
/// `<-02>2<-01>,M3.5.0/-1,M10.5.0/0`.
///
/// It is the rule that a zone follows after the last change in its file.
struct PosixTimeZone {
  /// Seconds ahead of UTC outside daylight saving time.
  let standardOffset: Int
  /// Daylight saving time, when there is one.
  let daylight: Daylight?

  struct Daylight {
    let offset: Int
    let start: Change
    let end: Change
  }

  /// A yearly change: a day, and seconds after that day's midnight on the clock in force (may be negative or over 24
  /// hours).
  struct Change {
    let day: Day
    let second: Int
  }

  enum Day {
    /// `Jn`: 1...365, never counting 29 February.
    case julian(Int)
    /// `n`: 0...365, counting it.
    case ordinal(Int)
    /// `Mm.w.d`: weekday d (0 is Sunday) of week w (5 is the last) of month m.
    case monthWeekday(month: Int, week: Int, weekday: Int)

    /// Days since the epoch, in `year`.
    func daysSinceEpoch(in year: Int) -> Int {
      let first = CivilDate(year: year, month: 1, day: 1).daysSinceEpoch
      switch self {
      case .julian(let number):
        return first + number - 1 + (number >= 60 && CivilDate.isLeap(year) ? 1 : 0)
      case .ordinal(let number):
        return first + number
      case .monthWeekday(let month, let week, let weekday):
        let start = CivilDate(year: year, month: month, day: 1).daysSinceEpoch
        var day = (weekday - CivilDate.weekday(daysSinceEpoch: start) + 7) % 7 + (week - 1) * 7
        if day >= CivilDate.daysInMonth(month, year: year) { day -= 7 }
        return start + day
      }
    }
  }

  /// Whether all its abbreviations have three letters at least, as POSIX asks of `TZ`. (It keeps `B4` from being one.)
  let hasLongNames: Bool

  /// - Parameter isComplete: whether a daylight saving time must say when it begins and ends. Where it need not, as in
  ///   `TZ`, glibc's default fills in: from the second Sunday of March to the first one of November.
  init(_ text: String, isComplete: Bool = true) throws(TimeZoneError) {
    var scanner = Scanner(text: text)
    var shortest = try scanner.name()
    standardOffset = -(try scanner.time(hours: 24))
    guard !scanner.isAtEnd else {
      daylight = nil
      hasLongNames = shortest >= 3
      return
    }
    shortest = min(shortest, try scanner.name())
    hasLongNames = shortest >= 3
    let isPlain = scanner.isAtComma || !isComplete && scanner.isAtEnd
    let offset = isPlain ? standardOffset + 3600 : -(try scanner.time(hours: 24))
    if !isComplete, scanner.isAtEnd {
      daylight = Daylight(
        offset: offset, start: Change(day: .monthWeekday(month: 3, week: 2, weekday: 0), second: 7200),
        end: Change(day: .monthWeekday(month: 11, week: 1, weekday: 0), second: 7200))
      return
    }
    let start = try scanner.change()
    let end = try scanner.change()
    guard scanner.isAtEnd else { throw scanner.error }
    daylight = Daylight(offset: offset, start: start, end: end)
  }

  /// The changes of `year`, ascending, in POSIX seconds.
  func changes(in year: Int) -> [(at: Int, offset: Int)] {
    guard let daylight else { return [] }
    let start = daylight.start.day.daysSinceEpoch(in: year) * 86_400 + daylight.start.second - standardOffset
    let end = daylight.end.day.daysSinceEpoch(in: year) * 86_400 + daylight.end.second - daylight.offset
    return start <= end
      ? [(start, daylight.offset), (end, standardOffset)] : [(end, standardOffset), (start, daylight.offset)]
  }

  private struct Scanner {
    private let text: String
    private let bytes: [UInt8]
    private var position = 0

    init(text: String) {
      self.text = text
      bytes = Array(text.utf8)
    }

    var error: TimeZoneError { TimeZoneError("its rule \"\(text)\" cannot be read") }
    var isAtEnd: Bool { position == bytes.count }
    var isAtComma: Bool { !isAtEnd && bytes[position] == UInt8(ascii: ",") }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard !isAtEnd, bytes[position] == UInt8(ascii: scalar) else { return false }
      position += 1
      return true
    }

    /// An abbreviation: letters, or anything between angle brackets. Returns how many.
    mutating func name() throws(TimeZoneError) -> Int {
      let start = position
      if take("<") {
        while !take(">") {
          guard !isAtEnd else { throw error }
          position += 1
        }
        return position - start - 2
      }
      while !isAtEnd, (65...90).contains(bytes[position] & 0xDF) { position += 1 }
      guard position > start else { throw error }
      return position - start
    }

    mutating func number(_ range: ClosedRange<Int>) throws(TimeZoneError) -> Int {
      var value = 0
      var count = 0
      while !isAtEnd, (48...57).contains(bytes[position]), count < 4 {
        value = value * 10 + Int(bytes[position]) - 48
        position += 1
        count += 1
      }
      guard count > 0, range.contains(value) else { throw error }
      return value
    }

    /// `[+-]hh[:mm[:ss]]` in seconds.
    mutating func time(hours: Int) throws(TimeZoneError) -> Int {
      let negative = take("-")
      if !negative { _ = take("+") }
      var seconds = try number(0...hours) * 3600
      if take(":") {
        seconds += try number(0...59) * 60
        if take(":") { seconds += try number(0...59) }
      }
      return negative ? -seconds : seconds
    }

    mutating func change() throws(TimeZoneError) -> Change {
      guard take(",") else { throw error }
      let day: Day
      if take("M") {
        let month = try number(1...12)
        guard take(".") else { throw error }
        let week = try number(1...5)
        guard take(".") else { throw error }
        day = .monthWeekday(month: month, week: week, weekday: try number(0...6))
      } else if take("J") {
        day = .julian(try number(1...365))
      } else {
        day = .ordinal(try number(0...365))
      }
      return Change(day: day, second: take("/") ? try time(hours: 167) : 7200)
    }
  }
}
