import Hosting
import Testing

@Suite("Spans of time for people")
struct TimeFormatTests {
  @Test(
    "they have three digits or two units",
    arguments: [
      (-5, "0 µs"), (71_000, "71 µs"), (4_320_000, "4.3 ms"), (436_000_000, "436 ms"), (12_340_000_000, "12.3 s"),
      (60_000_000_000, "1m"), (312_000_000_000, "5m12s"), (3_600_000_000_000, "1h"), (80_927_000_000_000, "22h28m"),
      (86_405_000_000_000, "1d"), (183_600_000_000_000, "2d3h"), (Int64.max, "106751d23h"),
    ] as [(Int64, String)])
  func spans(nanoseconds: Int64, text: String) {
    #expect(TimeFormat.span(nanoseconds) == text)
  }
}
