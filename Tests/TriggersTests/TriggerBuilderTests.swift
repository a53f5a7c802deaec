import Basics
import Chronology
import Testing

@testable import Triggers

private let zones = TimeZoneDatabase()

private func context(_ zone: String = "UTC", now: String? = nil) throws -> TriggerContext {
  TriggerContext(
    zones: zones, zone: try zones.zone(named: zone), jobName: "job",
    now: try now.map { try ISO8601.parse($0).instant(in: .utc) })
}

private func trigger(_ text: String, _ zone: String = "UTC") throws -> AnyTrigger {
  try TriggerText.parse(text, context: context(zone)).trigger
}

private func instant(_ text: String) throws -> Instant { try ISO8601.parse(text).instant(in: .utc) }

@Suite("Triggers as text")
struct TriggerRoundTripTests {
  private static let triggers = [
    "cron \"0 3 * * *\"", "cron \"*/5 9-17 * * mon-fri\"", "cron \"0 0 LW,15W,L-3 * friL,mon#2\"", "cron \"@daily\"",
    "cron \"H H(0-5) * * *\"", "cron(\"30 0 12 * * ? 2030\", { timezone = \"Asia/Tokyo\" })",
    "cron(\"0 3 * * *\", { dst = { gap = \"skip\", overlap = \"both\" }, start_date = \"2026-01-01\", end_date = \"2027-01-01\" })",
    "cron { hour = \"9-17\", minute = 30 }", "cron { day = \"2nd fri,last sun,15\", hour = 3 }",
    "cron { week = \"*/2\", day_of_week = \"mon\" }",
    "every \"90s\"", "every \"250ms\"",
    "every(\"1d\", { start_date = \"2026-01-01T00:00:00.5Z\", end_date = \"2027-01-01\" })",
    "every(\"7s\", { anchor = 0 })", "at \"2027-01-01\"", "at { \"2027-01-01\", \"2026-06-01 12:00:00.123\" }",
    "calendar { months = 2, day = 31, hour = 6 }",
    "calendar { years = 1, weeks = 1, hour = 6, minute = 5, second = 4 }",
    "calendar { months = 1, day = \"last\", start_date = \"2026-01-31 06:00\", end_date = \"2030-01-01\" }",
    "any_of { cron \"0 3 * * *\", every \"6h\", startup() }", "all_of { cron \"0 0 13 * *\", cron \"0 0 * * fri\" }",
    "any_of { every \"6h\", start_date = \"2026-01-01\", end_date = \"2026-02-01\" }",
    "except(cron \"0 9 * * *\", { \"2026-11-23\", \"2026-12-24..2026-12-31\", cron \"0 9 1 * *\" })",
    "except(every \"1h\", \"2026-11-23 12:00\")", "on_calendar \"Mon..Fri *-*~03 0/6:00\"",
    "on_calendar \"weekly Asia/Tokyo\"",
    "calendar_of { dates = { \"2026-12-25\", \"2026-12-28..2026-12-31\" }, weekdays = { \"sat\", \"sun\" } }",
    "only(cron \"0 9 * * *\", calendar_of { weekdays = \"mon-fri\" })",
    "except(every \"1h\", calendar_of { weekdays = \"sat,sun\" })",
    "shift(cron \"0 9 1 * *\", calendar_of { weekdays = \"sat,sun\", timezone = \"Asia/Tokyo\" }, \"previous\")",
    "on_calendar(\"02:30\", { dst = { gap = \"skip\" } })", "startup()", "cron \"@reboot\"",
    "all_of { except(cron \"0 * * * *\", cron \"0 12 * * *\"), any_of { cron \"0 */3 * * *\", every(\"1h\", { anchor = 0 }) } }",
  ]

  @Test("the complete text makes an equal trigger anywhere, and itself again", arguments: triggers)
  func text(written: String) throws {
    let original = try trigger(written, "Europe/Berlin")
    // Elsewhere: another zone, no job.
    let elsewhere = TriggerContext(zones: zones, zone: .utc)
    let again = try TriggerText.parse(original.text, context: elsewhere).trigger
    #expect(again == original, "\(original.text)")
    #expect(again.text == original.text)
    #expect(again.hashValue == original.hashValue)
  }

