import Chronology
import Testing
import TestSupport

@testable import Triggers

private let zones = TimeZoneDatabase()

@Suite("Intervals")
struct IntervalTriggerTests {
  @Test("fires are whole intervals away from the anchor, wherever one asks from", arguments: Seeds.with([1]))
  func grid(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<2000 {
      let interval = Int64.random(in: 1...(random.chance(50) ? 10_000_000_000 : .max / 4), using: &random)
      let anchor = Instant(nanoseconds: Int64.random(in: .min...Int64.max, using: &random))
      let after = Instant(nanoseconds: Int64.random(in: .min...Int64.max, using: &random))
      let starts = random.chance(50)
      let trigger = IntervalTrigger(nanoseconds: interval, anchor: anchor, startsAtAnchor: starts)
      guard let next = trigger.next(after: after) else {
        #expect(Int128(max(after, anchor).nanoseconds) + Int128(interval) > Int128(Int64.max))
        continue
      }
      let distance = Int128(next.nanoseconds) - Int128(anchor.nanoseconds)
      #expect(next > after && distance % Int128(interval) == 0 && distance >= (starts ? 0 : Int128(interval)))
      let previous = Int128(next.nanoseconds) - Int128(interval)
      #expect(previous <= Int128(after.nanoseconds) || distance == (starts ? 0 : Int128(interval)))
    }
  }

  @Test("a million intervals later it has not drifted")
  func drift() {
    let trigger = AnyTrigger.every(nanoseconds: 333_333_333, anchor: .epoch)
    let far = Instant(nanoseconds: 333_333_333 * 1_000_000_000 - 1)
    #expect(trigger.next(after: far) == Instant(nanoseconds: 333_333_333 * 1_000_000_000))
  }

  @Test("without an anchor it counts from the question; an assigned anchor first fires an interval later")
  func anchors() {
    let trigger = AnyTrigger.every(nanoseconds: 1000)
    #expect(trigger.needsAnchor && trigger.next(after: Instant(nanoseconds: 5)) == Instant(nanoseconds: 1005))
    let anchored = trigger.anchored(at: Instant(nanoseconds: 100))
    #expect(!anchored.needsAnchor && anchored.next(after: .epoch) == Instant(nanoseconds: 1100))
    #expect(anchored.anchored(at: Instant(nanoseconds: 7)) == anchored)
    #expect(anchored != trigger && anchored.intervalNanoseconds == 1000)
  }

  @Test("bounds are inclusive, and a start date is the anchor")
  func bounds() {
    let trigger = AnyTrigger.every(nanoseconds: 10).bounded(
      from: Instant(nanoseconds: 100), until: Instant(nanoseconds: 120))
    #expect(fires(trigger, after: .epoch, limit: 9) == [100, 110, 120])
    #expect(!trigger.needsAnchor)
    let cron = AnyTrigger.at([Instant(nanoseconds: 5), Instant(nanoseconds: 10), Instant(nanoseconds: 20)])
      .bounded(from: Instant(nanoseconds: 5), until: Instant(nanoseconds: 10))
    #expect(fires(cron, after: .distantPast, limit: 9) == [5, 10])
  }
}

private func fires(_ trigger: AnyTrigger, after: Instant, limit: Int) -> [Int64] {
  var fires: [Int64] = []
  var instant = after
  while fires.count < limit, let next = trigger.next(after: instant) {
    fires.append(next.nanoseconds)
    instant = next
  }
  return fires
}

@Suite("Calendars")
struct CalendarTriggerTests {
  /// Goes through the steps one by one with dates of its own.
  private func expected(
    _ steps: CalendarTrigger.Steps, _ rule: CalendarTrigger.DayRule, start: CivilDate, second: Int, after: Int,
    count: Int
  ) -> [Int] {
    var first = start
    if case .number(let day) = rule {
      while first.day != day { first = CivilDate(daysSinceEpoch: first.daysSinceEpoch + 1) }
    }
    var found: [Int] = []
    for step in 0..<20_000 where found.count < count {
      let month = first.year * 12 + first.month - 1 + step * steps.allMonths
      let (year, number) = (month / 12, month % 12 + 1)
      guard year < 2250 else { break }
      let length = CivilDate.daysInMonth(number, year: year)
      let day = rule == .last ? length : first.day
      guard day <= length else { continue }
      let days = CivilDate(year: year, month: number, day: day).daysSinceEpoch + step * steps.allDays
      let local = days * 86_400 + second
      if local > after { found.append(local) }
    }
    return found
  }

