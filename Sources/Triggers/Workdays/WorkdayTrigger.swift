package import Chronology

/// Fires on the n-th working day of each month, counted from its beginning or its end, at a time of day on the clocks
/// of a zone.
///
/// Working days are Monday to Friday without the days of a calendar. A month that has fewer has no fire.
///
///     WorkdayTrigger(-1, calendar: holidays, secondOfDay: 18 * 3600, zone: berlin, …)     // 18:00 on the last one
package final class WorkdayTrigger: PlainTriggerKind {
  /// 1...23 from the month's beginning, −1...−23 from its end.
  let number: Int
  let calendar: DayCalendar?
  /// Seconds after midnight.
  let secondOfDay: Int
  package let zone: TimeZoneRules
  let hasOwnZone: Bool
  let dst: DSTPolicy
  private let search: WallClockSearch

  /// No month has more weekdays from Monday to Friday.
  static let most = 23

  init(
    _ number: Int, calendar: DayCalendar?, secondOfDay: Int, zone: TimeZoneRules, hasOwnZone: Bool, dst: DSTPolicy
  ) {
    precondition(
      number != 0 && number.magnitude <= WorkdayTrigger.most, "a working day is the 1st to 23rd from either end"
    )
    self.number = number
    self.calendar = calendar
    self.secondOfDay = secondOfDay
    self.zone = zone
    self.hasOwnZone = hasOwnZone
    self.dst = dst
    search = WallClockSearch(zone: zone, policy: dst.resolved(followsClock: false))
  }

  /// - Complexity: O(n log c) for the n-th day and a calendar of c dates: about a tenth of a microsecond; a step per
  ///   month without a fire. Does not allocate.
  package func next(after instant: Instant) -> Instant? { search.next(of: self, after: instant) }

  /// The day (since the epoch) in a month, or `nil` when it has too few.
  private func day(in shape: MonthShape) -> Int? {
    let isFromEnd = number < 0
    var left = abs(number)
    for index in 1...shape.length {
      let day = isFromEnd ? shape.length + 1 - index : index
      let isWeekday = (1...5).contains(shape.weekday(of: day))
      guard isWeekday, calendar?.contains(shape.firstDay + day - 1) != true else { continue }
      left -= 1
      if left == 0 { return shape.firstDay + day - 1 }
    }
    return nil
  }
}

extension WorkdayTrigger: WallClockSchedule {
  func nextLocal(from local: Int) -> Int {
    let today = local.flooredQuotient(by: 86_400)
    let date = CivilDate(daysSinceEpoch: today)
    var shape = MonthShape(year: date.year, month: date.month, firstDay: today - date.day + 1)
    while shape.year <= CalendarRange.lastYear {
      if let day = day(in: shape), day * 86_400 + secondOfDay >= local { return day * 86_400 + secondOfDay }
      let isDecember = shape.month == 12
      shape = MonthShape(
        year: isDecember ? shape.year + 1 : shape.year, month: isDecember ? 1 : shape.month + 1,
        firstDay: shape.firstDay + shape.length)
    }
    return neverLocal
  }
}

extension WorkdayTrigger: Hashable {
  package static func == (left: WorkdayTrigger, right: WorkdayTrigger) -> Bool {
    left === right
      || left.number == right.number && left.secondOfDay == right.secondOfDay && left.dst == right.dst
        && left.zone == right.zone && left.calendar == right.calendar
  }

  package func hash(into hasher: inout Hasher) {
    hasher.combine(number)
    hasher.combine(secondOfDay)
    hasher.combine(zone)
  }
}

extension WorkdayTrigger {
  package var zones: [TimeZoneRules] { [zone] }

  /// `1st`, `22nd`, `-3`, `last`: as the constructor reads it.
  private var word: String {
    if number == -1 { return "last" }
    return number < 0 ? "\(number)" : EnglishText.numbered(number)
  }

  /// `workdays("2nd", { hour = 9, calendar = calendar_of { … } })`.
  package func lua(_ form: LuaForm) -> String { lua(form, bounds: []) }

  package func lua(_ form: LuaForm, from: Instant?, until: Instant?) -> String? {
    lua(form, bounds: WrittenOptions.bounds(from: from, until: until, zone: zone))
  }

  private func lua(_ form: LuaForm, bounds: [(key: String, literal: String)]) -> String {
    var options: [(key: String, literal: String)] = []
    if let calendar { options.append(("calendar", calendar.lua(form))) }
    if secondOfDay >= 3600 { options.append(("hour", "\(secondOfDay / 3600)")) }
    if secondOfDay % 3600 >= 60 { options.append(("minute", "\(secondOfDay / 60 % 60)")) }
    if secondOfDay % 60 != 0 { options.append(("second", "\(secondOfDay % 60)")) }
    options += WrittenOptions.clock(zone: zone, hasOwnZone: hasOwnZone, dst: dst, form)
    return LuaText.call("workdays", LuaText.quote(word), options: options + bounds)
  }

  /// `At 09:00 on the second working day of the month, Europe/Berlin time`.
  package var explanation: String {
    let clock = [secondOfDay / 3600, secondOfDay / 60 % 60, secondOfDay % 60].map(EnglishText.two)
    let time = secondOfDay % 60 == 0 ? "\(clock[0]):\(clock[1])" : clock.joined(separator: ":")
    let day: String
    switch number {
    case -1: day = "last"
    case ..<0: day = "\(EnglishText.ordinal(-number)) to last"
    default: day = EnglishText.ordinal(number)
    }
    let holidays = calendar.map { ", \($0.words()) not counted" } ?? ""
    return "At \(time) on the \(day) working day of the month\(holidays)" + EnglishText.clock(zone, dst)
  }
}
