internal import Chronology

/// One event of a calendar file, as far as it says on which days it takes place.
struct CalendarEvent: Sendable {
  /// A date or time with the zone that it is read in.
  struct ClockReading: Sendable, Hashable {
    let time: CalendarTime
    /// `nil` for dates and for times of no zone, which are the same on every clock.
    let zone: TimeZoneRules?

    /// When it is; in `zone` where it has none of its own. A date is its beginning.
    func instant(in zone: TimeZoneRules) -> Instant {
      if time.isUTC { return Instant(seconds: Int64(time.local)) }
      return (self.zone ?? zone).instant(of: CivilDateTime(localSeconds: time.local))
    }

    /// What clocks of `clock` show then, in seconds since the epoch.
    func local(on clock: TimeZoneRules) -> Int {
      if !time.isUTC, zone == nil || zone == clock { return time.local }
      return clock.civilTime(at: instant(in: clock)).localSeconds
    }
  }

  /// How long it takes: whole days on the calendar, then seconds.
  struct Length: Sendable, Hashable {
    var days = 0
    var seconds = 0
  }

  enum End: Sendable {
    /// A date alone takes its day, a time no time at all.
    case none
    case at(ClockReading)
    case after(Length)
  }

  /// An occurrence that RDATE adds, with an end of its own when it is a period.
  struct Addition: Sendable {
    let start: ClockReading
    let end: End
  }

  var uid = ""
  var start: ClockReading
  var end = End.none
  var rules: [RecurrenceRule] = []
  var added: [Addition] = []
  var removed: [ClockReading] = []
  /// The occurrence of the event with the same UID that this one stands for.
  var replaces: ClockReading?
  var isCancelled = false
  /// The line of its BEGIN, counted from 1.
  let line: Int
}

extension CalendarEvent.Length {
  /// Reads `P1DT2H30M`, `P2W`, `-PT15M` (RFC 5545, 3.3.6); `nil` when it is none.
  init?(_ text: some StringProtocol) {
    var bytes = Array(text.utf8)[...]
    var sign = 1
    if let first = bytes.first, first == UInt8(ascii: "+") || first == UInt8(ascii: "-") {
      sign = first == UInt8(ascii: "-") ? -1 : 1
      bytes = bytes.dropFirst()
    }
    guard bytes.popFirst().map({ $0 | 0x20 }) == UInt8(ascii: "p") else { return nil }
    var units: [UInt8: Int] = [UInt8(ascii: "w"): 7, UInt8(ascii: "d"): 1]
    var isTime = false
    var isEmpty = true
    while let next = bytes.first {
      if next | 0x20 == UInt8(ascii: "t"), !isTime {
        isTime = true
        units = [UInt8(ascii: "h"): 3600, UInt8(ascii: "m"): 60, UInt8(ascii: "s"): 1]
        bytes = bytes.dropFirst()
        continue
      }
      let digits = bytes.prefix { (48...57).contains($0) }
      bytes = bytes.dropFirst(digits.count)
      guard let letter = bytes.popFirst(), let unit = units.removeValue(forKey: letter | 0x20),
        let count = Int(String(decoding: digits, as: UTF8.self)), count <= 1_000_000
      else { return nil }
      if isTime { seconds += sign * count * unit } else { days += sign * count * unit }
      isEmpty = false
    }
    if isEmpty { return nil }
  }
}