  @Test("agree with stepping, for random steps", arguments: Seeds.with([4]))
  func steps(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<400 {
      var steps = CalendarTrigger.Steps()
      var rule = CalendarTrigger.DayRule.same
      if random.chance(60) { steps.months = Int.random(in: 1...30, using: &random) }
      if random.chance(20) { steps.years = Int.random(in: 1...5, using: &random) }
      if steps.allMonths == 0 || random.chance(20) {
        steps.days = Int.random(in: 1...100, using: &random)
        if random.chance(30) { steps.weeks = Int.random(in: 1...60, using: &random) }
      } else if random.chance(50) {
        rule = random.chance(50) ? .last : .number(Int.random(in: 1...31, using: &random))
      }
      let start = CivilDate(daysSinceEpoch: Int.random(in: -10_000...40_000, using: &random))
      let second = Int.random(in: 0..<86_400, using: &random)
      let trigger = CalendarTrigger(
        steps: steps, dayRule: rule, secondOfDay: second,
        anchor: Instant(seconds: Int64(start.daysSinceEpoch * 86_400)), startsAtAnchor: true, zone: .utc,
        hasOwnZone: false,
        dst: DSTPolicy())
      let after = (start.daysSinceEpoch + Int.random(in: -400...20_000, using: &random)) * 86_400
      let expected = expected(steps, rule, start: start, second: second, after: after, count: 4)
      var instant = Instant(seconds: Int64(after))
      for local in expected {
        let next = trigger.next(after: instant)
        #expect(next == Instant(seconds: Int64(local)), "seed \(seed): \(steps) \(rule) from \(start) after \(instant)")
        instant = next ?? .distantFuture
      }
    }
  }

  @Test("an assigned anchor keeps the phase; without one the question's date counts")
  func anchor() throws {
    let context = TriggerContext(zones: zones)
    let trigger = try TriggerText.parse("calendar { days = 10, hour = 6 }", context: context).trigger
    let day = { (number: Int64) in Instant(seconds: number * 86_400 + 6 * 3600) }
    #expect(trigger.needsAnchor && trigger.next(after: .epoch) == day(0))
    let anchored = trigger.anchored(at: Instant(seconds: 3 * 86_400 + 7 * 3600))
    #expect(!anchored.needsAnchor && anchored.next(after: .epoch) == day(13))
    #expect(anchored.next(after: day(13)) == day(23))
  }
}

@Suite("Combinations")
struct CombinedTriggerTests {
  private func every(_ interval: Int64, at anchor: Int64) -> AnyTrigger {
    .every(nanoseconds: interval, anchor: Instant(nanoseconds: anchor))
  }

