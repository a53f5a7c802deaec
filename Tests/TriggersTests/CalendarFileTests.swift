import Chronology
import Testing

@testable import Triggers

@Suite("Calendar files")
struct CalendarFileTests {
  private let zones = TimeZoneDatabase()

  /// The days that the events given as lines touch, from 2026 on, on the clocks of `zone`.
  private func days(_ events: [String], in zone: String = "Europe/Berlin", head: String = "") throws -> [String] {
    let body = events.map { "BEGIN:VEVENT\r\nUID:1\r\n\($0.replacing("\n", with: "\r\n"))\r\nEND:VEVENT\r\n" }.joined()
    let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n\(head)\(body)END:VCALENDAR\r\n"
    let days = try CalendarFile(Array(text.utf8), zones: zones).days(in: try zones.zone(named: zone))
    var found: [String] = []
    var day = CivilDate(year: 2026, month: 1, day: 1).daysSinceEpoch
    while found.count < 6, let next = days.next(from: day) {
      found.append(CivilDate(daysSinceEpoch: next).description)
      day = next + 1
    }
    return found
  }

  @Test(
    "an event is on each day that it touches",
    arguments: [
      ("DTSTART;VALUE=DATE:20261225", ["2026-12-25"]),
      ("DTSTART;VALUE=DATE:20261225\nDTEND;VALUE=DATE:20261227", ["2026-12-25", "2026-12-26"]),
      ("DTSTART;VALUE=DATE:20261225\nDURATION:P3D", ["2026-12-25", "2026-12-26", "2026-12-27"]),
      ("DTSTART;TZID=Europe/Berlin:20261224T180000\nDTEND;TZID=Europe/Berlin:20261225T000000", ["2026-12-24"]),
      ("DTSTART;TZID=Europe/Berlin:20261224T180000\nDURATION:PT7H", ["2026-12-24", "2026-12-25"]),
      ("DTSTART;TZID=Europe/Berlin:20261225T000000", ["2026-12-25"]),
      // 23:30 in London is half past midnight in Berlin, and so is 18:30 in New York.
      ("DTSTART;TZID=Europe/London:20261224T233000\nDURATION:PT15M", ["2026-12-25"]),
      ("DTSTART:20261224T233000Z\nDURATION:PT15M", ["2026-12-25"]),
      ("DTSTART:20261224T233000\nDURATION:PT15M", ["2026-12-24"]),
      ("DTSTART;TZID=America/New_York:20261224T183000\nDURATION:PT25H", ["2026-12-25", "2026-12-26"]),
      ("DTSTART;VALUE=DATE:20261225\nSTATUS:CANCELLED", []),
    ] as [(String, [String])])
  func extent(event: String, expected: [String]) throws {
    #expect(try days([event]) == expected)
  }

  @Test(
    "rules, added and removed occurrences",
    arguments: [
      ("DTSTART;VALUE=DATE:20201225\nRRULE:FREQ=YEARLY;COUNT=8", ["2026-12-25", "2027-12-25"]),
      (
        "DTSTART;VALUE=DATE:20260105\nDTEND;VALUE=DATE:20260107\nRRULE:FREQ=MONTHLY;BYDAY=1MO;UNTIL=20260228",
        ["2026-01-05", "2026-01-06", "2026-02-02", "2026-02-03"]
      ),
      (
        "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=DAILY;COUNT=4\nEXDATE;VALUE=DATE:20260106,20260107",
        ["2026-01-05", "2026-01-08"]
      ),
      (
        "DTSTART;TZID=Europe/Berlin:20260105T100000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE;TZID=Europe/Berlin:20260106T100000",
        ["2026-01-05", "2026-01-07"]
      ),
      // Another time of day is another occurrence; one in UTC is the same.
      (
        "DTSTART;TZID=Europe/Berlin:20260105T100000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20260106T100000Z,20260107T090000Z",
        ["2026-01-05", "2026-01-06"]
      ),
      (
        "DTSTART;TZID=America/New_York:20260105T200000\nRRULE:FREQ=WEEKLY;COUNT=2",
        ["2026-01-06", "2026-01-13"]
      ),
      (
        "DTSTART;VALUE=DATE:20260105\nRDATE;VALUE=DATE:20260301,20260201",
        ["2026-01-05", "2026-02-01", "2026-03-01"]
      ),
      (
        "DTSTART:20260105T120000\nRDATE;VALUE=PERIOD:20260201T120000/P2D,20260301T120000/20260302T010000",
        ["2026-01-05", "2026-02-01", "2026-02-02", "2026-02-03", "2026-03-01", "2026-03-02"]
      ),
      ("DTSTART:20260105T120000\nRRULE:FREQ=HOURLY;INTERVAL=36;COUNT=3", ["2026-01-05", "2026-01-07", "2026-01-08"]),
      (
        "DTSTART;VALUE=DATE:20260101\nRRULE:FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2",
        [
          "2026-01-01", "2026-01-30", "2026-02-27",
        ]
      ),
    ] as [(String, [String])])
  func recurrence(event: String, expected: [String]) throws {
    #expect(try days([event]) == expected)
  }