  @Test("the short Lua makes an equal trigger where it was made", arguments: triggers)
  func lua(written: String) throws {
    let original = try trigger(written, "Europe/Berlin")
    let again = try trigger(original.lua, "Europe/Berlin")
    #expect(again == original, "\(original.lua)")
    #expect(again.lua == original.lua)
    #expect(again.description == original.description)
    #expect(original.lua.utf8.count <= original.text.utf8.count)
  }

  @Test("layout, case and order of writing make no difference")
  func canonical() throws {
    #expect(try trigger("cron ' 0  3 * *\tMON-Fri '") == trigger("cron \"0 3 * * mon-fri\""))
    #expect(try trigger("cron { minute = 30, hour = 3 }") == trigger("cron { hour = 3, minute = \"30\" }"))
    #expect(try trigger("every { minutes = 1, seconds = 30 }") == trigger("every(90)"))
    #expect(try trigger("at { \"2027-01-02\", \"2027-01-01\" }") == trigger("at { \"2027-01-01\", \"2027-01-02\" }"))
    #expect(try trigger("cron \"0 3 * * *\"") != trigger("cron \"0 3 * * *\"", "Europe/Berlin"))
    #expect(
      try trigger("cron \"H 3 * * *\"")
        != TriggerText.parse(
          "cron(\"H 3 * * *\", { name = \"other\" })", context: context()
        ).trigger)
  }

  @Test(
    "a bare cron expression is one", arguments: ["*/5 * * * *", "0 9 * * mon-fri", "@daily", "CRON_TZ=UTC 0 3 * * *"])
  func bare(text: String) throws {
    _ = try trigger(text)
  }

  @Test(
    "what needs Lua says so",
    arguments: [
      "cron(x)", "every(60 * 5)", "function() end", "cron \"0 3 * * *\" .. \"x\"", "{}", "\"90s\"", "every",
      "cron \"0 3",
      "every(0x10", "any_of { every \"1s\"", "cron \"0 3 * * *\" every \"1s\"",
    ])
  func notLiteral(text: String) {
    #expect(throws: TriggerText.NotLiteral.self) { try trigger(text) }
  }
}

@Suite("Making triggers")
struct TriggerBuilderTests {
  @Test("weekday numbers in a table are named in a note, names are not")
  func weekdayNumbers() throws {
    let notes = try TriggerText.parse("cron { day_of_week = \"1,5-7\", hour = 3 }", context: context()).notes
    #expect(notes.map(\.message).first?.contains("means sun, mon, fri, sat") == true)
    #expect(try TriggerText.parse("cron { day_of_week = 0 }", context: context()).notes.count == 1)
    #expect(try TriggerText.parse("cron { day_of_week = \"mon-fri\" }", context: context()).notes.isEmpty)
    #expect(try TriggerText.parse("cron \"0 0 * * 1-5\"", context: context()).notes.isEmpty)
  }

