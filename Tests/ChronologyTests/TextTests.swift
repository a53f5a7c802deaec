import Basics
import Testing

@testable import Chronology

@Suite("Instants")
struct InstantTests {
  @Test("arithmetic stops at the ends of the range instead of trapping")
  func saturates() {
    #expect(Instant.distantFuture + .seconds(1) == .distantFuture)
    #expect(Instant.distantPast - .seconds(1) == .distantPast)
    #expect(Instant(seconds: .max) == .distantFuture)
    #expect(Instant(seconds: .min) == .distantPast)
    #expect(Instant.distantFuture.nanoseconds(since: .distantPast) == .max)
    #expect(Instant.distantPast.nanoseconds(since: .distantFuture) == .min)
    #expect(Instant.epoch - Duration.seconds(Int64.min) == .distantFuture)
    #expect(Instant(fractionalSeconds: 1e300) == .distantFuture)
    #expect(Instant(fractionalSeconds: .nan) == nil)
  }

  @Test("whole seconds round down before the epoch as after it")
  func wholeSeconds() {
    #expect(Instant(nanoseconds: -1).wholeSeconds == -1)
    #expect(Instant(nanoseconds: -1).subsecondNanoseconds == 999_999_999)
    #expect(Instant(nanoseconds: -1_000_000_000).wholeSeconds == -1)
    #expect(Instant(nanoseconds: 1_500_000_000).wholeSeconds == 1)
    #expect(Instant.distantPast.wholeSeconds == -9_223_372_037)
  }

  @Test("seconds with fractions go there and back")
  func fractions() {
    #expect(Instant(fractionalSeconds: 1_790_000_000.25)?.nanoseconds == 1_790_000_000_250_000_000)
    #expect(Instant(fractionalSeconds: -0.5)?.nanoseconds == -500_000_000)
    #expect(Instant(nanoseconds: -500_000_000).fractionalSeconds == -0.5)
  }

  @Test("the years 1900 to 2200 fit")
  func range() throws {
    for year in [1900, 2200] {
      let instant = try ISO8601.parse("\(year)-01-01T00:00:00Z").instant(in: .utc)
      #expect(instant.description == "\(year)-01-01T00:00:00Z")
    }
  }

  @Test("system clocks run")
  func clocks() {
    #expect(SystemWallClock().now > Instant(seconds: 1_700_000_000))
    let monotonic = SystemMonotonicClock()
    let first = monotonic.now
    #expect(monotonic.now >= first)
  }
}

@Suite("Times as text")
struct ISO8601Tests {
  @Test(
    "times parse and print",
    arguments: [
      ("2026-11-22T15:41:00Z", "2026-11-22T15:41:00Z"), ("2026-11-22 15:41", "2026-11-22T15:41:00Z"),
      ("2026-11-22", "2026-11-22T00:00:00Z"), ("2026-11-22T15:41:00+01:00", "2026-11-22T14:41:00Z"),
      ("2026-11-22t15:41:00.5z", "2026-11-22T15:41:00.500Z"),
      ("2026-11-22 15:41:00.000001Z", "2026-11-22T15:41:00.000001Z"),
      ("2026-11-22T15:41:00,123456789-0330", "2026-11-22T19:11:00.123456789Z"),
      ("2026-11-22T15:41+02", "2026-11-22T13:41:00Z"), ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
      ("1900-01-01T00:19:32+00:19:32", "1900-01-01T00:00:00Z"), ("2028-02-29", "2028-02-29T00:00:00Z"),
    ])
  func parses(text: String, printed: String) throws {
    #expect(try ISO8601.parse(text).instant(in: .utc).description == printed)
  }

  @Test(
    "what is no time is refused, and the message says where",
    arguments: [
      ("", 0, "the year"), ("2026", 4, "after the year"), ("2026-1-1", 5, "2 digits for the month"),
      ("2026-13-01", 5, "the month 13 is outside 1-12"), ("2026-02-29", 8, "the day 29 is outside 1-28"),
      ("2026-11-22T24:00", 11, "the hour 24"), ("2026-11-22T10:60", 14, "the minute 60"),
      ("2026-11-22T10:00:60Z", 17, "the second 60"), ("2026-11-22T10:00:00.Z", 20, "digits after the decimal point"),
      ("2026-11-22T10:00 x", 16, "unexpected text \" x\""), ("2026-11-22 tomorrow", 11, "the hour"),
      ("2026-11-22T10:00:00.1234567891Z", 20, "at most 9 digits"), ("1500-01-01", 0, "the year 1500"),
      ("2026-11-22T10:00+30:00", 17, "the offset's hours 30"),
    ])
  func refuses(text: String, position: Int, part: String) {
    do {
      _ = try ISO8601.parse(text)
      Issue.record("\(text) was accepted")
    } catch {
      #expect(error.message.contains(part), "\(error)")
      #expect(error.position == position)
    }
  }