  @Test("an occurrence may be moved or cancelled by an event of its own")
  func overrides() throws {
    let series = "DTSTART;VALUE=DATE:20260105\nRRULE:FREQ=WEEKLY;COUNT=3"
    let moved = "RECURRENCE-ID;VALUE=DATE:20260112\nDTSTART;VALUE=DATE:20260114"
    let cancelled = "RECURRENCE-ID;VALUE=DATE:20260119\nDTSTART;VALUE=DATE:20260119\nSTATUS:CANCELLED"
    #expect(try days([series, moved, cancelled]) == ["2026-01-05", "2026-01-14"])
  }

  @Test("folded lines, foreign properties, alarms and other line ends are read over")
  func leniency() throws {
    let event = """
      SUMMARY:a long text\\, that is
        folded: here;
      X-ANYTHING;X-P="a:b;c":d
      BEGIN:VALARM
      DTSTART:nonsense
      END:VALARM
      DTSTA
       RT;VALUE=DATE:202612
      \t25
      """
    #expect(try days([event]) == ["2026-12-25"])
  }

  @Test("a zone is found by the IANA name beside its own, or at the end of its own")
  func zoneNames() throws {
    let head =
      "BEGIN:VTIMEZONE\r\nTZID:My Office\r\nX-LIC-LOCATION:America/New_York\r\nBEGIN:STANDARD\r\nDTSTART:19701101T020000\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    #expect(try days(["DTSTART;TZID=My Office:20261224T183000"], head: head) == ["2026-12-25"])
    #expect(try days(["DTSTART;TZID=\"/x.org/2026/America/New_York\":20261224T183000"]) == ["2026-12-25"])
  }

