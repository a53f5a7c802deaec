import Chronology
import ScriptFixtures
import Testing
import Triggers

@testable import FileWatching
@testable import ScriptRuntime
@testable import ScriptLoading
@testable import HostModules

@Suite("trigger expressions on the command line")
struct LoadExpressionTests {
  private let evaluator: ExpressionEvaluator
  init() throws { evaluator = try ExpressionEvaluator(runtime: LoadFixture.runtime.get(), zones: LoadFixture.zones) }

  @Test(
    "an expression is Lua, or a bare cron expression",
    arguments: [
      ("cron \"0 9 * * mon-fri\"", "2026-06-01T07:00:00Z"), ("cron { hour = 9 }", "2026-06-01T07:00:00Z"),
      ("any_of { cron '0 9 * * *', at '2026-06-01 08:00' }", "2026-06-01T06:00:00Z"),
      ("0 9 * * *", "2026-06-01T07:00:00Z"), ("*/5 * * * *", "2026-06-01T00:05:00Z"),
      ("@daily", "2026-06-01T22:00:00Z"),
      ("every('1h', { start_date = '2026-06-01T00:30:00Z' })", "2026-06-01T00:30:00Z"),
    ])
  func good(_ expression: String, _ first: String) throws {
    let zone = try LoadFixture.zones.zone(named: "Europe/Berlin")
    let trigger = try evaluator.trigger(expression, zone: zone).trigger
    let after = try ISO8601.parse("2026-06-01T00:00:00Z").instant(in: .utc)
    let next = trigger.next(after: after).map { "\($0)" }
    #expect(next == first)
  }

  @Test(
    "what is none gives one sentence",
    arguments: [
      ("cron '61 * * * *'", "cron \"61 * * * *\": minute 61 is outside 0-59"),
      ("cron '0 9 * *", "unfinished string near <eof>"),
      ("5", "\"5\" is 5, not a trigger; write one like cron \"0 9 * * mon-fri\" or every \"90s\""),
      ("nil", "\"nil\" is nil, not a trigger; write one like cron \"0 9 * * mon-fri\" or every \"90s\""),
      ("'cron'", "\"'cron'\" is \"cron\", not a trigger; write one like cron \"0 9 * * mon-fri\" or every \"90s\""),
      ("require 'x'", "module 'x' not found: an expression cannot require modules"),
      ("job 'x' { run = print }", "a job cannot be declared here; put it in a script of the scripts directory"),
    ])
  func bad(_ expression: String, _ message: String) {
    let error = #expect(throws: ExpressionError.self) { try evaluator.trigger(expression, zone: .utc) }
    #expect(error?.message == message)
  }

  @Test(
    "what is meant as something else is told so, not what Lua makes of it",
    arguments: [
      ("0 3 * *", "4 fields, but cron has 5"), ("0  3", "2 fields, but cron has 5"), ("*/5", "1 field, but cron has 5"),
      ("H H * *", "4 fields, but cron has 5"), ("? 3 * *", "4 fields"),
      ("0 3 * * * backup --all", "after its five fields stands a command; write \"0 3 * * *\""),
      ("0 3 * * * root /usr/bin/x", "stands a command"), ("0 3 * * * /usr/bin/x", "stands a command"),
      ("0 3 * * mon-fri ~/x.sh", "stands a command"), ("@daily /bin/x", "`moondial import crontab` reads whole lines"),
      ("15~45 * * * *", "write H(15-45)"), ("~ * * * *", "write H(0-59)"), ("* ~6 * * *", "write H(0-6)"),
      ("0 0 * * 1~5", "write H(1-5)"),
      ("0 3 * * * 2027", "with a year there are seven: 0 0 3 * * * 2027"),
      ("0 3 1 1 * 2027-2030", "with a year there are seven: 0 0 3 1 1 * 2027-2030"),
      ("90s", "write every \"90s\""), ("5 minutes", "write every \"5m\""), ("every 5 minutes", "write every \"5m\""),
      ("cron 0 3 * * *", "write cron \"0 3 * * *\""), ("FREQ=DAILY", "write rrule \"FREQ=DAILY\""),
      ("2027-01-01", "write at \"2027-01-01\""), ("Mon..Fri 09:00", "write on_calendar \"Mon..Fri 09:00\""),
      ("daily", "write on_calendar \"daily\""), ("", "it is empty"),
      ("rrule 'FREQ=DAILY;DTSTART=20260101T090000'", "DTSTART is no part of a rule; give the start beside it"),
      ("rrule 'DTSTART:20260101T090000;FREQ=DAILY'", "write \"DTSTART:20260101T090000\\nRRULE:FREQ=DAILY\""),
      ("rrule 'FREQ=DAILY;EXDATE=20260101'", "give it beside the rule: { exdate"),
    ])
  func meant(_ expression: String, _ words: String) {
    let error = #expect(throws: ExpressionError.self) { try evaluator.trigger(expression, zone: .utc) }
    #expect(error?.message.contains(words) == true, "\(expression): \(error?.message ?? "")")
  }

  @Test(
    "what is right stays right",
    arguments: [
      "H H * * *", "H(0-29) 3 * * *", "0 0 0 1 1 ? 2027", "*/30 0 3 * * mon", "0 0 3 1 1 sun",
      "TZ=Asia/Tokyo 0 3 * * *",
      "every '90s'", "every(90)", "at '2027-01-01'", "on_calendar 'daily'", "0 3 * * SUN-mon", "5 4 L * *",
    ])
  func right(_ expression: String) throws {
    _ = try evaluator.trigger(expression, zone: .utc)
  }

  @Test("one expression leaves nothing to the next")
  func isolated() throws {
    _ = try? evaluator.trigger("(function() rawset(_G, 'left', 1) return every '1s' end)()", zone: .utc)
    #expect(throws: ExpressionError.self) { try evaluator.trigger("left", zone: .utc) }
  }
}
