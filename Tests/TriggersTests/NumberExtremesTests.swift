import Chronology
import Testing

@testable import Triggers

/// The largest and smallest numbers in every place of a trigger that takes one: each is read or refused in one
/// sentence, and what is read answers questions at the ends of time.
@Suite("Extreme numbers in triggers")
struct NumberExtremesTests {
  private static let numbers: [SpecValue] =
    [Int64.min, .min + 1, .max, .max - 1, 0, -1, 1, -23, 24, 31, 32, 366, 2_147_483_648, -2_147_483_649, 9_223_372_036]
    .map { .integer($0) }
    + [
      .infinity, -.infinity, .nan, 1e308, -1e308, 9.3e18, -9.3e18, 9.223372036854775e18, 0.5, -0.0,
      .leastNonzeroMagnitude, 9.2e9,
      -9.19e9,
    ].map { .number($0) }
    + ["-9223372036854775808", "9223372036854775807", "99999999999999999999", "-0", "+1", "1e9", "0x7f", ""].map {
      .string($0)
    }

  private static let zones = TimeZoneDatabase()
  private static let berlin = (try? zones.zone(named: "Europe/Berlin")) ?? .utc

  private static func field(_ key: String, _ value: SpecValue) -> SpecValue.Field { .init(key: key, value: value) }

  /// Few of them in a short run.
  private static let some = isLong ? numbers : [0, 2, 5, 8, 15, 17, 21, 28].map { numbers[$0] }

  private func ask(_ trigger: AnyTrigger) {
    for instant in [Instant.distantPast, .epoch, Instant(seconds: 1_790_000_000), .distantFuture] {
      var edge = instant
      for _ in 0..<3 {
        guard let next = trigger.next(after: edge) else { break }
        edge = next
      }
    }
    _ = trigger.description
    _ = trigger.anchored(at: .distantPast).next(after: .distantFuture)
    _ = trigger.anchored(at: .distantFuture).next(after: .distantPast)
  }

  private func build(_ constructor: String, _ arguments: [SpecValue]) {
    let context = TriggerContext(zones: Self.zones, zone: Self.berlin)
    do throws(TriggerError) {
      ask(try TriggerBuilder.build(constructor, arguments, context: context).trigger)
    } catch {
      #expect(!error.description.isEmpty)
    }
  }

  @Test("as the only argument of every constructor", arguments: TriggerBuilder.constructors)
  func only(constructor: String) {
    for number in Self.numbers {
      build(constructor, [number])
      build(constructor, [.list([number, number])])
      build(constructor, [number, number])
    }
  }

  @Test("in every field of every constructor", arguments: TriggerBuilder.constructors)
  func fields(constructor: String) {
    let hourly = SpecValue.trigger(AnyTrigger(IntervalTrigger(nanoseconds: 3_600_000_000_000)))
    let first: [String: SpecValue] = [
      "cron": .string("0 3 * * *"), "every": .string("90s"), "at": .string("2027-01-01"), "workdays": .string("2nd"),
      "rrule": .string("FREQ=DAILY"), "only": hourly, "shift": hourly, "except": hourly, "any_of": .list([hourly]),
      "all_of": .list([hourly, hourly]), "solar": .string("sunrise"), "lunar": .string("full"),
      "on_calendar": .string("daily"),
    ]
    let keys = [
      "start_date", "end_date", "anchor", "hour", "minute", "second", "day", "month", "year", "week", "day_of_week",
      "weeks", "days", "hours", "minutes", "seconds", "milliseconds", "months", "years", "latitude", "longitude",
      "elevation", "altitude", "offset", "dates", "weekdays", "within", "exdate", "rdate", "limit", "by", "name",
    ]
    for number in Self.some {
      for key in keys {
        build(constructor, [.table([Self.field(key, number)])])
        if let first = first[constructor] { build(constructor, [first, .table([Self.field(key, number)])]) }
        let place: [SpecValue.Field] = [Self.field("latitude", .number(50)), Self.field("longitude", .number(10))]
        build(constructor, [.string("sunset"), .table(place.filter { $0.key != key } + [Self.field(key, number)])])
      }
    }
  }

  private static let digits = [
    "-9223372036854775808", "9223372036854775807", "-9223372036854775809", "99999999999999999999", "0", "-0", "+1",
    "-1",
    "2147483648", "1000000000", "1000000000000", "366", "-366", "367", "53", "-53", "54", "31", "-31",
  ]

  @Test(
    "in every part of a recurrence rule, and of a calendar file",
    arguments: [
      "BYMONTHDAY", "BYYEARDAY", "BYWEEKNO", "BYSETPOS", "BYMONTH", "BYHOUR", "BYMINUTE", "BYSECOND", "BYDAY",
      "INTERVAL", "COUNT", "UNTIL", "WKST",
    ])
  func rules(part: String) {
    for number in Self.digits {
      for frequency in ["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY", "MINUTELY", "SECONDLY"] {
        let value = part == "BYDAY" ? "\(number)MO" : number
        let rest = part == "BYSETPOS" ? ";BYDAY=MO" : ""
        let rule = "FREQ=\(frequency);\(part)=\(value)\(rest)"
        build("rrule", [.string("DTSTART:20260101T090000\nRRULE:\(rule)")])
        // A calendar counts its days up to 2262, which takes long where they are many.
        if isLong || frequency == "YEARLY" { read(["DTSTART:20260101T090000", "RRULE:\(rule)"]) }
      }
    }
  }

  @Test("in the times, lengths and offsets of a calendar file")
  func events() {
    for number in Self.digits {
      for length in ["P\(number)W", "P\(number)D", "PT\(number)H", "PT\(number)S", "-P\(number)DT\(number)M"] {
        read(["DTSTART:22620101T090000", "DURATION:\(length)", "RRULE:FREQ=YEARLY"])
        read(["DTSTART;VALUE=DATE:16780101", "DURATION:\(length)"])
        read(["DTSTART:20260101T090000", "RDATE;VALUE=PERIOD:20260101T090000/\(length)"])
      }
      read(["DTSTART:\(number)"])
      read(["DTSTART:20260101T090000", "DTEND:\(number)", "EXDATE:\(number)", "RDATE:\(number)"])
      let offset = number.hasPrefix("-") ? number : "+\(number)"
      let zone = [
        "BEGIN:VTIMEZONE", "TZID:X", "BEGIN:STANDARD", "DTSTART:19700101T000000", "TZOFFSETFROM:\(offset)",
        "TZOFFSETTO:\(offset)", "END:STANDARD", "END:VTIMEZONE",
      ]
      read(["DTSTART;TZID=X:20260101T090000"], before: zone)
    }
  }

  private func read(_ event: [String], before: [String] = []) {
    let lines = ["BEGIN:VCALENDAR"] + before + ["BEGIN:VEVENT", "UID:x"] + event + ["END:VEVENT", "END:VCALENDAR", ""]
    let bytes = Array(lines.joined(separator: "\r\n").utf8)
    do throws(TriggerError) {
      let file = try CalendarFile(bytes, zones: Self.zones)
      let days = try file.days(in: Self.berlin)
      _ = days.days.contains(20_000)
    } catch {
      #expect(!error.description.isEmpty)
    }
  }
}
