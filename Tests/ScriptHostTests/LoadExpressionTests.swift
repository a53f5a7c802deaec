import Chronology
import Testing
import Triggers

@testable import ScriptHost

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
  func bad(_ expression: String, _ sentence: String) {
    let error = #expect(throws: ExpressionError.self) { try evaluator.trigger(expression, zone: .utc) }
    #expect(error?.message == sentence)
  }

  @Test("one expression leaves nothing to the next")
  func isolated() throws {
    _ = try? evaluator.trigger("(function() rawset(_G, 'left', 1) return every '1s' end)()", zone: .utc)
    #expect(throws: ExpressionError.self) { try evaluator.trigger("left", zone: .utc) }
  }
}
