import Chronology
import Testing
import TestSupport

@testable import Triggers

@Suite("Sentences say what fires")
struct SentenceTests {
  private let zones = TimeZoneDatabase()
  private var context: TriggerContext { TriggerContext(zones: zones, zone: .utc) }

  private func words(_ trigger: AnyTrigger) -> String {
    let text = trigger.description
    return text.hasSuffix(", UTC") ? String(text.dropLast(5)) : text
  }

  private func cron(_ text: String) throws -> AnyTrigger {
    try TriggerBuilder.build("cron", [.string(text)], context: context).trigger
  }

  /// Compares the days of `range` (since the epoch), and the times of one day that fires.
  private func compare(_ trigger: AnyTrigger, days range: Range<Int>) throws {
    let message = words(trigger)
    let meaning = try SentenceReader.cron(message)
    for day in range {
      let start = Instant(seconds: Int64(day) * 86_400)
      let next = trigger.next(after: start.advanced(byNanoseconds: -1))
      let fires = next.map { $0.wholeSeconds < Int64(day + 1) * 86_400 } ?? false
      let plain = PlainDay.at(daysSinceEpoch: day)
      try #require(
        fires == meaning.isDay(plain),
        "\(trigger.lua) says \"\(message)\" of \(plain.year)-\(plain.month)-\(plain.day)")
    }
    guard let first = trigger.next(after: Instant(seconds: Int64(range.lowerBound) * 86_400 - 1)) else { return }
    let day = Int(first.wholeSeconds) / 86_400
    var fires: Set<Int> = []
    var next: Instant? = first
    while let time = next, Int(time.wholeSeconds) / 86_400 == day {
      fires.insert(Int(time.wholeSeconds) % 86_400)
      next = trigger.next(after: time)
    }
    // A second that no fire has and no word names is as good as any other: these three stand for all of them.
    let seconds = Set(fires.map { $0 % 60 }).union([0, 1, 59])
    for minute in 0..<1440 {
      for second in seconds {
        try #require(
          fires.contains(minute * 60 + second) == meaning.isTime(minute / 60, minute % 60, second),
          "\(trigger.lua) says \"\(message)\" of \(minute / 60):\(minute % 60):\(second)")
      }
    }
  }

  @Test(
    "a day field that leaves no day out is not spoken of",
    arguments: [
      ("0 0 1-31 * 4", "At 00:00 every day"), ("0 0 13 * 0-6", "At 00:00 every day"),
      ("0 0 1/1 * 4", "At 00:00 every day"), ("0 0 1-15,16-31 * 4", "At 00:00 every day"),
      ("0 0 13 * sun-sat", "At 00:00 every day"), ("0 0 13 * mon-sun", "At 00:00 every day"),
      ("0 0 13 * 1-7", "At 00:00 every day"), ("0 0 13 * 0,1,2,3,4,5,6", "At 00:00 every day"),
      ("0 0 1-31 3 fri#1", "At 00:00 every day in March"), ("0 0 */1 * 4", "At 00:00 on Thursday"),
      ("0 0 *,13 * 4", "At 00:00 on Thursday"), ("0 0 13 * *", "At 00:00 on day 13 of the month"),
      ("0 0 1-31 * *", "At 00:00 every day"), ("0 0 ? * sun-sat", "At 00:00 every day"),
      ("0 0 1-30 * 4", "At 00:00 on days 1 to 30 of the month, or on Thursday"),
      ("*/7 * * * *", "At minutes 0, 7, 14, 21, 28, 35, 42, 49 and 56 of every hour"),
      ("*/40 * * * *", "At minutes 0 and 40 of every hour"), ("1/2 * * * *", "Every 2 minutes from minute 1"),
      ("5-9 * * * *", "At minutes 5 to 9 of every hour"), ("5 1/2 * * *", "Every 2 hours from 01:05"),
      ("*/5 */2 * * *", "Every 5 minutes in every 2nd hour from 00:00 every day"),
      ("*/5 */5 * * *", "Every 5 minutes in hours 0, 5, 10, 15 and 20 every day"),
      ("0-30 9 * * *", "Every minute from 09:00 to 09:30 every day"),
      ("0 0 1,15 * mon,fri", "At 00:00 on days 1 and 15 of the month, or on Monday and Friday"),
      ("0 0 */2 * mon,fri", "At 00:00 on every 2 days from day 1 of the month if that is a Monday or Friday"),
    ])
  func days(expression: String, message: String) throws {
    let trigger = try cron(expression)
    #expect(words(trigger) == message)
    try compare(trigger, days: 20_600..<21_400)
  }

  @Test("random expressions fire when their sentences say so", arguments: Seeds.with([23, 2027]))
  func randomExpressions(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for round in 0..<(isLong ? 20_000 : 400) {
      let text: String
      if round % 2 == 0 {
        text = RandomCron(using: &random, seconds: random.chance(20), sparse: random.chance(50)).text
      } else {
        text = SentenceTests.expression(&random)
      }
      guard let trigger = try? cron(text) else { continue }
      let start = Int.random(in: 0..<40_000, using: &random)
      try compare(trigger, days: start..<start + 130)
    }
  }

  /// Fields as people write them that mean everything, or nearly: full ranges, lists and unions of them, names.
  private static func expression(_ random: inout SeededGenerator) -> String {
    func field(_ first: Int, _ last: Int, _ extra: [String]) -> String {
      let middle = Int.random(in: first...last - 1, using: &random)
      let step = random.pick([1, 1, 2, 3, 5, 7, 10, 15, 20, 40])
      let choices =
        extra + [
          "*", "*", "\(first)-\(last)", "\(first)/1", "*/\(step)", "\(first)-\(middle),\(middle + 1)-\(last)",
          "\(first)-\(last)/\(step)", "\(middle)", "\(middle),\(middle + 1)", "\(middle)-\(last)", "\(middle)/\(step)",
          "\(first)-\(middle)", "*,\(middle)", "\(middle),*",
        ]
      return random.pick(choices)
    }
    let seconds = random.chance(15) ? field(0, 59, []) + " " : ""
    return seconds
      + [
        field(0, 59, ["0", "0", "30"]), field(0, 23, ["0", "9", "9-17"]), field(1, 31, ["?", "L", "1-15,16-31", "LW"]),
        field(1, 12, ["*", "jan-dec", "feb"]),
        field(0, 6, ["sun-sat", "mon-sun", "1-7", "fri", "sat,sun", "mon-fri,sat,sun", "fri#2", "0L", "tue-mon"]),
      ].joined(separator: " ")
  }

  @Test("random tables and calendar events too", arguments: Seeds.with([5]))
  func randomTables(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for round in 0..<(isLong ? 6000 : 250) {
      let trigger: AnyTrigger?
      if round % 2 == 0 {
        trigger = try? TriggerBuilder.build("cron", [.table(SentenceTests.table(&random))], context: context).trigger
      } else {
        let event = SentenceTests.event(&random)
        trigger = try? TriggerBuilder.build("on_calendar", [.string(event)], context: context).trigger
      }
      guard let trigger else { continue }
      let start = Int.random(in: 20_454..<22_000, using: &random)
      try compare(trigger, days: start..<start + 400)
    }
  }

  private static func table(_ random: inout SeededGenerator) -> [SpecValue.Field] {
    var fields: [SpecValue.Field] = []
    func add(_ key: String, _ percent: Int, _ texts: [String]) {
      if random.chance(percent) { fields.append(SpecValue.Field(key: key, value: .string(random.pick(texts)))) }
    }
    add("year", 30, ["2026-2028", "*/2", "2027", "2026,2029", "*"])
    add("month", 40, ["1-12", "*/3", "2", "jan,mar,may,jul", "6-8"])
    add("day", 50, ["1-31", "last", "2nd fri", "last sun", "1st mon,15", "*/5", "1st mon, 3rd mon", "31"])
    add("week", 25, ["1-53", "1", "53", "*/2", "10-20"])
    add("day_of_week", 40, ["mon-sun", "mon-fri", "sat,sun", "fri#1", "sun"])
    add("hour", 60, ["9", "*/4", "9-17", "0-23"])
    add("minute", 40, ["0", "*/20", "*/50", "5,10", "*"])
    add("second", 15, ["0", "30", "*/15", "7/20", "1,2,3"])
    return fields
  }

  private static func event(_ random: inout SeededGenerator) -> String {
    let weekdays = random.pick(["", "", "Mon..Fri ", "Sat,Sun ", "Mon..Sun ", "Fri..Mon ", "Wed "])
    let year = random.pick(["*", "*", "2026..2028", "2027", "2026/2"])
    let month = random.pick(["*", "*", "1..12", "2", "01,04,07,10", "*/5"])
    let day = random.pick(["-*", "-*", "-1..31", "-13", "-01/7", "~1", "~3", "~07/1", "~2,5", "~31/1", "-1,15"])
    let hour = random.pick(["*", "9", "9..17", "0/6", "0/5", "8,12,16"])
    let minute = random.pick(["00", "0/15", "*", "30", "0/7", "1..3"])
    let second = random.pick(["", "", ":00", ":30", ":0/20", ":*"])
    return "\(weekdays)\(year)-\(month)\(day) \(hour):\(minute)\(second)"
  }

  @Test("random recurrence rules too", arguments: Seeds.with([7]))
  func randomRules(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 4000 : 120) {
      let (text, days) = SentenceTests.rule(&random)
      let start = Int.random(in: 20_454..<21_500, using: &random) * 86_400 + random.pick([0, 32_400, 34_215])
      guard let rule = try? RecurrenceRuleParser.parse(text), let pattern = RecurrencePattern(rule, start: start) else {
        continue
      }
      let words = RecurrenceExplanation(rule, start: start, zone: .utc).text
      let meaning = try RecurrenceSentence(words)
      let said = meaning.times(from: start, through: start + days * 86_400)
      var times: [Int] = []
      var local = pattern.nextLocal(from: start)
      while times.count < said.count, local != neverLocal {
        times.append(local)
        local = pattern.nextLocal(from: local + 1)
      }
      let different = zip(times, said).first { $0 != $1 }
      try #require(
        times.count == said.count && different == nil,
        """
        \(text) from \(RecurrenceTrigger.format(start)) says "\(words)": fires \
        \(different.map { RecurrenceTrigger.format($0.0, usual: nil) } ?? "\(times.count) times"), said \
        \(different.map { RecurrenceTrigger.format($0.1, usual: nil) } ?? "\(said.count)")
        """)
      if said.isEmpty, meaning.places.isEmpty {
        #expect(local > start + (days - 1) * 86_400, "\(text) says \"\(words)\"")
      }
      if said.count == meaning.count { #expect(local == neverLocal, "\(text) says \"\(words)\"") }
    }
  }

  /// A rule, and for how many days it is worth looking at.
  private static func rule(_ random: inout SeededGenerator) -> (String, Int) {
    let (frequency, days, periods) = random.pick([
      ("SECONDLY", 1, 50_000), ("MINUTELY", 6, 1000), ("HOURLY", 60, 30), ("DAILY", 800, 15), ("WEEKLY", 800, 3),
      ("MONTHLY", 1500, 4), ("YEARLY", 2000, 3), ("YEARLY", 2000, 2),
    ])
    var parts = ["FREQ=\(frequency)"]
    func add(_ name: String, _ percent: Int, _ texts: [String]) {
      if random.chance(percent) { parts.append("\(name)=\(random.pick(texts))") }
    }
    if random.chance(40) { parts.append("INTERVAL=\(Int.random(in: 2...max(2, periods), using: &random))") }
    add("COUNT", 15, ["1", "2", "7"])
    add("BYMONTH", 30, ["1", "2,3", "1,2,3,4,5,6,7,8,9,10,11,12", "3,4,5,11", "2"])
    if frequency == "YEARLY" { add("BYWEEKNO", 25, ["1", "20,21,22,40", "-1", "53", "1,-1", "-2,-1"]) }
    if frequency == "YEARLY" || frequency.hasSuffix("LY") && days < 100 {
      add("BYYEARDAY", 15, ["1", "100,200", "-1", "-3,-2,-1", "1,-1", "60"])
    }
    if frequency != "WEEKLY" { add("BYMONTHDAY", 30, ["1", "13", "-1", "1,15,-1", "-3,-2,-1", "28,29,30,31", "31"]) }
    if frequency == "MONTHLY" || frequency == "YEARLY" && !parts.contains(where: { $0.hasPrefix("BYWEEKNO") }) {
      add("BYDAY", 40, ["MO", "1MO", "-1FR", "SA,SU", "MO,TU,WE,TH,FR", "2TU,-2TH,SU", "SU,MO,TU,WE,TH,FR,SA", "5WE"])
    } else {
      add("BYDAY", 40, ["MO", "SA,SU", "MO,TU,WE,TH,FR", "FR,SU", "SU,MO,TU,WE,TH,FR,SA"])
    }
    add("BYHOUR", 30, ["9", "0,12", "8,9,10,11,12,13,14", "23"])
    add("BYMINUTE", 25, ["0", "0,30", "5,6,7,8", "59"])
    add("BYSECOND", 15, ["0", "30", "0,20,40"])
    if parts.count > 2 { add("BYSETPOS", 20, ["1", "-1", "1,-1", "2", "1,2,3"]) }
    return (parts.joined(separator: ";"), days)
  }
}
