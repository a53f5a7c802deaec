import Chronology
import Testing
import TestSupport

@testable import Triggers

/// Random and half-right texts: every one is read or refused, quickly, and what is read can be asked, printed and read
/// again.
@Suite("Parsers survive anything")
struct TriggerFuzzTests {
  private let zones = TimeZoneDatabase()

  private static let words = [
    "*", "?", "/", "-", ",", "#", "L", "W", "LW", "H", "H(", "(", ")", "0", "7", "31", "59", "60", "99999", "1-5",
    "*/0", "*/5",
    "mon", "FRI", "jan", "foo", " ", "\t", "@daily", "@reboot", "CRON_TZ=UTC", "TZ=", "2026", "1W", "5L", "mon#1",
    "\u{0}", "é",
    "9999999999999999999", "-1", "0-", "-", ",,", "friL", "32W", "L-31", "L-3",
  ]
  private static let pieces = [
    "cron", "every", "at", "calendar", "any_of", "all_of", "except", "startup", "rrule", "\"FREQ=", "DAILY", ";BYDAY=",
    "-1FR", "(", ")", "{", "}", "[", "]", "\"", "'",
    "=", ",", ";",
    "\"0 3 * * *\"", "\"90s\"", "\"2027-01-01\"", "hour", "minute", "months", "day", "start_date", "end_date",
    "timezone", "dst",
    "1", "-1", "1e309", "0.5", "nil", "true", "\"last\"", "[[x]]", "\\", "\n", "--", " ", "\"Europe/Berlin\"", "anchor",
    "name", "\"\\65\"",
  ]

  private func exercise(_ text: String) {
    let context = TriggerContext(zones: zones, jobName: "fuzz")
    guard let trigger = try? TriggerText.parse(text, context: context).trigger else { return }
    _ = trigger.next(after: Instant(seconds: 1_790_000_000))
    _ = trigger.next(after: .distantPast)
    _ = trigger.next(after: .distantFuture)
    _ = trigger.description
    let again = try? TriggerText.parse(trigger.text, context: context).trigger
    #expect(again == trigger, "\(text): \(trigger.text)")
  }

  @Test(
    "a field of nothing but separators is refused",
    arguments: ["/", "//", "/5", "5/", ",", ",/", "/,/", "-", "#", " / "],
    ["minute", "hour", "day", "week", "month", "day_of_week", "year", "second"])
  func separators(text: String, field: String) {
    let context = TriggerContext(zones: zones)
    #expect(throws: TriggerError.self) {
      try TriggerText.parse("cron { \(field) = \"\(text)\" }", context: context)
    }
  }

  @Test("cron expressions of random words", arguments: Seeds.with([1, 2]))
  func cron(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 300_000 : 2000) {
      var text = ""
      for _ in 0..<Int.random(in: 1...14, using: &random) {
        text += random.pick(Self.words)
        if random.chance(50) { text += " " }
      }
      exercise("cron " + LuaText.quote(text))
      exercise(text)
    }
  }

  @Test("expressions of random pieces", arguments: Seeds.with([3]))
  func expressions(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 300_000 : 2000) {
      exercise((0..<Int.random(in: 1...16, using: &random)).map { _ in random.pick(Self.pieces) }.joined())
    }
  }

  @Test("right expressions with random damage", arguments: Seeds.with([4]))
  func damage(seed: UInt64) {
    var random = SeededGenerator(seed)
    let right = [
      "cron(\"0 3 * * mon-fri\", { timezone = \"Europe/Berlin\", dst = { gap = \"skip\" } })",
      "any_of { cron { hour = \"9-17\", minute = \"*/5\" }, every(\"1h30m\", { start_date = \"2026-01-01 00:30\" }) }",
      "except(calendar { months = 2, day = \"last\", hour = 6 }, { \"2026-12-24..2026-12-31\", \"2027-01-01\" })",
      "rrule(\"FREQ=MONTHLY;BYDAY=-1FR;BYSETPOS=1;COUNT=99\", { start_date = \"2026-01-01 09:00\", exdate = \"2026-01-30\" })",
      "rrule \"DTSTART;TZID=Europe/Berlin:20260101T090000\\nRRULE:FREQ=HOURLY;INTERVAL=7;BYHOUR=9\\nRDATE:20260105\"",
      "at { \"2027-01-01T00:00:00.5+01:00\", 1790000000, 1e9 }",
    ]
    for _ in 0..<(isLong ? 300_000 : 2000) {
      var bytes = Array(random.pick(right).utf8)
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        let place = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: place)
        default: bytes.insert(bytes[Int.random(in: bytes.indices, using: &random)], at: place)
        }
      }
      exercise(String(decoding: bytes, as: UTF8.self))
    }
  }

  @Test("times and durations of random characters", arguments: Seeds.with([5]))
  func times(seed: UInt64) {
    var random = SeededGenerator(seed)
    let letters = Array("0123456789-:TZ+. hmsdwun,")
    for _ in 0..<(isLong ? 500_000 : 10_000) {
      let text = String((0..<Int.random(in: 0...24, using: &random)).map { _ in random.pick(letters) })
      if let time = try? ISO8601.parse(text) { _ = time.instant(in: .utc).description }
      if let nanoseconds = try? DurationText.parseNanoseconds(text) {
        let again = try? DurationText.parseNanoseconds(DurationText.format(nanoseconds: nanoseconds))
        #expect(again == nanoseconds)
      }
    }
  }

  @Test(
    "hostile sizes are refused quickly",
    arguments: [
      String(repeating: "1,", count: 100_000), String(repeating: "(", count: 100_000),
      String(repeating: "any_of {", count: 10_000),
      "cron \"" + String(repeating: "* ", count: 100_000) + "\"", "{" + String(repeating: "{}", count: 1000),
      "every \"" + String(repeating: "9", count: 100_000) + "s\"",
      "cron { hour = \"" + String(repeating: "1,", count: 50_000) + "1\" }",
      String(repeating: "-", count: 100_000), "at {" + String(repeating: "\"2027-01-01\",", count: 20_000) + "}",
    ])
  func sizes(text: String) {
    exercise(text)
  }
}
