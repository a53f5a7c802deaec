import Foundation
import MoondialScheduler
import Testing
import enum Triggers.ConstructorName

/// 2026-01-01T00:00:00Z.
private let newYear = Date(timeIntervalSince1970: 1_767_225_600)

private let wrongTriggers: [(String, @Sendable () throws -> Trigger)] = [
  (#"cron "61 3 * * *": minute 61 is outside 0-59"#, { @Sendable in try .cron("61 3 * * *") }),
  (
    #"cron("0 3 * * *", { timezone = "Europe/Berln" }): no time zone "Europe/Berln"; did you mean Europe/Berlin?"#,
    { @Sendable in try .cron("0 3 * * *", timezone: "Europe/Berln") }
  ),
  (#"every "0s": an interval is at least 1 ms, not 0s"#, { @Sendable in try .every(.zero) }),
  (#"any_of {}: it holds no trigger"#, { @Sendable in try .anyOf([]) }),
]

@Suite("Trigger: when jobs run, as Swift writes it")
struct TriggerTests {
  @Test(
    "fires when its Lua namesake does",
    arguments: [
      (try! Trigger.cron("30 9 * * *"), "2026-01-01T09:30:00Z"),
      (try! Trigger.cron("30 9 * * *", timezone: "Europe/Berlin"), "2026-01-01T08:30:00Z"),
      (try! Trigger.cron(dayOfWeek: "fri", hour: "9"), "2026-01-02T09:00:00Z"),
      (try! Trigger.every(.seconds(90)), "2026-01-01T00:01:30Z"),
      (try! Trigger.at("2026-02-01 09:00", "2026-03-01", timezone: "UTC"), "2026-02-01T09:00:00Z"),
      (try! Trigger.at(newYear.addingTimeInterval(60)), "2026-01-01T00:01:00Z"),
      (try! Trigger.calendar(months: 1, day: "last", hour: 6), "2026-01-31T06:00:00Z"),
      (try! Trigger.onCalendar("Mon..Fri 09:00"), "2026-01-01T09:00:00Z"),
      (try! Trigger.anyOf([.cron("0 12 * * *"), .every(.seconds(3600))]), "2026-01-01T01:00:00Z"),
      (try! Trigger.allOf([.cron("0 12 * * *"), .cron("0 * * * mon")]), "2026-01-05T12:00:00Z"),
      (try! Trigger.cron("0 12 * * *").except("2026-01-01", "2026-01-02..2026-01-04"), "2026-01-05T12:00:00Z"),
      (try! Trigger.cron("0 12 * * *").except(.cron("0 12 1 * *")), "2026-01-02T12:00:00Z"),
      (try! Trigger.rrule("FREQ=MONTHLY;BYDAY=-1FR", start: "2026-01-01 09:00"), "2026-01-30T09:00:00Z"),
      (try! Trigger.workdays("2nd", hour: 9), "2026-01-02T09:00:00Z"),
      (try! Trigger.lunar("full", offset: .seconds(-60)), "2026-01-03T10:01:53Z"),
      (try! Trigger.cron("0 12 * * *").only(on: "sat,sun"), "2026-01-03T12:00:00Z"),
    ])
  func fires(_ trigger: Trigger, _ expected: String) throws {
    let next = try #require(try trigger.next(after: newYear))
    #expect(next == (try Date(expected, strategy: .iso8601)), "\(trigger)")
  }

  @Test("Swift writes every constructor that scripts have", arguments: ConstructorName.allCases)
  func constructors(_ constructor: ConstructorName) throws {
    let trigger = try Trigger.example(of: constructor)
    #expect(trigger.description.hasPrefix("\(constructor.text)("))
    if constructor != .startup { #expect(try trigger.next(after: newYear) != nil) }
  }

  @Test("fires on days move to the nearest other day")
  func shifted() throws {
    let days = try Trigger.days("2026-01-02", weekdays: "sat,sun", timezone: "UTC")
    let noon = try Trigger.cron("0 12 3 1 *")
    for (direction, expected) in [(.next, "2026-01-05"), (.previous, "2026-01-01")] as [(Trigger.Direction, String)] {
      let next = try noon.shifted(from: days, to: direction).next(after: newYear)
      #expect(next == (try Date("\(expected)T12:00:00Z", strategy: .iso8601)))
    }
    let error = #expect(throws: ParseError.self) { try noon.shifted(from: noon, to: .next) }
    #expect(error?.message.contains("expected a calendar") == true)
  }

  @Test("a trigger that can never fire again says so")
  func ends() throws {
    #expect(try Trigger.at("2025-01-01").next(after: newYear) == nil)
    #expect(try Trigger.startup.next(after: newYear) == nil)
  }

  @Test("a mistake is one sentence that names what was written", arguments: wrongTriggers)
  func mistakes(_ message: String, _ make: @Sendable () throws -> Trigger) {
    let error = #expect(throws: ParseError.self) { _ = try make() }
    #expect(error?.message == message)
  }

  @Test("equal triggers are written the same")
  func equality() throws {
    #expect(try Trigger.every(.seconds(90)) == .every(.milliseconds(90_000)))
    #expect(try Trigger.every(.seconds(90)) != .every(.seconds(91)))
    #expect(try Trigger.cron("0 3 * * *", timezone: "UTC").description == #"cron("0 3 * * *", { timezone = "UTC" })"#)
  }
}
