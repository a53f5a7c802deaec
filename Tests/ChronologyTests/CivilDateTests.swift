import Testing

@testable import Chronology

@Suite("Civil dates")
struct CivilDateTests {
  @Test("every day of 1600 to 2400 is the day after the one before")
  func everyDay() {
    // 1600-01-01 was a Saturday, 135,140 days before the epoch.
    var (year, month, day, weekday) = (1600, 1, 1, 6)
    var (weekYear, week) = (1599, 52)
    for number in -135_140...157_419 {
      let date = CivilDate(daysSinceEpoch: number)
      guard date.year == year, date.month == month, date.day == day, date.daysSinceEpoch == number,
        date.weekday == weekday, date.isoWeek == (weekYear, week)
      else {
        Issue.record(
          "day \(number) is \(date), week \(date.isoWeek), not \(year)-\(month)-\(day), \(weekYear)-W\(week)")
        return
      }
      let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
      let length = month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
      guard CivilDate.daysInMonth(month, year: year) == length, CivilDate.isLeap(year) == isLeap else {
        Issue.record("month \(year)-\(month) has the wrong length")
        return
      }
      day += 1
      if day > length { (month, day) = (month + 1, 1) }
      if month > 12 { (year, month) = (year + 1, 1) }
      weekday = (weekday + 1) % 7
      if weekday == 1 {
        // A new ISO week; it is the year's first when its Thursday is the first of the year.
        let thursday = CivilDate(daysSinceEpoch: number + 4)
        if thursday.month == 1, thursday.day <= 7 { (weekYear, week) = (thursday.year, 1) } else { week += 1 }
      }
    }
    #expect((year, month, day) == (2401, 1, 1))
  }

  @Test(
    "dates that do not exist are refused",
    arguments: [
      (2026, 2, 29), (2100, 2, 29), (2026, 4, 31), (2026, 0, 1), (2026, 13, 1), (2026, 1, 0), (2026, 1, 32),
      (40_000, 1, 1),
    ])
  func impossible(year: Int, month: Int, day: Int) {
    #expect(CivilDate(validating: year, month: month, day: day) == nil)
  }

  @Test(
    "civil times go to local seconds and back, before and after the epoch",
    arguments: [
      -1, 0, 86_399, 86_400, -86_400, -86_401, 1_790_000_000, -2_208_988_800,
    ])
  func localSeconds(second: Int) {
    #expect(CivilDateTime(localSeconds: second).localSeconds == second)
  }
}