  @Test(
    "what cannot be read is an error with its line",
    arguments: [
      ("", "1: there is no calendar in the file; a calendar begins with BEGIN:VCALENDAR"),
      ("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "2: the VEVENT that begins here has no end; add END:VEVENT"),
      ("BEGIN:VEVENT", "1: BEGIN:VEVENT stands outside a calendar; begin with BEGIN:VCALENDAR"),
      (
        "BEGIN:VCALENDAR\nEND:VEVENT",
        "2: END:VEVENT ends nothing that begins before it; check the BEGIN and END lines above"
      ),
      ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR", "2: the event has no start; add DTSTART"),
      (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261301\nEND:VEVENT\nEND:VCALENDAR",
        "3: DTSTART 20261301: the month 13 is outside 1-12"
      ),
      (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nRRULE:FREQ=MONTLY\nEND:VEVENT\nEND:VCALENDAR",
        "4: RRULE FREQ=MONTLY: MONTLY is no frequency; did you mean MONTHLY?"
      ),
      (
        "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;TZID=Europe/Berln:20260101T000000\nEND:VEVENT\nEND:VCALENDAR",
        "3: no time zone \"Europe/Berln\"; did you mean Europe/Berlin?; zones are looked up by their IANA names, as in TZID=Europe/Berlin"
      ),
      ("BEGIN:VCALENDAR\nnonsense\nEND:VCALENDAR", "2: NONSENSE has no value; write NONSENSE:VALUE"),
    ])
  func errors(text: String, message: String) throws {
    let error = #expect(throws: TriggerError.self) { try CalendarFile(Array(text.utf8), zones: zones).days(in: .utc) }
    #expect(error?.description == message)
  }

  @Test("an event that repeats every second up to 2262 is refused, not counted")
  func hostile() throws {
    let error = #expect(throws: TriggerError.self) { try days(["DTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY"]) }
    #expect(error?.description.hasPrefix("3: the event repeats too often") == true)
  }

  @Test("damaged files are read or refused, quickly", arguments: Seeds.with([1]))
  func damage(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let right = Array(
      """
      BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART;TZID=Europe/Berlin:20260105T100000\r\nDTEND;TZID=Europe/Berlin:20260106T100000\r
      RRULE:FREQ=MONTHLY;BYDAY=-1FR;COUNT=20\r\nEXDATE:20260227T090000Z\r\nRDATE;VALUE=PERIOD:20260201T120000/P2D\r\nEND:VEVENT\r\nEND:VCALENDAR
      """.utf8)
    for _ in 0..<(isLong ? 100_000 : 300) {
      var bytes = right
      for _ in 0...Int.random(in: 0..<4, using: &random) {
        let place = Int.random(in: bytes.indices, using: &random)
        switch Int.random(in: 0..<3, using: &random) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.removeSubrange(place..<min(bytes.count, place + Int.random(in: 1...20, using: &random)))
        default: bytes.insert(contentsOf: bytes[0..<Int.random(in: bytes.indices, using: &random)], at: place)
        }
      }
      guard let file = try? CalendarFile(bytes, zones: zones) else { continue }
      _ = try? file.days(in: .utc)
    }
  }

  @Test("the days are found from anywhere", arguments: Seeds.with([2]))
  func words(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var days = CalendarDays()
    var expected: Set<Int> = []
    for _ in 0..<60 {
      let (day, count) = (
        Int.random(in: 20_000..<21_000, using: &random), Int.random(in: 1...70, using: &random) / 30 + 1
      )
      days.insert(day, count: count)
      expected.formUnion(day..<day + count)
    }
    for day in 19_990...21_010 {
      #expect(days.contains(day) == expected.contains(day))
      #expect(days.next(from: day) == expected.filter { $0 >= day }.min())
    }
    #expect(days.count == expected.count)
    #expect(days.next(from: CalendarDays.last) == nil && !days.contains(.max) && !days.contains(.min / 2))
  }

  @Test("a file with too many events, or with events that are too often, is refused with its line")
  func bounds() throws {
    func refusal(_ events: Int, _ rule: String) -> String? {
      let event = "BEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260101\r\n\(rule)END:VEVENT\r\n"
      let text = "BEGIN:VCALENDAR\r\n" + String(repeating: event, count: events) + "END:VCALENDAR\r\n"
      return #expect(throws: TriggerError.self) {
        try CalendarFile(Array(text.utf8), zones: zones).days(in: .utc, most: 500_000)
      }?.message
    }
    #expect(
      refusal(CalendarFile.mostEvents + 1, "")
        == "150004: the file has more than 50000 events; split it, or leave out what is over")
    #expect(
      refusal(10, "RRULE:FREQ=DAILY\r\n")?.hasSuffix("the event repeats too often to be counted up to 2262") == true)
    let dates = Array(repeating: "20260101", count: 250_000).joined(separator: ",")
    #expect(refusal(1, "RDATE;VALUE=DATE:\(dates)\r\n")?.contains("more than 200000 dates") == true)
  }

  @Test("days of long events are those of each day, one by one")
  func longEvents() {
    var generator = SeededGenerator(seed: 7)
    for _ in 0..<200 {
      let (first, count) = (
        Int.random(in: -107_300...107_300, using: &generator), Int.random(in: 0...400, using: &generator)
      )
      var (long, single) = (CalendarDays(), CalendarDays())
      long.insert(first, count: count)
      for day in first..<first + count { single.insert(day) }
      #expect(long == single)
    }
    var all = CalendarDays()
    all.insert(.min / 2, count: .max)
    #expect(!all.isEmpty)
  }
}
