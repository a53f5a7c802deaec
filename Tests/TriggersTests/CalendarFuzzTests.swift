import Chronology
import Testing
import TestSupport

@testable import Triggers

/// Damaged calendars, rules and calendar expressions: each is read or refused, in bounded time.
@Suite("Calendars survive anything")
struct CalendarFuzzTests {
  private let zones = TimeZoneDatabase()

  private static let pieces = [
    "BEGIN:VCALENDAR", "END:VCALENDAR", "BEGIN:VEVENT", "END:VEVENT", "BEGIN:VTIMEZONE", "END:VTIMEZONE", "TZID:X",
    "DTSTART:20260101T090000Z", "DTSTART;VALUE=DATE:22620411", "DTSTART;TZID=X:16770922T000000",
    "DTSTART;TZID=Europe/Berlin:20260329T023000", "DTEND:20260102T000000Z", "DTEND;VALUE=DATE:19000101",
    "DURATION:P1000000W", "DURATION:-PT1S", "DURATION:P99999999999D", "RRULE:FREQ=DAILY", "RRULE:FREQ=SECONDLY;COUNT=9",
    "RRULE:FREQ=YEARLY;BYDAY=-53SU", "RRULE:FREQ=MONTHLY;BYMONTHDAY=-9223372036854775808", "EXDATE:20260101T090000Z",
    "RDATE;VALUE=PERIOD:20260101T090000Z/PT5M", "RDATE:22621231T235959", "SUMMARY:x", " folded", "\tfolded", "X;A=\"",
    "TZOFFSETFROM:+2400", "TZOFFSETTO:-9999999999", "BEGIN:STANDARD", "END:STANDARD", ":", "\u{0}", "RECURRENCE-ID:",
    "STATUS:CANCELLED", "BEGIN:", "END:",
  ]

  @Test("calendar files of random lines, damaged", arguments: Seeds.with([21]))
  func files(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 5_000 : 20) {
      let middle = (0..<Int.random(in: 0...8, using: &random)).map { _ in random.pick(Self.pieces) }
      let lines =
        random.chance(80)
        ? ["BEGIN:VCALENDAR", "BEGIN:VEVENT", "DTSTART:20260101T090000Z"] + middle + [
          "END:VEVENT", "END:VCALENDAR", "",
        ]
        : middle
      var bytes = Array(lines.joined(separator: random.chance(50) ? "\r\n" : "\n").utf8)
      if random.chance(40), !bytes.isEmpty {
        let place = Int.random(in: bytes.indices, using: &random)
        if random.chance(50) { bytes[place] = .random(in: 0...255, using: &random) } else { bytes.remove(at: place) }
      }
      _ = CalendarFile.isComplete(bytes)
      if let file = try? CalendarFile(bytes, zones: zones) { _ = try? file.days(in: .utc) }
    }
  }

  private static let parts = [
    "FREQ=YEARLY", "FREQ=MONTHLY", "FREQ=WEEKLY", "FREQ=DAILY", "FREQ=HOURLY", "FREQ=MINUTELY", "FREQ=SECONDLY",
    "INTERVAL=1000000000", "INTERVAL=7", "COUNT=1000000000000", "COUNT=3", "UNTIL=22620411T000000Z", "UNTIL=16770922",
    "BYMONTH=2", "BYMONTHDAY=29,-31", "BYYEARDAY=366,-366", "BYWEEKNO=53,-53", "BYDAY=MO,-5SU", "BYHOUR=0,23",
    "BYMINUTE=59", "BYSECOND=60", "BYSETPOS=-366,366", "WKST=SU", "BYDAY=53MO",
  ]
  private static let systemd = [
    "*", "-", "~", ":", "/", "..", ",", "mon", "Fri", "2026", "1", "31", "00", "99", " ", "UTC",
  ]

  @Test("rules of random parts, and calendar expressions of random pieces", arguments: Seeds.with([22]))
  func rules(seed: UInt64) {
    var random = SeededGenerator(seed)
    let context = TriggerContext(zones: zones)
    func ask(_ text: String) {
      guard let trigger = try? TriggerText.parse(text, context: context).trigger else { return }
      for instant in [Instant.distantPast, Instant(seconds: 1_790_000_000), .distantFuture] {
        _ = trigger.next(after: instant)
      }
      _ = trigger.description
    }
    for _ in 0..<(isLong ? 40_000 : 200) {
      let rule = (0..<Int.random(in: 1...6, using: &random)).map { _ in random.pick(Self.parts) }.joined(separator: ";")
      let start = random.pick(["16770922T000000", "20260101T090000", "22620410T235959"])
      ask("rrule \(LuaText.quote("DTSTART:\(start)\nRRULE:\(rule)"))")
      ask("rrule \(LuaText.quote(rule))")
      let pieces = (0..<Int.random(in: 1...14, using: &random)).map { _ in random.pick(Self.systemd) }
      ask("on_calendar \(LuaText.quote(pieces.joined()))")
    }
  }
}