  @Test("intervals in all_of meet where arithmetic says", arguments: Seeds.with([6]))
  func intervals(seed: UInt64) {
    var random = SeededGenerator(seed)
    for _ in 0..<(isLong ? 1000 : 60) {
      let parts = (0..<Int.random(in: 2...3, using: &random)).map { _ in
        (Int64.random(in: 1...40, using: &random), Int64.random(in: -50...50, using: &random))
      }
      let trigger = AnyTrigger(IntersectionTrigger(parts.map { every($0.0, at: $0.1) }))
      let start = Int64.random(in: -100...100, using: &random)
      let expected = (start + 1...start + 70_000).first { instant in
        parts.allSatisfy { instant >= $0.1 + $0.0 && (instant - $0.1) % $0.0 == 0 }
      }
      #expect(
        trigger.nextFire(after: Instant(nanoseconds: start))
          == (expected.map { .at(Instant(nanoseconds: $0)) } ?? .never))
    }
  }

  @Test("the common multiple of huge intervals has one instant or none")
  func huge() {
    let left = Int64(1_000_000_007) * 1_000_003
    let right = Int64(998_244_353) * 1_000_033
    let meeting = Instant(nanoseconds: 4_611_686_018_427_387_904)
    let members = [every(left, at: meeting.nanoseconds % left), every(right, at: meeting.nanoseconds % right)]
    let trigger = AnyTrigger(IntersectionTrigger(members))
    #expect(trigger.nextFire(after: .epoch) == .at(meeting))
    #expect(trigger.nextFire(after: meeting) == .never)
  }

  @Test("a combination that may never fire ends its search and says how far it got")
  func bounded() throws {
    let context = TriggerContext(zones: zones)
    let trigger = try TriggerText.parse("all_of { cron \"0 * * * *\", cron \"30 * * * *\" }", context: context).trigger
    guard case .unknown(let searched) = trigger.nextFire(after: .epoch) else {
      Issue.record("expected an unknown")
      return
    }
    #expect(searched > .epoch && trigger.next(after: .epoch) == nil)
    let nothing = try TriggerText.parse("except(cron \"0 * * * *\", cron \"0 * * * *\")", context: context).trigger
    guard case .unknown = nothing.nextFire(after: .epoch) else {
      Issue.record("expected an unknown")
      return
    }
  }

  @Test("any_of, all_of and except are union, intersection and difference", arguments: Seeds.with([8]))
  func sets(seed: UInt64) throws {
    var random = SeededGenerator(seed)
    for _ in 0..<300 {
      let left = Set((0..<20).map { _ in Int64.random(in: 0..<30, using: &random) })
      let right = Set((0..<20).map { _ in Int64.random(in: 0..<30, using: &random) })
      let at = { (numbers: Set<Int64>) in AnyTrigger.at(numbers.map { Instant(nanoseconds: $0) }) }
      let after = Int64.random(in: -1..<30, using: &random)
      func all(_ trigger: AnyTrigger) -> [Int64] { fires(trigger, after: Instant(nanoseconds: after), limit: 99) }
      #expect(all(.anyOf([at(left), at(right)])) == left.union(right).filter { $0 > after }.sorted())
      #expect(
        all(AnyTrigger(IntersectionTrigger([at(left), at(right)])))
          == left.intersection(right).filter { $0 > after }.sorted())
      let except = ExceptTrigger(at(left), stretches: [], excluded: at(right), zoneOfDates: nil)
      #expect(all(AnyTrigger(except)) == left.subtracting(right).filter { $0 > after }.sorted())
    }
  }

  @Test("anchors reach into every combination")
  func anchors() throws {
    let context = TriggerContext(zones: zones)
    for text in [
      "any_of { every \"1h\", cron \"@daily\" }", "all_of { every \"1h\", cron \"* * * * *\" }",
      "except(every \"1h\", \"2026-01-01\")", "except(cron \"* * * * *\", every \"1h\")",
      "any_of { every \"1h\", end_date = \"2030-01-01\" }", "any_of { calendar { days = 1 }, every \"1h\" }",
    ] {
      let trigger = try TriggerText.parse(text, context: context).trigger
      #expect(trigger.needsAnchor, "\(text)")
      #expect(!trigger.anchored(at: .epoch).needsAnchor, "\(text)")
    }
  }
}

@Suite("Jitter")
struct JitterTests {
  @Test("it is the same every time, spreads over its range, and stays below the next fire time")
  func range() {
    let schedule = Jitter.hash(of: "backup")
    var buckets = [Int](repeating: 0, count: 10)
    for index in 0..<10_000 {
      let fire = Instant(seconds: Int64(index) * 60)
      let offset = Jitter.offsetNanoseconds(
        schedule: schedule, fireTime: fire, jitter: 9_999_999_999, nextFireTime: nil)
      #expect((0...9_999_999_999).contains(offset))
      #expect(
        offset == Jitter.offsetNanoseconds(schedule: schedule, fireTime: fire, jitter: 9_999_999_999, nextFireTime: nil)
      )
      buckets[Int(offset / 1_000_000_000)] += 1
      let near = Jitter.offsetNanoseconds(
        schedule: schedule, fireTime: fire, jitter: .max, nextFireTime: fire + .nanoseconds(7))
      #expect((0..<7).contains(near))
    }
    #expect(buckets.allSatisfy { (850...1150).contains($0) }, "\(buckets)")
    #expect(Jitter.offsetNanoseconds(schedule: 1, fireTime: .epoch, jitter: 0, nextFireTime: nil) == 0)
    #expect(Jitter.offsetNanoseconds(schedule: 1, fireTime: .epoch, jitter: -5, nextFireTime: nil) == 0)
    #expect(
      Jitter.offsetNanoseconds(schedule: 1, fireTime: .epoch, jitter: 5, nextFireTime: Instant(nanoseconds: 1)) == 0)
  }
}

@Suite("Nested combinations")
struct NestedCombinationTests {
  @Test("searches inside searches share one budget instead of multiplying")
  func budget() throws {
    let context = TriggerContext(zones: zones)
    var text = "all_of { cron \"* * * * * *\", cron \"* * * * * *\" }"
    for level in 0..<8 {
      text =
        level.isMultiple(of: 2)
        ? "except(any_of { \(text), cron \"0 0 1 1 *\" }, cron \"* * * * * *\")"
        : "all_of { \(text), cron \"*/2 * * * * *\" }"
    }
    let trigger = try TriggerText.parse(text, context: context).trigger
    // Multiplied, this would take hours.
    guard case .unknown = trigger.nextFire(after: .epoch) else {
      Issue.record("expected an unknown")
      return
    }
  }
}
