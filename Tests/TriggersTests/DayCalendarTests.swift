import Chronology
import Testing
import TestSupport

@testable import Triggers

@Suite("Day calendars")
struct DayCalendarTests {
  private let zones = TimeZoneDatabase()

  private func randomCalendar(_ random: inout SeededGenerator, _ zone: TimeZoneRules) -> DayCalendar {
    let ranges = (0..<Int.random(in: 0...12, using: &random)).map { _ in
      let first = 20_000 + Int.random(in: 0..<400, using: &random)
      return first...first + (random.chance(60) ? 0 : Int.random(in: 1...9, using: &random))
    }
    let weekdays: UInt64 =
      ranges.isEmpty || random.chance(50) ? [0b100_0001, 0b10, 0b110_0000].randomElement(using: &random) ?? 1 : 0
    return DayCalendar(ranges: ranges, weekdays: weekdays, zone: zone, hasOwnZone: false)
  }

  private func fires(_ trigger: some Trigger, from: Instant, until: Instant) -> [Instant] {
    var fires: [Instant] = []
    var instant = from
    while let next = trigger.next(after: instant), next <= until {
      fires.append(next)
      instant = next
    }
    return fires
  }

  @Test("only, except and shift agree with going through all fires", arguments: Seeds.with([1, 2]))
  func rules(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 300 : 20) {
      let zone = try zones.zone(named: random.pick(["UTC", "Europe/Berlin", "Asia/Tokyo", "Pacific/Apia"]))
      let calendar = randomCalendar(&random, zone)
      let cron = random.pick([
        "0 9 * * *", "30 8,17 * * mon-fri", "0 12 1,15 * *", "15 */6 * * *", "0 0 * * sat", "59 23 L * *",
      ])
      let context = TriggerContext(zones: zones, zone: zone)
      let base = try TriggerText.parse(cron, context: context).trigger
      // Far enough around the window that nothing moves in from outside.
      let all = fires(base, from: calendar.start(of: 19_900), until: calendar.start(of: 20_600))
      let from =
        calendar.start(of: 20_000 + Int.random(in: 0..<300, using: &random))
        + .seconds(Int.random(in: 0..<86_400, using: &random))
      let until = from + .seconds(100 * 86_400)
      func inWindow(_ instants: [Instant]) -> [Instant] { Set(instants).filter { $0 > from && $0 <= until }.sorted() }
      func moved(_ instant: Instant, _ step: Int) -> Instant {
        var day = calendar.day(of: instant)
        while calendar.contains(day) { day += step }
        let civil = zone.civilTime(at: instant)
        guard day != civil.date.daysSinceEpoch else { return instant }
        return zone.instant(of: CivilDateTime(date: CivilDate(daysSinceEpoch: day), secondOfDay: civil.secondOfDay))
      }
      let expected: [(DayRuleTrigger.Rule, [Instant])] = [
        (.only, all.filter { calendar.contains(calendar.day(of: $0)) }),
        (.except, all.filter { !calendar.contains(calendar.day(of: $0)) }),
        (.next, all.map { moved($0, 1) }), (.previous, all.map { moved($0, -1) }),
      ]
      for (rule, instants) in expected {
        let trigger = DayRuleTrigger(base, calendar, rule)
        #expect(
          fires(trigger, from: from, until: until) == inWindow(instants),
          "seed \(seed): \(rule) \(cron) in \(zone.name), \(calendar.lua(.complete)), from \(from)")
      }
    }
  }

  @Test(
    "a fire every second is moved without going through all of them",
    arguments: [
      ("next", "2026-11-21T12:00:00Z", "2026-11-23T00:00:00Z"),
      ("next", "2026-11-23T10:00:00Z", "2026-11-23T10:00:01Z"),
      ("next", "2026-11-20T23:59:59Z", "2026-11-23T00:00:00Z"),
      ("previous", "2026-11-20T10:00:00Z", "2026-11-20T10:00:01Z"),
      ("previous", "2026-11-20T23:59:59Z", "2026-11-23T00:00:00Z"),
    ])
  func dense(direction: String, after: String, expected: String) throws {
    let text = "shift(cron \"* * * * * *\", calendar_of { weekdays = \"sat,sun\" }, \"\(direction)\")"
    let trigger = try TriggerText.parse(text, context: TriggerContext(zones: zones)).trigger
    let next = trigger.nextFire(after: try ISO8601.parse(after).instant(in: .utc))
    #expect(next == .at(try ISO8601.parse(expected).instant(in: .utc)))
  }

  @Test("its days are found from anywhere", arguments: Seeds.with([3]))
  func days(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<100 {
      let calendar = randomCalendar(&random, .utc)
      for day in stride(from: 19_990, to: 20_430, by: 7) {
        let next = (day..<20_500).first { calendar.contains($0) }
        #expect(calendar.firstDay(from: day) == next)
        var budget = SearchBudget()
        #expect(calendar.freeDay(from: day, step: 1, &budget) == (day..<30_000).first { !calendar.contains($0) })
      }
    }
  }

  @Test("a calendar that holds everything ahead is answered, not searched forever")
  func everything() throws {
    let context = TriggerContext(zones: zones)
    // Every second: a walk over the days for each fire would take minutes.
    let text = "shift(cron \"* * * * * *\", calendar_of { dates = { \"1700-01-01..2261-12-31\" } }, \"next\")"
    let trigger = try TriggerText.parse(text, context: context).trigger
    #expect(trigger.next(after: .epoch) == nil || trigger.next(after: .epoch)! > Instant(seconds: 9_000_000_000))
    #expect(throws: TriggerError.self) {
      try TriggerText.parse("calendar_of { weekdays = \"sun-sat\" }", context: context)
    }
  }
}
