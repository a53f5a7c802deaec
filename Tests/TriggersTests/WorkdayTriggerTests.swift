import Chronology
import Testing
import TestSupport

@testable import Triggers

@Suite("Working days")
struct WorkdayTriggerTests {
  private let zones = TimeZoneDatabase()

  @Test("agree with counting the days of each month", arguments: Seeds.with([1, 2]))
  func counting(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<60 {
      let zone = try zones.zone(named: random.pick(["UTC", "Europe/Berlin", "America/Santiago", "Pacific/Apia"]))
      let number = Int.random(in: 1...23, using: &random) * (random.chance(50) ? 1 : -1)
      let second = random.chance(20) ? 0 : Int.random(in: 0..<86_400, using: &random)
      var calendar: DayCalendar?
      if random.chance(70) {
        let ranges = (0..<Int.random(in: 1...30, using: &random)).map { _ in
          let first = 20_000 + Int.random(in: 0..<800, using: &random)
          return first...first + (random.chance(60) ? 0 : Int.random(in: 1...40, using: &random))
        }
        calendar = DayCalendar(
          ranges: ranges, weekdays: random.pick([0, 0, 0b10, 0b110_0000]), zone: .utc, hasOwnZone: false)
      }
      let trigger = WorkdayTrigger(
        number, calendar: calendar, secondOfDay: second, zone: zone, hasOwnZone: false, dst: DSTPolicy())
      var expected: [Instant] = []
      for month in 0..<36 {
        var days: [CivilDate] = []
        for day in 1...31 {
          let date = CivilDate(validating: 2024 + month / 12, month: month % 12 + 1, day: day)
          guard let date, (1...5).contains(date.weekday), calendar?.contains(date.daysSinceEpoch) != true else {
            continue
          }
          days.append(date)
        }
        let index = number > 0 ? number - 1 : days.count + number
        guard days.indices.contains(index) else { continue }
        expected.append(zone.instant(of: CivilDateTime(date: days[index], secondOfDay: second)))
      }
      var instant = zone.instant(of: CivilDateTime(year: 2024, month: 1, day: 1)).advanced(byNanoseconds: -1)
      for fire in expected {
        let next = trigger.next(after: instant)
        #expect(next == fire, "seed \(seed): \(trigger.lua(.complete)) after \(instant)")
        instant = fire
      }
    }
  }

  @Test(
    "its text makes it again, short and complete",
    arguments: [
      "workdays \"1st\"", "workdays \"last\"", "workdays \"-3\"",
      "workdays(\"22nd\", { hour = 9, minute = 5, second = 1 })",
      "workdays(\"3rd\", { calendar = calendar_of { dates = { \"2026-12-25\" } }, hour = 18 })",
      "workdays(\"11th\", { hour = 9, timezone = \"Asia/Tokyo\" })",
      "workdays(\"2nd\", { start_date = \"2027-01-01\", end_date = \"2027-12-31\" })",
    ])
  func text(text: String) throws {
    let context = TriggerContext(zones: zones, zone: try zones.zone(named: "Europe/Berlin"))
    let trigger = try TriggerText.parse(text, context: context).trigger
    #expect(trigger.lua == text)
    let complete = try TriggerText.parse(trigger.text, context: TriggerContext(zones: zones)).trigger
    #expect(complete == trigger && complete.text == trigger.text)
  }

  @Test("numbers, words and ordinals name the same days")
  func spellings() throws {
    let context = TriggerContext(zones: zones)
    for (one, other) in [("2", "\"2nd\""), ("-1", "\"last\""), ("1", "\"first\""), ("\"-3\"", "-3"), ("3.0", "\"3\"")] {
      let triggers = try [one, other].map { try TriggerText.parse("workdays(\($0))", context: context).trigger }
      #expect(triggers[0] == triggers[1])
    }
  }

  @Test("a calendar of everything ahead is refused in a moment")
  func everything() throws {
    let context = TriggerContext(zones: zones, now: .epoch)
    #expect(throws: TriggerError.self) {
      try TriggerText.parse(
        "workdays(\"1st\", { calendar = calendar_of { dates = { \"1900-01-01..2262-12-31\" } } })", context: context)
    }
  }
}

@Suite("Texts of the sky's triggers")
struct SkyTextTests {
  private let zones = TimeZoneDatabase()

  @Test(
    "make them again",
    arguments: [
      "solar(\"sunrise\", { latitude = 52.52, longitude = 13.405 })",
      "solar(\"sunset\", { latitude = -33.87, longitude = -70, offset = \"-30m\" })",
      "solar(\"dawn\", { latitude = 0, longitude = 0, depression = \"astronomical\", offset = \"90m\" })",
      "solar(\"dusk\", { latitude = 0, longitude = 0, depression = 4.5 })",
      "solar(\"noon\", { latitude = 90, longitude = 180 })",
      "lunar \"full\"", "lunar(\"last_quarter\", { offset = \"-1d\" })",
      "lunar(\"new\", { start_date = \"2027-01-01T00:00:00Z\" })",
    ])
  func text(text: String) throws {
    let trigger = try TriggerText.parse(text, context: TriggerContext(zones: zones)).trigger
    #expect(trigger.lua == text)
    let complete = try TriggerText.parse(trigger.text, context: TriggerContext(zones: zones)).trigger
    #expect(complete == trigger && complete.text == trigger.text && !trigger.needsAnchor)
  }

  @Test("what is given by default need not be written")
  func defaults() throws {
    let context = TriggerContext(zones: zones)
    let place = "latitude = 1, longitude = 2"
    for depression in ["depression = \"civil\"", "depression = 6", "depression = 6.0"] {
      let trigger = try TriggerText.parse("solar(\"dawn\", { \(place), \(depression), offset = 0 })", context: context)
        .trigger
      #expect(trigger.lua == "solar(\"dawn\", { latitude = 1, longitude = 2 })")
    }
  }
}
