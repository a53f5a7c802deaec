import Chronology
import Testing
import TestSupport

@testable import Triggers

@Suite("Calendar files")
struct CalendarFileTests {
  private let zones = TimeZoneDatabase()

  /// The days that the events given as lines touch, from 2026 on, on the clocks of `zone`.
  private func days(_ events: [String], in zone: String = "Europe/Berlin", head: String = "") throws -> [String] {
    let body = events.map { "BEGIN:VEVENT\r\nUID:1\r\n\($0.replacing("\n", with: "\r\n"))\r\nEND:VEVENT\r\n" }.joined()
    let text = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n\(head)\(body)END:VCALENDAR\r\n"
    let days = try CalendarFile(Array(text.utf8), zones: zones).days(in: try zones.zone(named: zone)).days
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
        "3: no time zone \"Europe/Berln\"; did you mean Europe/Berlin?; the calendar has no VTIMEZONE for it, and it is neither an IANA name, as in TZID=Europe/Berlin, nor one of Windows"
      ),
      ("BEGIN:VCALENDAR\nnonsense\nEND:VCALENDAR", "2: NONSENSE has no value; write NONSENSE:VALUE"),
    ])
  func errors(text: String, message: String) throws {
    let error = #expect(throws: TriggerError.self) { try CalendarFile(Array(text.utf8), zones: zones).days(in: .utc) }
    #expect(error?.description == message)
  }

  @Test("one bad event is left out with a note that has its line; the others count")
  func badEvents() throws {
    func event(_ lines: String) -> String { "BEGIN:VEVENT\n\(lines)\nEND:VEVENT\n" }
    let good = event("DTSTART;VALUE=DATE:20261225")
    let bad = [
      event("DTSTART:20261301"), event("SUMMARY:no start"), event("DTSTART:20260101\nRRULE:FREQ=MONTLY"),
      event("DTSTART;TZID=Nowhere/Land:20260101T000000"), event("DTSTART:20260101\nnonsense"),
      event("DTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY"), event("DTSTART:20260101\nDURATION:6H"),
    ]
    for one in bad {
      let text = "BEGIN:VCALENDAR\n\(good)\(one)\(good)END:VCALENDAR\n"
      let days = try CalendarFile(Array(text.utf8), zones: zones).days(in: .utc)
      #expect(days.days.count == 1 && days.days.contains(20_812))
      #expect(days.skipped.count == 1 && (5...8).contains(days.skipped[0].line), "\(one): \(days.skipped)")
      #expect(days.notes(path: "a.ics")[0].message.hasPrefix("a.ics:\(days.skipped[0].line): the event is left out: "))
    }
    let many = "BEGIN:VCALENDAR\n\(good)\(String(repeating: bad[0], count: 9))END:VCALENDAR\n"
    let notes = try CalendarFile(Array(many.utf8), zones: zones).days(in: .utc).notes(path: "a.ics")
    #expect(notes.count == 6 && notes[5].message == "a.ics: 4 more are left out")
    // A line that is none spoils no event when it stands between them.
    let between = "BEGIN:VCALENDAR\nnonsense\n\(good)END:VCALENDAR\n"
    #expect(try CalendarFile(Array(between.utf8), zones: zones).days(in: .utc).days.contains(20_812))
  }

  /// What Outlook writes: a name of its own, rules from 1601 on.
  private static let outlook = """
    BEGIN:VTIMEZONE
    TZID:W. Europe Standard Time
    BEGIN:STANDARD
    DTSTART:16010101T030000
    TZOFFSETFROM:+0200
    TZOFFSETTO:+0100
    RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
    END:STANDARD
    BEGIN:DAYLIGHT
    DTSTART:16010101T020000
    TZOFFSETFROM:+0100
    TZOFFSETTO:+0200
    RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
    END:DAYLIGHT
    END:VTIMEZONE

    """

  @Test("what the file says of a zone decides, before or after its events, and whatever the zone is called")
  func describedZones() throws {
    // Five hours ahead in winter, six in summer, and called by a name that means something else to the system.
    let odd = CalendarFileTests.outlook.replacing("W. Europe Standard Time", with: "Europe/London")
      .replacing("+0200", with: "+0600").replacing("+0100", with: "+0500").replacing("\n", with: "\r\n")
    let winter = "DTSTART;TZID=Europe/London:20261224T030000\nDURATION:PT15M"
    let summer = "DTSTART;TZID=Europe/London:20260724T043000\nDURATION:PT15M"
    #expect(try days([winter, summer], in: "UTC", head: odd) == ["2026-07-23", "2026-12-23"])
    #expect(try days([winter, summer], in: "UTC") == ["2026-07-24", "2026-12-24"])
    let after =
      "BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\n\(winter.replacing("\n", with: "\r\n"))\r\nEND:VEVENT\r\n\(odd)END:VCALENDAR\r\n"
    #expect(try CalendarFile(Array(after.utf8), zones: zones).days(in: .utc).days.contains(20_810))
    // RDATE, and an end in UTC.
    let dated = """
      BEGIN:VTIMEZONE\r
      TZID:Test\r
      BEGIN:STANDARD\r
      DTSTART:20000101T000000\r
      RDATE:20260601T000000,20270601T000000\r
      TZOFFSETFROM:+1000\r
      TZOFFSETTO:-1000\r
      END:STANDARD\r
      BEGIN:DAYLIGHT\r
      DTSTART:20260101T000000\r
      RRULE:FREQ=YEARLY;UNTIL=20270101T100000Z\r
      TZOFFSETFROM:-1000\r
      TZOFFSETTO:+1000\r
      END:DAYLIGHT\r
      END:VTIMEZONE\r

      """
    let noon = "DTSTART;TZID=Test:20260301T050000\nRRULE:FREQ=MONTHLY;INTERVAL=6;COUNT=3"
    #expect(try days([noon], in: "UTC", head: dated) == ["2026-02-28", "2026-09-01", "2027-02-28"])
  }

  @Test(
    "zones by the names of Windows, with or without their description, and by longer names",
    arguments: [
      "W. Europe Standard Time", "w. europe standard time", "/Europe/Vienna", "Europe/Vienna",
      "/citadel.org/20190914_1/Europe/Vienna", "tzone://Microsoft/Europe/Vienna",
    ])
  func zoneIDs(id: String) throws {
    let event = "DTSTART;TZID=\"\(id)\":20261224T003000\nDURATION:PT15M"
    #expect(try days([event], in: "UTC") == ["2026-12-23"])
    let head = CalendarFileTests.outlook.replacing("\n", with: "\r\n")
    #expect(try days([event], in: "UTC", head: head) == ["2026-12-23"])
    #expect(try days(["DTSTART;TZID=\"tzone://Microsoft/Utc\":20261224T003000"], in: "UTC") == ["2026-12-24"])
  }

  @Test("every zone that stands for a name of Windows is one of the system's")
  func windowsNames() throws {
    for name in ["W. Europe Standard Time", "Eastern Standard Time", "Tokyo Standard Time", "India Standard Time"] {
      let zone = try #require(WindowsZones.name(for: name))
      #expect((try? zones.zone(named: zone)) != nil, "\(name)")
    }
    #expect(WindowsZones.name(for: "Nowhere Standard Time") == nil)
  }

  @Test("yearly events may begin before there were instants, and end after them")
  func longAgo() throws {
    for start in ["VALUE=DATE:15651225", "VALUE=DATE:00011225", "TZID=Europe/Berlin:16010101T120000"] {
      let date = start.contains("1601") ? "01-01" : "12-25"
      let found = try days(["DTSTART;\(start)\nRRULE:FREQ=YEARLY;UNTIL=99991231"])
      #expect(found.prefix(2) == ["2026-\(date)", "2027-\(date)"], "\(start)")
    }
    #expect(try days(["DTSTART;VALUE=DATE:15000101\nRRULE:FREQ=WEEKLY;INTERVAL=2"]).count == 6)
    #expect(try days(["DTSTART;VALUE=DATE:15000101\nDTEND;VALUE=DATE:99991231"]).count == 6)
    #expect(try days(["DTSTART:15000101T120000Z\nRRULE:FREQ=DAILY"], in: "Asia/Tokyo").first == "2026-01-01")
  }

  @Test("an event that repeats every second up to 2262 is refused, not counted")
  func hostile() throws {
    let error = #expect(throws: TriggerError.self) { try days(["DTSTART:20260101T000000Z\nRRULE:FREQ=SECONDLY"]) }
    #expect(error?.description.hasPrefix("3: the event repeats too often") == true)
  }

  @Test("damaged files are read or refused, quickly", arguments: Seeds.with([1]))
  func damage(seed: UInt64) throws {
    var random = SeededGenerator(seed)
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
    var random = SeededGenerator(seed)
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
        == "150002: the file has more than 50000 events; split it, or leave out what is over")
    #expect(
      refusal(10, "RRULE:FREQ=DAILY\r\n")?.hasSuffix("the event repeats too often to be counted up to 2262") == true)
    let dates = Array(repeating: "20260101", count: 250_000).joined(separator: ",")
    #expect(refusal(1, "RDATE;VALUE=DATE:\(dates)\r\n")?.contains("more than 200000 dates") == true)
  }

  @Test("days of long events are those of each day, one by one")
  func longEvents() {
    var generator = SeededGenerator(7)
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
