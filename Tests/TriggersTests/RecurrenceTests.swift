import Chronology
import Testing
import TestSupport

@testable import Triggers

@Suite("Recurrence rules")
struct RecurrenceTests {
  private let zones = TimeZoneDatabase()

  private func pattern(_ rule: String, _ start: String) throws -> RecurrencePattern? {
    RecurrencePattern(try RecurrenceRuleParser.parse(rule), start: try ISO8601.parse(start).civil.localSeconds)
  }

  /// The first times from the start on, as text.
  private func times(_ rule: String, _ start: String, _ count: Int) throws -> [String] {
    guard let pattern = try pattern(rule, start) else { return [] }
    var times: [String] = []
    var second = pattern.start
    while times.count < count {
      second = pattern.nextLocal(from: second)
      if second == neverLocal { break }
      let civil = CivilDateTime(localSeconds: second)
      times.append(civil.secondOfDay == 32_400 ? civil.date.description : civil.description)
      second += 1
    }
    return times
  }

  @Test(
    "the examples of RFC 5545 come out as printed there",
    arguments: [
      ("FREQ=DAILY;COUNT=10", 2, ["1997-09-02", "1997-09-03"]),
      ("FREQ=DAILY;INTERVAL=10;COUNT=5", 9, ["1997-09-02", "1997-09-12", "1997-09-22", "1997-10-02", "1997-10-12"]),
      ("FREQ=WEEKLY;INTERVAL=2;WKST=SU", 3, ["1997-09-02", "1997-09-16", "1997-09-30"]),
      ("FREQ=WEEKLY;COUNT=4;WKST=SU;BYDAY=TU,TH", 9, ["1997-09-02", "1997-09-04", "1997-09-09", "1997-09-11"]),
      (
        "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", 4,
        ["1997-09-02", "1997-09-04", "1997-09-16", "1997-09-18"]
      ),
      ("FREQ=MONTHLY;COUNT=10;BYDAY=1FR", 3, ["1997-09-05", "1997-10-03", "1997-11-07"]),
      ("FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU", 4, ["1997-09-07", "1997-09-28", "1997-11-02", "1997-11-30"]),
      ("FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", 3, ["1997-09-22", "1997-10-20", "1997-11-17"]),
      ("FREQ=MONTHLY;BYMONTHDAY=-3", 3, ["1997-09-28", "1997-10-29", "1997-11-28"]),
      (
        "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15", 7,
        [
          "1997-09-10", "1997-09-11", "1997-09-12", "1997-09-13", "1997-09-14", "1997-09-15", "1999-03-10",
        ]
      ),
      (
        "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200", 4,
        ["2000-01-01", "2000-04-09", "2000-07-18", "2003-01-01"]
      ),
      ("FREQ=YEARLY;BYDAY=20MO", 2, ["1998-05-18", "1999-05-17"]),
      ("FREQ=YEARLY;BYWEEKNO=20;BYDAY=MO", 3, ["1998-05-11", "1999-05-17", "2000-05-15"]),
      ("FREQ=YEARLY;BYMONTH=3;BYDAY=TH", 4, ["1998-03-05", "1998-03-12", "1998-03-19", "1998-03-26"]),
      ("FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", 4, ["1998-02-13", "1998-03-13", "1998-11-13", "1999-08-13"]),
      ("FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13", 3, ["1997-09-13", "1997-10-11", "1997-11-08"]),
      ("FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8", 2, ["1997-11-04", "2001-11-06"]),
      ("FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", 9, ["1997-09-04", "1997-10-07", "1997-11-06"]),
      ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2", 3, ["1997-09-29", "1997-10-30", "1997-11-27"]),
      (
        "FREQ=HOURLY;INTERVAL=3;UNTIL=19970902T170000Z", 3,
        ["1997-09-02", "1997-09-02T12:00:00", "1997-09-02T15:00:00"]
      ),
      ("FREQ=MINUTELY;INTERVAL=90;COUNT=3", 9, ["1997-09-02", "1997-09-02T10:30:00", "1997-09-02T12:00:00"]),
      (
        "FREQ=MINUTELY;INTERVAL=20;BYHOUR=9,16", 4,
        [
          "1997-09-02", "1997-09-02T09:20:00", "1997-09-02T09:40:00", "1997-09-02T16:00:00",
        ]
      ),
    ] as [(String, Int, [String])])
  func standard(rule: String, count: Int, expected: [String]) throws {
    #expect(try times(rule, "1997-09-02 09:00", count) == expected)
  }