  @Test("offsets print with the seconds they had before 1900")
  func offsets() throws {
    #expect(ISO8601.format(.epoch, offset: 1172) == "1970-01-01T00:19:32+00:19:32")
    #expect(ISO8601.format(.epoch, offset: -12_600) == "1969-12-31T20:30:00-03:30")
    #expect(ISO8601.format(.epoch, offset: 0) == "1970-01-01T00:00:00+00:00")
  }
}

@Suite("Durations as text")
struct DurationTextTests {
  @Test(
    "durations parse",
    arguments: [
      ("90s", 90_000_000_000), ("1h30m", 5_400_000_000_000), ("2d", 172_800_000_000_000), ("500ms", 500_000_000),
      ("90", 90_000_000_000), ("0.25", 250_000_000), ("1.5h", 5_400_000_000_000), ("1w", 604_800_000_000_000),
      ("1d12h", 129_600_000_000_000), ("250us", 250_000), ("250µs", 250_000), ("7ns", 7), ("-30m", -1_800_000_000_000),
      ("0s", 0), ("1m1s1ms1us1ns", 61_001_001_001), ("1.000000001s", 1_000_000_001),
    ] as [(String, Int64)])
  func parses(text: String, nanoseconds: Int64) throws {
    #expect(try DurationText.parseNanoseconds(text) == nanoseconds)
    let printed = DurationText.format(nanoseconds: nanoseconds)
    #expect(try DurationText.parseNanoseconds(printed) == nanoseconds)
  }

  @Test(
    "the shortest form is printed",
    arguments: [
      (90_000_000_000, "90s"), (3_600_000_000_000, "1h"), (5_400_000_000_000, "90m"), (86_401_000_000_000, "1d1s"),
      (500_000_000, "500ms"), (0, "0s"), (-90_000_000_000, "-90s"), (1_209_600_000_000_000, "14d"),
    ] as [(Int64, String)])
  func prints(nanoseconds: Int64, text: String) {
    #expect(DurationText.format(nanoseconds: nanoseconds) == text)
  }

  @Test(
    "the largest and the smallest duration go there and back", arguments: [Int64.max, Int64.min + 1, 1, -1] as [Int64])
  func extremes(nanoseconds: Int64) throws {
    #expect(try DurationText.parseNanoseconds(DurationText.format(nanoseconds: nanoseconds)) == nanoseconds)
  }

  @Test(
    "what is no duration is refused with the remedy",
    arguments: [
      ("", "expected a duration"), ("5x", "unknown unit \"x\""), ("5min", "write m"), ("5 min", "write 5m"),
      ("1h30", "write 30m or 30s"), ("1m1h", "out of order"), ("1s1s", "out of order"), ("s", "expected a number"),
      ("1..5s", "expected a number"), (".s", "expected a number"), ("1e5", "unknown unit"), ("300y", "unknown unit"),
      ("9999999999999w", "292 years"), ("-", "expected a duration"), ("1month", "calendar { months"),
      ("99999999999999999999s", "too many digits"),
    ])
  func refuses(text: String, part: String) {
    do {
      _ = try DurationText.parse(text)
      Issue.record("\(text) was accepted")
    } catch {
      #expect(error.message.contains(part), "\(error)")
    }
  }

  @Test("spelling suggestions are near")
  func spelling() {
    #expect(
      Spelling.closest(to: "Europe/Berln", among: ["Europe/Berlin", "Europe/Bern", "Asia/Tokyo"]).first
        == "Europe/Berlin")
    #expect(Spelling.closest(to: "berlin", among: ["Europe/Berlin", "Asia/Tokyo"]) == ["Europe/Berlin"])
    #expect(Spelling.closest(to: "timezon", among: ["timezone", "dst"]) == ["timezone"])
    #expect(Spelling.closest(to: "zzz", among: ["timezone", "dst"]).isEmpty)
  }
}