  @Test("times that are over are notes, not errors")
  func past() throws {
    let context = try context(now: "2026-11-22T15:30:00Z")
    #expect(try TriggerText.parse("at \"2020-01-01\"", context: context).notes.count == 1)
    #expect(try TriggerText.parse("at { \"2020-01-01\", \"2030-01-01\" }", context: context).notes.count == 1)
    #expect(try TriggerText.parse("cron { year = 2020 }", context: context).notes.count == 1)
    #expect(
      try TriggerText.parse("cron(\"0 3 * * *\", { end_date = \"2026-11-22\" })", context: context).notes.count == 1)
    #expect(try TriggerText.parse("cron \"0 3 * * *\"", context: context).notes.isEmpty)
    #expect(try TriggerText.parse("cron \"*/90 * * * *\"", context: context).notes.count == 1)
  }

  @Test("@reboot has no fire times and fires at the start, also inside any_of")
  func startup() throws {
    #expect(try trigger("cron \"@reboot\"").firesAtStart)
    #expect(try trigger("cron \"@startup\"").next(after: .epoch) == nil)
    let both = try trigger("any_of { cron \"@reboot\", cron \"@daily\" }")
    #expect(both.firesAtStart && both.next(after: .epoch) == Instant(seconds: 86_400))
    #expect(try !trigger("cron \"@daily\"").firesAtStart)
  }

  @Test("the policy and zone of the environment apply, and a trigger's own win")
  func environment() throws {
    var context = try context("Europe/Berlin")
    context.dst = DSTPolicy(gap: .skip)
    let after = try instant("2026-03-28T12:00:00Z")
    func next(_ text: String) throws -> String? {
      try TriggerText.parse(text, context: context).trigger.next(after: after)?.description
    }
    #expect(try next("cron \"30 2 * * *\"") == "2026-03-30T00:30:00Z")
    #expect(try next("cron(\"30 2 * * *\", { dst = { gap = \"shift\" } })") == "2026-03-29T01:00:00Z")
    #expect(try next("cron(\"30 2 * * *\", { dst = { overlap = \"last\" } })") == "2026-03-30T00:30:00Z")
    #expect(try next("cron(\"30 2 * * *\", { timezone = \"UTC\" })") == "2026-03-29T02:30:00Z")
  }

  @Test("errors carry the place in the expression")
  func positions() {
    do {
      _ = try TriggerBuilder.build("cron", [.string("0 3 * * mon,tusday")], context: try context())
      Issue.record("accepted")
    } catch let error as TriggerError {
      #expect(error.position == 12..<18)
      #expect(error.suggestion == "did you mean tue?")
    } catch {
      Issue.record("\(error)")
    }
  }

  @Test(
    "a constructor refuses arguments of the wrong kind in one sentence",
    arguments: [
      ("cron", [SpecValue.integer(5)]), ("cron", []), ("cron", [.string("0 3 * * *"), .string("UTC")]),
      ("cron", [.table([(key: "hour", value: .boolean(true))])]), ("cron", [.list([.string("0 3 * * *")])]),
      ("every", [.nothing]), ("every", [.integer(-5)]), ("every", [.number(.infinity)]), ("every", [.number(.nan)]),
      ("every", [.table([(key: "hours", value: .string("x"))])]), ("every", [.integer(.max)]),
      ("at", [.list([])]), ("at", [.boolean(false)]), ("at", [.number(.nan)]),
      ("calendar", [.string("monthly")]), ("calendar", [.table([(key: "months", value: .integer(-1))])]),
      ("calendar", [.table([(key: "months", value: .number(1.5))])]),
      ("any_of", [.list([])]), ("any_of", [.string("x")]), ("any_of", [.list([.string("0 3 * * *")])]),
      ("all_of", [.list([.trigger(.startup)])]), ("except", [.trigger(.startup)]),
      ("except", [.string("x"), .string("y")]),
      ("startup", [.integer(1)]), ("crom", [.string("0 3 * * *")]),
    ] as [(String, [SpecValue])])
  func kinds(constructor: String, arguments: [SpecValue]) throws {
    do {
      _ = try TriggerBuilder.build(constructor, arguments, context: try context())
      Issue.record("accepted")
    } catch let error as TriggerError {
      #expect(!error.description.isEmpty && !error.description.contains("\n"))
    }
  }

  @Test("H is stable, spreads names, and stays in its range")
  func hash() throws {
    var minutes: Set<Int64> = []
    for index in 0..<200 {
      let made = try TriggerText.parse(
        "cron(\"H H(3-4) H * *\", { name = \"job \(index)\" })", context: context()
      ).trigger
      let fire = try #require(made.next(after: .epoch))
      let civil = CivilDateTime(fire, offset: 0)
      #expect((3...4).contains(civil.hour) && civil.date.day <= 28)
      minutes.insert(Int64(civil.minute))
    }
    #expect(minutes.count > 50)
    // The same in every process and release: this value may never change.
    #expect(StableHash.of("backup") == 0xFD8C_1160_4D55_6748)
  }
}