  @Test("where weeks begin decides which ones an interval passes over")
  func weekStart() throws {
    let rule = "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU"
    #expect(
      try times(rule + ";WKST=MO", "1997-08-05 09:00", 9) == ["1997-08-05", "1997-08-10", "1997-08-19", "1997-08-24"])
    #expect(
      try times(rule + ";WKST=SU", "1997-08-05 09:00", 9) == ["1997-08-05", "1997-08-17", "1997-08-19", "1997-08-31"])
  }

  @Test(
    "a rule that can never come true is refused, without a search for ever",
    arguments: [
      "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "FREQ=YEARLY;BYMONTH=1;BYWEEKNO=20;BYDAY=MO",
      "FREQ=YEARLY;BYMONTH=3;BYYEARDAY=1",
      "FREQ=MONTHLY;BYSETPOS=2;BYMONTHDAY=7", "FREQ=DAILY;BYSETPOS=3;BYHOUR=9,10",
      "FREQ=SECONDLY;INTERVAL=2;BYSECOND=0",
      "FREQ=HOURLY;INTERVAL=24;BYHOUR=9", "FREQ=MINUTELY;INTERVAL=1440;BYHOUR=3", "FREQ=HOURLY;INTERVAL=168;BYDAY=SU",
      "FREQ=SECONDLY;BYSETPOS=2;BYSECOND=0", "FREQ=WEEKLY;BYDAY=MO;BYSETPOS=8",
      "FREQ=DAILY;INTERVAL=1000000000;BYMONTH=2",
      "FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "FREQ=MONTHLY;INTERVAL=12;BYMONTH=5",
    ])
  func impossible(rule: String) throws {
    // A Friday in a common year, one second past the full minute.
    #expect(try pattern(rule, "2027-01-01 00:00:01") == nil)
  }

  private func randomRule(_ random: inout SeededGenerator) -> String {
    let frequency = random.pick(RecurrenceRule.Frequency.allCases)
    var parts = ["FREQ=\(frequency.name)"]
    func some(_ range: ClosedRange<Int>, _ most: Int) -> String {
      (0..<Int.random(in: 1...most, using: &random)).map { _ in "\(Int.random(in: range, using: &random))" }
        .joined(separator: ",")
    }
    if random.chance(50) { parts.append("INTERVAL=\(Int.random(in: 1...40, using: &random))") }
    if random.chance(30) { parts.append("BYMONTH=\(some(1...12, 5))") }
    if frequency != .weekly, random.chance(25) { parts.append("BYMONTHDAY=\(some(1...31, 4)),-1") }
    if random.chance(40) { parts.append("BYDAY=\(random.pick(["MO", "TU,SA", "MO,TU,WE,TH,FR", "SU"]))") }
    if random.chance(50) { parts.append("BYHOUR=\(some(0...23, 4))") }
    if random.chance(40) { parts.append("BYMINUTE=\(some(0...59, 3))") }
    if random.chance(25) { parts.append("BYSECOND=\(some(0...59, 3))") }
    if parts.contains(where: { $0.hasPrefix("BY") }), random.chance(20) {
      parts.append("BYSETPOS=\(some(1...4, 2)),-1")
    }
    return parts.joined(separator: ";")
  }

  @Test("COUNT ends where counting one by one does", arguments: Seeds.with([1, 2]))
  func counts(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 3000 : 120) {
      let text = randomRule(&random)
      let start = 1_700_000_000 + Int.random(in: 0..<100_000_000, using: &random) / 60 * 60
      let rule = try RecurrenceRuleParser.parse(text)
      guard let pattern = RecurrencePattern(rule, start: start) else { continue }
      let count = Int.random(in: 1...random.pick([3, 50, 2000]), using: &random)
      var second = start - 1
      for _ in 0..<count where second != neverLocal { second = pattern.nextLocal(from: second + 1) }
      let end = pattern.end(afterCount: count)
      #expect(
        end == second || second == neverLocal && end == neverLocal - 1, "seed \(seed): \(text), \(count) from \(start)")
    }
  }

  @Test("asked from anywhere, the answer is the next of the same times", arguments: Seeds.with([3]))
  func laws(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 2000 : 100) {
      let text = randomRule(&random)
      let start = 1_700_000_000 + Int.random(in: 0..<100_000_000, using: &random) / 60 * 60
      guard let pattern = RecurrencePattern(try RecurrenceRuleParser.parse(text), start: start) else { continue }
      var times: [Int] = []
      var second = start
      while times.count < 40 {
        second = pattern.nextLocal(from: second)
        if second == neverLocal { break }
        times.append(second)
        second += 1
      }
      #expect(times == times.sorted() && Set(times).count == times.count)
      for _ in 0..<20 {
        let from = Int.random(in: start - 1000...(times.last ?? start), using: &random)
        #expect(pattern.nextLocal(from: from) == times.first { $0 >= from }, "seed \(seed): \(text) from \(from)")
      }
    }
  }

  @Test(
    "a large COUNT and a start long ago cost nothing when asked",
    arguments: [
      "FREQ=SECONDLY;INTERVAL=7;COUNT=1000000000", "FREQ=MINUTELY;INTERVAL=11;BYHOUR=3,4;COUNT=4000000",
      "FREQ=DAILY;COUNT=90000", "FREQ=WEEKLY;BYDAY=MO,FR;BYSETPOS=1;COUNT=12000", "FREQ=SECONDLY;COUNT=1000000000000",
    ])
  func longCounts(rule: String) throws {
    let pattern = try #require(try pattern(rule, "1700-01-01 00:00"))
    var second = 1_700_000_000
    for _ in 0..<1000 {
      second = pattern.nextLocal(from: second)
      if second == neverLocal { break }
      second += 1
    }
    #expect(second > 1_700_000_000)
  }

  @Test("a rule is read back from its text, whatever order and case it was written in", arguments: Seeds.with([4]))
  func canonical(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<200 {
      let text = randomRule(&random)
      let rule = try RecurrenceRuleParser.parse(text)
      #expect(try RecurrenceRuleParser.parse(rule.text) == rule)
      let shuffled = text.split(separator: ";").shuffled(using: &random).joined(separator: ";").lowercased()
      #expect(try RecurrenceRuleParser.parse(shuffled) == rule)
    }
  }

  @Test("UNTIL in UTC ends with the instant, also where clocks show a time twice")
  func until() throws {
    let context = TriggerContext(zones: zones, zone: try zones.zone(named: "Europe/Berlin"))
    let rule = "FREQ=MINUTELY;INTERVAL=30;UNTIL=20261025T010000Z"
    let trigger = try TriggerText.parse(
      "rrule(\"\(rule)\", { start_date = \"2026-10-25 02:00\" })", context: context
    ).trigger
    var fires: [String] = []
    var instant = Instant.distantPast
    while let next = trigger.next(after: instant), fires.count < 9 {
      fires.append(next.description)
      instant = next
    }
    #expect(fires == ["2026-10-25T00:00:00Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z"])
  }

  @Test("the place of a mistake is told in bytes of the text")
  func positions() throws {
    let context = TriggerContext(zones: zones)
    let text = "DTSTART:20260101\nRRULE:FREQ=DAILY;BYHOUR=25"
    let error = #expect(throws: TriggerError.self) {
      try TriggerBuilder.build("rrule", [.string(text)], context: context)
    }
    let range = try #require(error?.position)
    #expect(String(decoding: Array(text.utf8)[range], as: UTF8.self) == "25")
  }
}
