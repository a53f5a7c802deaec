internal import Chronology
internal import Synchronization

/// The present time as HTTP writes it (RFC 9110, 5.6.7): `Sun, 06 Nov 1994 08:49:37 GMT`. Made once a second at most,
/// and only when somebody asks.
final class HTTPDate: Sendable {
  private let last = Mutex<(second: Int64, text: String)>((.min, ""))
  private let clock: any WallClock

  init(_ clock: any WallClock = SystemWallClock()) { self.clock = clock }

  var now: String {
    let instant = clock.now
    let second = instant.nanoseconds / 1_000_000_000
    return last.withLock { last in
      if last.second != second { last = (second, HTTPDate.text(instant)) }
      return last.text
    }
  }

  static func text(_ instant: Instant) -> String {
    let time = CivilDateTime(instant, offset: 0)
    let day = days[CivilDate.weekday(daysSinceEpoch: time.date.daysSinceEpoch)]
    let (hour, rest) = time.secondOfDay.quotientAndRemainder(dividingBy: 3_600)
    return "\(day), \(two(time.date.day)) \(months[time.date.month - 1]) \(time.date.year) "
      + "\(two(hour)):\(two(rest / 60)):\(two(rest % 60)) GMT"
  }

  private static func two(_ number: Int) -> String { (number < 10 ? "0" : "") + String(number) }
  /// From Sunday on, as `CivilDate.weekday` counts.
  private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
  private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
}
